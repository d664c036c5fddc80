//! Copies on the server's side.

use std::ops::Range;
use std::sync::Arc;

use super::super::answer::Answer;
use super::super::body::Body;
use super::super::clock::iso;
use super::super::conditions;
use super::super::error::Error;
use super::super::object::Object;
use super::super::request::Request;
use super::super::server::Shared;
use super::super::uri;
use super::super::xml::Xml;
use super::bucket::NAMESPACE;
use super::multipart;

/// The largest object that one CopyObject takes.
const LARGEST: u64 = 5 << 30;

/// CopyObject.
pub fn object(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let (bucket, key, source) = find(shared, request)?;
    let replace = request.header("x-amz-metadata-directive") == Some("REPLACE");
    let wanted = super::kept(request)?;
    let changes =
        |name: &str| name == "x-amz-storage-class" || name.starts_with("x-amz-server-side-encryption");
    if (bucket, key) == (request.bucket.clone(), request.key.clone())
        && !replace
        && !wanted.iter().any(|(name, _)| changes(name))
    {
        return Err(Error::invalid(
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    if source.len() > LARGEST {
        let message = "The specified copy source is larger than the maximum allowable size for a copy source";
        return Err(Error::invalid(message));
    }
    let tags_replaced = request.header("x-amz-tagging-directive") == Some("REPLACE");
    // A copy is one part whatever its source was.
    let copy = if source.etag().contains('-') {
        Object::of_body(source.body().clone())
    } else {
        Object::assembled(source.body().clone(), source.etag().to_owned())
    };
    let from_source = source.headers().iter().filter(|(name, _)| match name.as_str() {
        "x-amz-tagging" => !tags_replaced,
        "x-amz-restore" => false,
        name if name.starts_with("x-amz-checksum-") => true,
        name => !replace && !changes(name),
    });
    let from_request = wanted.iter().filter(|(name, _)| match name.as_str() {
        "x-amz-tagging" => tags_replaced,
        name => replace || changes(name),
    });
    let copy = from_source.chain(from_request).fold(copy, |copy, (name, value)| copy.with(name, value));
    let copy = copy.modified(shared.clock.now());
    let mut document = Xml::document();
    document.inside(&format!("CopyObjectResult {NAMESPACE}"), |xml| {
        xml.leaf("LastModified", iso(copy.time()));
        xml.leaf("ETag", copy.etag());
    });
    let answer = super::with_traits(Answer::xml(document), copy.headers(), false);
    super::write::store(shared, request, copy)?;
    Ok(answer)
}

/// UploadPartCopy.
pub fn part(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let (_, _, source) = find(shared, request)?;
    let range = match request.header("x-amz-copy-source-range") {
        Some(text) => copy_range(text, source.len())?,
        None => 0..source.len(),
    };
    let body = Body::new(source.body().slice(range));
    let (etag, _) = multipart::add(shared, request, body, Vec::new())?;
    let mut document = Xml::document();
    document.inside(&format!("CopyPartResult {NAMESPACE}"), |xml| {
        xml.leaf("LastModified", iso(shared.clock.now()));
        xml.leaf("ETag", etag);
    });
    Ok(Answer::xml(document))
}

/// Bucket, key and object that a copy is from.
fn find(shared: &Shared, request: &Request) -> Result<(String, String, Arc<Object>), Error> {
    let invalid = || {
        Error::new(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )
    };
    let header = request.header("x-amz-copy-source").ok_or_else(invalid)?;
    let path = uri::decode(header.split('?').next().unwrap_or("")).ok_or_else(invalid)?;
    let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(invalid)?;
    let source = Request { bucket: bucket.to_owned(), key: key.to_owned(), ..request.clone() };
    let object = super::read::find(shared, &source)?;
    if object.archived() {
        let message = "The source object of the COPY action is not in the active tier";
        return Err(Error::new("ObjectNotInActiveTierError", message).status(403));
    }
    conditions::copy_source(request, &object)?;
    Ok((source.bucket, source.key, object))
}

/// `bytes=first-last`, both said and within the source.
fn copy_range(text: &str, length: u64) -> Result<Range<u64>, Error> {
    let parsed = text.strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        Some(first.parse::<u64>().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
    });
    let range = parsed.filter(|range| range.start < range.end).ok_or_else(|| {
        Error::new(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last",
        )
    })?;
    if range.end > length {
        let message = format!("Range specified is not valid for source object of size: {length}");
        return Err(Error::new("InvalidRange", message));
    }
    Ok(range)
}
