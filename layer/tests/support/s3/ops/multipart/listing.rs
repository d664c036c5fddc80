//! ListMultipartUploads and ListParts, each in one page of up to 1000.

use super::super::super::answer::Answer;
use super::super::super::clock::iso;
use super::super::super::error::Error;
use super::super::super::request::Request;
use super::super::super::server::Shared;
use super::super::super::xml::Xml;
use super::super::bucket::NAMESPACE;

/// ListMultipartUploads.
pub fn uploads(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let prefix = request.query("prefix").unwrap_or("");
    shared.store.with(&request.bucket, |bucket| {
        let mut found: Vec<_> =
            bucket.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix)).collect();
        found.sort_by_key(|(id, upload)| (&upload.key, *id));
        let mut document = Xml::document();
        document.inside(&format!("ListMultipartUploadsResult {NAMESPACE}"), |xml| {
            xml.leaf("Bucket", &request.bucket);
            xml.leaf("Prefix", prefix);
            xml.leaf("MaxUploads", 1000);
            xml.leaf("IsTruncated", found.len() > 1000);
            for (id, upload) in found.iter().take(1000) {
                xml.inside("Upload", |xml| {
                    xml.leaf("Key", &upload.key);
                    xml.leaf("UploadId", id);
                    xml.leaf("StorageClass", "STANDARD");
                    xml.leaf("Initiated", iso(upload.begun));
                });
            }
        });
        Ok(Answer::xml(document))
    })
}

/// ListParts.
pub fn parts(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let number = |name: &str| request.query(name).and_then(|text| text.parse::<u32>().ok());
    let (marker, most) =
        (number("part-number-marker").unwrap_or(0), number("max-parts").unwrap_or(1000).min(1000));
    shared.store.with(&request.bucket, |bucket| {
        let upload = super::find(bucket, request)?;
        let mut behind = upload.parts.range(marker.saturating_add(1)..);
        let page: Vec<_> = behind.by_ref().take(most as usize).collect();
        let mut document = Xml::document();
        document.inside(&format!("ListPartsResult {NAMESPACE}"), |xml| {
            xml.leaf("Bucket", &request.bucket);
            xml.leaf("Key", &request.key);
            xml.leaf("UploadId", request.query("uploadId").unwrap_or(""));
            xml.leaf("StorageClass", "STANDARD");
            xml.leaf("PartNumberMarker", marker);
            page.last().iter().for_each(|(last, _)| xml.leaf("NextPartNumberMarker", last));
            xml.leaf("MaxParts", most);
            xml.leaf("IsTruncated", behind.next().is_some());
            for (number, part) in &page {
                xml.inside("Part", |xml| {
                    xml.leaf("PartNumber", number);
                    xml.leaf("LastModified", iso(part.modified));
                    xml.leaf("ETag", &part.etag);
                    xml.leaf("Size", part.body.len());
                });
            }
        });
        Ok(Answer::xml(document))
    })
}
