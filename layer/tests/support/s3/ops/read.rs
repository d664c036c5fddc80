//! HEAD and GET of objects.

use std::ops::Range;
use std::sync::Arc;

use super::super::answer::Answer;
use super::super::conditions;
use super::super::error::Error;
use super::super::object::Object;
use super::super::request::Request;
use super::super::server::Shared;
use super::super::uri;
use super::super::xml::Xml;
use super::bucket::NAMESPACE;

/// HeadObject.
pub fn head(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let object = find(shared, request)?;
    conditions::read(request, &object)?;
    let range = range(request, object.len())?;
    let answer = describe(&object, request, range.clone());
    let range = range.unwrap_or(0..object.len());
    Ok(Answer { length: Some(range.end - range.start), ..answer })
}

/// GetObject.
pub fn get(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let object = find(shared, request)?;
    if object.archived() {
        let message = "The operation is not valid for the object's storage class";
        return Err(Error::new("InvalidObjectState", message).detail("StorageClass", object.storage_class()));
    }
    conditions::read(request, &object)?;
    let range = range(request, object.len())?;
    let answer = describe(&object, request, range.clone());
    Ok(Answer { body: object.body().slice(range.unwrap_or(0..object.len())), ..answer })
}

/// GetObjectTagging.
pub fn tagging(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let object = find(shared, request)?;
    let tags = uri::query(object.header("x-amz-tagging").unwrap_or("")).unwrap_or_default();
    let mut document = Xml::document();
    document.inside(&format!("Tagging {NAMESPACE}"), |xml| {
        xml.inside("TagSet", |xml| {
            for (key, value) in &tags {
                xml.inside("Tag", |xml| {
                    xml.leaf("Key", key);
                    xml.leaf("Value", value);
                });
            }
        });
    });
    Ok(Answer::xml(document))
}

/// The present generation of the request's key. Who may not list is not told that a key is missing.
pub fn find(shared: &Shared, request: &Request) -> Result<Arc<Object>, Error> {
    shared.store.with(&request.bucket, |bucket| match bucket.objects.get(&request.key) {
        Some(object) => Ok(Arc::clone(object)),
        None if bucket.settings.list_denied => Err(Error::denied()),
        None => Err(Error::no_key(&request.key)),
    })
}

/// The range a request asks for, RFC 9110 section 14; what is no single range of bytes is ignored.
pub fn range(request: &Request, length: u64) -> Result<Option<Range<u64>>, Error> {
    let Some((first, last)) =
        request.header("range").and_then(|header| header.strip_prefix("bytes=")?.trim().split_once('-'))
    else {
        return Ok(None);
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(last)) if first.is_empty() => length.saturating_sub(last)..length,
        _ => return Ok(None),
    };
    if range.start >= range.end {
        return Err(Error::new("InvalidRange", "The requested range is not satisfiable")
            .detail("ActualObjectSize", length.to_string())
            .header("content-range", format!("bytes */{length}")));
    }
    Ok(Some(range))
}

/// The head of an answer that shows an object or a range of it.
fn describe(object: &Object, request: &Request, range: Option<Range<u64>>) -> Answer {
    let mut answer = Answer::empty(if range.is_some() { 206 } else { 200 })
        .with("accept-ranges", "bytes")
        .with("content-type", "binary/octet-stream")
        .with("etag", object.etag())
        .with("last-modified", httpdate::fmt_http_date(object.time()));
    let checksums = range.is_none() && request.header("x-amz-checksum-mode") == Some("ENABLED");
    for (name, value) in object.headers() {
        answer = match name.as_str() {
            "x-amz-tagging" => answer.with("x-amz-tagging-count", value.split('&').count().to_string()),
            "x-amz-storage-class" if value == "STANDARD" => answer,
            name if name.starts_with("x-amz-checksum-") && !checksums => answer,
            name => answer.with(name, value),
        };
    }
    match range {
        Some(range) => {
            answer.with("content-range", format!("bytes {}-{}/{}", range.start, range.end - 1, object.len()))
        }
        None => answer,
    }
}
