//! Multipart uploads.

pub mod complete;
pub mod listing;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::super::answer::Answer;
use super::super::body::{Body, mix};
use super::super::checksum;
use super::super::clock::unix;
use super::super::error::Error;
use super::super::incoming::Payload;
use super::super::request::Request;
use super::super::server::Shared;
use super::super::store::Bucket;
use super::super::xml::Xml;
use super::bucket::NAMESPACE;

/// An open upload.
#[derive(Debug)]
pub struct Upload {
    pub key: String,
    /// Headers of the object to be.
    pub headers: Vec<(String, String)>,
    /// The checksum of its parts, in lower case.
    pub algorithm: Option<String>,
    /// One checksum over the whole object rather than over those of the parts.
    pub full: bool,
    pub parts: BTreeMap<u32, Part>,
    pub begun: SystemTime,
}

/// A part of an upload.
#[derive(Debug)]
pub struct Part {
    pub body: Body,
    pub etag: String,
    /// The MD5 in the ETag.
    pub md5: [u8; 16],
    /// Base64, of the upload's algorithm.
    pub checksum: Option<String>,
    pub modified: SystemTime,
}

/// CreateMultipartUpload.
pub fn create(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let algorithm = request.header("x-amz-checksum-algorithm").map(str::to_ascii_lowercase);
    if algorithm.as_deref().is_some_and(|algorithm| !checksum::NAMES.contains(&algorithm)) {
        return Err(Error::invalid("Checksum algorithm provided is unsupported."));
    }
    let full = match request.header("x-amz-checksum-type") {
        Some(kind) => kind == "FULL_OBJECT",
        None => algorithm.as_deref() == Some("crc64nvme"),
    };
    let headers = super::kept(request)?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    // Ids begin with their number for readers of logs. As with S3 they need no encoding in a query: s3fs does none.
    let id = format!("{number:06}.{:016x}_-", mix(number ^ unix(shared.clock.now())));
    let mut document = Xml::document();
    document.inside(&format!("InitiateMultipartUploadResult {NAMESPACE}"), |xml| {
        xml.leaf("Bucket", &request.bucket);
        xml.leaf("Key", &request.key);
        xml.leaf("UploadId", &id);
    });
    let mut answer = super::with_traits(Answer::xml(document), &headers, false);
    if let Some(algorithm) = &algorithm {
        answer = answer
            .with("x-amz-checksum-algorithm", algorithm.to_uppercase())
            .with("x-amz-checksum-type", if full { "FULL_OBJECT" } else { "COMPOSITE" });
    }
    let (key, parts, begun) = (request.key.clone(), BTreeMap::new(), shared.clock.now());
    let upload = Upload { key, headers, algorithm, full, parts, begun };
    shared.store.with(&request.bucket, |bucket| {
        bucket.uploads.insert(id, upload);
        Ok(answer)
    })
}

/// UploadPart.
pub fn part(shared: &Shared, request: &Request, payload: Payload) -> Result<Answer, Error> {
    let checksums = checksum::verify(&payload.claims, &payload.segments)?;
    let (etag, headers) = add(shared, request, Body::new(payload.segments), checksums)?;
    Ok(super::with_traits(Answer::empty(200).with("etag", etag), &headers, true))
}

/// Adds a part to the request's upload; gives its ETag and the headers that its answer has.
pub fn add(
    shared: &Shared,
    request: &Request,
    body: Body,
    checksums: Vec<(String, String)>,
) -> Result<(String, Vec<(String, String)>), Error> {
    let number = request.query("partNumber").and_then(|number| number.parse().ok());
    let number = number.filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
        Error::new("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    })?;
    let algorithm =
        shared.store.with(&request.bucket, |bucket| Ok(find(bucket, request)?.algorithm.clone()))?;
    if let (Some(wanted), Some((given, _))) = (&algorithm, checksums.first())
        && given.strip_prefix("x-amz-checksum-") != Some(wanted)
    {
        let message =
            format!("Checksum Type mismatch occurred, expected checksum Type: {wanted}, actual: {given}");
        return Err(Error::invalid(&message));
    }
    // Digests of 5 GiB are not taken under the lock.
    let md5 = checksum::md5(body.segments());
    let checksum = algorithm.and_then(|algorithm| checksum::compute(&algorithm, body.segments()));
    let (etag, modified) = (format!("\"{}\"", checksum::hex(&md5)), shared.clock.now());
    shared.store.with(&request.bucket, |bucket| {
        let upload = find(bucket, request)?;
        upload.parts.insert(number, Part { body, etag: etag.clone(), md5, checksum, modified });
        Ok((etag, upload.headers.iter().cloned().chain(checksums).collect()))
    })
}

/// AbortMultipartUpload.
pub fn abort(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    shared.store.with(&request.bucket, |bucket| {
        find(bucket, request)?;
        bucket.uploads.remove(request.query("uploadId").unwrap_or(""));
        Ok(Answer::empty(204))
    })
}

/// The upload that a request names by id and key.
pub fn find<'a>(bucket: &'a mut Bucket, request: &Request) -> Result<&'a mut Upload, Error> {
    let id = request.query("uploadId").unwrap_or("");
    bucket.uploads.get_mut(id).filter(|upload| upload.key == request.key).ok_or_else(|| {
        let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have \
                       been aborted or completed.";
        Error::new("NoSuchUpload", message).detail("UploadId", id)
    })
}
