//! CompleteMultipartUpload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::super::answer::Answer;
use super::super::super::body::Body;
use super::super::super::checksum;
use super::super::super::conditions;
use super::super::super::error::Error;
use super::super::super::incoming::Payload;
use super::super::super::object::Object;
use super::super::super::request::Request;
use super::super::super::server::Shared;
use super::super::super::store::Bucket;
use super::super::super::xml::{Xml, leaf, read};
use super::super::bucket::NAMESPACE;
use super::super::{dressed, with_traits};
use super::{Part, Upload};

/// Uploads that are remembered as completed.
const REMEMBERED: usize = 1000;

/// CompleteMultipartUpload.
pub fn complete(shared: &Shared, request: &Request, payload: &Payload) -> Result<Answer, Error> {
    let malformed =
        || Error::new("MalformedXML", "The XML you provided was not well-formed or did not validate");
    let asked = read(&payload.text()?, "Part").filter(|parts| !parts.is_empty()).ok_or_else(malformed)?;
    let id = request.query("uploadId").unwrap_or("");
    shared.store.with(&request.bucket, |bucket| {
        if let Some((_, etag)) = bucket.completed.iter().find(|(completed, _)| completed == id) {
            return Ok(answer(request, &etag.clone()));
        }
        conditions::write(request, bucket.objects.get(&request.key).map(AsRef::as_ref))?;
        let upload = super::find(bucket, request)?;
        let parts = chosen(upload, &asked, shared.config.min_part)?;
        let object = assemble(request, upload, &parts)?.modified(shared.clock.now());
        let answer = with_traits(answer(request, object.etag()), object.headers(), true);
        finish(bucket, request, id, object);
        Ok(answer)
    })
}

/// The parts that the request lists, which must be the upload's own and in order.
fn chosen<'a>(
    upload: &'a Upload,
    asked: &[Vec<(String, String)>],
    smallest: u64,
) -> Result<Vec<&'a Part>, Error> {
    let invalid = || {
        let message = "One or more of the specified parts could not be found. The part may not have been uploaded, \
                       or the specified entity tag may not match the part's entity tag.";
        Error::new("InvalidPart", message)
    };
    let mut parts = Vec::new();
    let mut previous = 0;
    for (index, leaves) in asked.iter().enumerate() {
        let number =
            leaf(leaves, "PartNumber").and_then(|number| number.trim().parse().ok()).ok_or_else(invalid)?;
        if number <= previous {
            let message =
                "The list of parts was not in ascending order. Parts must be ordered by part number.";
            return Err(Error::new("InvalidPartOrder", message));
        }
        previous = number;
        let part: &Part = upload.parts.get(&number).ok_or_else(invalid)?;
        let etag = leaf(leaves, "ETag").unwrap_or("").trim_matches('"');
        let checksums = leaves.iter().filter(|(name, _)| name.starts_with("Checksum"));
        let mut checksums = checksums.map(|(_, value)| Some(value.as_str()));
        if etag != part.etag.trim_matches('"') || !checksums.all(|value| value == part.checksum.as_deref()) {
            return Err(invalid());
        }
        if part.body.len() < smallest && index + 1 < asked.len() {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            return Err(Error::new("EntityTooSmall", message)
                .detail("ProposedSize", part.body.len().to_string())
                .detail("PartNumber", number.to_string()));
        }
        parts.push(part);
    }
    Ok(parts)
}

fn assemble(request: &Request, upload: &Upload, parts: &[&Part]) -> Result<Object, Error> {
    let digests = parts.iter().flat_map(|part| part.md5).collect::<Vec<u8>>();
    let etag = format!("\"{}-{}\"", checksum::hex(&checksum::md5(&[digests.into()])), parts.len());
    let body = Body::new(parts.iter().flat_map(|part| part.body.segments().iter().cloned()));
    if let Some(size) = request.header("x-amz-mp-object-size")
        && *size != body.len().to_string()
    {
        return Err(Error::invalid(
            "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
        ));
    }
    let mut object = dressed(Object::assembled(body, etag), &upload.headers);
    if let Some(algorithm) = &upload.algorithm {
        let name = format!("x-amz-checksum-{algorithm}");
        let computed = if upload.full {
            checksum::compute(algorithm, object.body().segments()).unwrap_or_default()
        } else {
            let sums = parts.iter().filter_map(|part| STANDARD.decode(part.checksum.as_deref()?).ok());
            let sums = sums.flatten().collect::<Vec<u8>>();
            format!("{}-{}", checksum::compute(algorithm, &[sums.into()]).unwrap_or_default(), parts.len())
        };
        if request.header(&name).is_some_and(|claimed| claimed != computed) {
            let message =
                format!("The {} you specified did not match what we computed.", algorithm.to_uppercase());
            return Err(Error::new("BadDigest", message));
        }
        object = object
            .with(&name, &computed)
            .with("x-amz-checksum-type", if upload.full { "FULL_OBJECT" } else { "COMPOSITE" });
    }
    Ok(object)
}

fn finish(bucket: &mut Bucket, request: &Request, id: &str, object: Object) {
    bucket.uploads.remove(id);
    bucket.completed.push_back((id.to_owned(), object.etag().to_owned()));
    if bucket.completed.len() > REMEMBERED {
        bucket.completed.pop_front();
    }
    bucket.objects.insert(request.key.clone(), object.into());
}

fn answer(request: &Request, etag: &str) -> Answer {
    let mut document = Xml::document();
    document.inside(&format!("CompleteMultipartUploadResult {NAMESPACE}"), |xml| {
        xml.leaf("Location", format!("http://localhost/{}/{}", request.bucket, request.key));
        xml.leaf("Bucket", &request.bucket);
        xml.leaf("Key", &request.key);
        xml.leaf("ETag", etag);
    });
    Answer::xml(document)
}
