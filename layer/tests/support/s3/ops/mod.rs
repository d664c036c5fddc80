//! The operations. Each takes a request with its verified payload, and none waits for anything.

pub mod bucket;
pub mod copy;
pub mod delete;
pub mod list;
pub mod multipart;
pub mod read;
pub mod write;

use super::answer::Answer;
use super::error::Error;
use super::incoming::Payload;
use super::object::Object;
use super::op::Op;
use super::request::Request;
use super::server::Shared;

/// Carries out a request.
pub fn run(shared: &Shared, request: &Request, payload: Payload) -> Result<Answer, Error> {
    match request.op {
        Op::ListBuckets => bucket::list(shared),
        Op::HeadBucket => bucket::head(shared, request),
        Op::CreateBucket => bucket::create(shared, request),
        Op::DeleteBucket => bucket::delete(shared, request),
        Op::BucketLocation => bucket::location(shared, request),
        Op::BucketVersioning => bucket::versioning(shared, request),
        Op::ListObjects | Op::ListObjectsV1 => list::objects(shared, request),
        Op::ListUploads => multipart::listing::uploads(shared, request),
        Op::ListParts => multipart::listing::parts(shared, request),
        Op::DeleteObjects => delete::many(shared, request, &payload),
        Op::DeleteObject => delete::one(shared, request),
        Op::HeadObject => read::head(shared, request),
        Op::GetObject => read::get(shared, request),
        Op::GetTagging => read::tagging(shared, request),
        Op::PutObject => write::put(shared, request, payload),
        Op::CopyObject => copy::object(shared, request),
        Op::CreateUpload => multipart::create(shared, request),
        Op::UploadPart => multipart::part(shared, request, payload),
        Op::UploadPartCopy => copy::part(shared, request),
        Op::CompleteUpload => multipart::complete::complete(shared, request, &payload),
        Op::AbortUpload => multipart::abort(shared, request),
        Op::Other => {
            let message = "A header you provided implies functionality that is not implemented";
            Err(Error::new("NotImplemented", message))
        }
    }
}

/// The headers of a request that stay with its object.
pub fn kept(request: &Request) -> Result<Vec<(String, String)>, Error> {
    const KEPT: [&str; 10] = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-website-redirect-location",
        "x-amz-object-lock-mode",
    ];
    let stays = |name: &str| {
        KEPT.contains(&name)
            || name.starts_with("x-amz-meta-")
            || name.starts_with("x-amz-server-side-encryption")
    };
    let mut kept: Vec<(String, String)> =
        request.headers.iter().filter(|(name, _)| stays(name)).cloned().collect();
    for (name, value) in &mut kept {
        if name == "content-encoding" {
            // The framing of the request is no property of the object.
            *value = value
                .split(',')
                .map(str::trim)
                .filter(|coding| *coding != "aws-chunked")
                .collect::<Vec<_>>()
                .join(",");
        }
    }
    kept.retain(|(_, value)| !value.is_empty());
    let metadata =
        kept.iter().filter_map(|(name, value)| Some(name.strip_prefix("x-amz-meta-")?.len() + value.len()));
    if metadata.sum::<usize>() > 2048 {
        let message = "Your metadata headers exceed the maximum allowed metadata size";
        return Err(Error::new("MetadataTooLarge", message));
    }
    Ok(kept)
}

/// An answer that tells how the object is encrypted and which checksums it has.
pub fn with_traits(answer: Answer, headers: &[(String, String)], checksums: bool) -> Answer {
    let told = |name: &str| {
        name.starts_with("x-amz-server-side-encryption") || checksums && name.starts_with("x-amz-checksum-")
    };
    headers
        .iter()
        .filter(|(name, _)| told(name))
        .fold(answer, |answer, (name, value)| answer.with(name, value))
}

/// An object with these headers kept.
pub fn dressed(object: Object, headers: &[(String, String)]) -> Object {
    headers.iter().fold(object, |object, (name, value)| object.with(name, value))
}
