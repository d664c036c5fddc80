//! Conditional requests, RFC 9110 section 13 as S3 applies it.

use std::time::SystemTime;

use super::clock::unix;
use super::error::Error;
use super::object::Object;
use super::request::Request;

/// Whether a read may see this object.
pub fn read(request: &Request, object: &Object) -> Result<(), Error> {
    check(request, object, "", |condition| {
        let error = if condition.ends_with("none-match") || condition.ends_with("if-modified-since") {
            Error::new("NotModified", "Not Modified")
        } else {
            Error::precondition(condition)
        };
        error.header("etag", object.etag()).header("last-modified", httpdate::fmt_http_date(object.time()))
    })
}

/// Whether a copy may take this object as its source.
pub fn copy_source(request: &Request, object: &Object) -> Result<(), Error> {
    check(request, object, "x-amz-copy-source-", Error::precondition)
}

/// Whether a write may replace what is there.
pub fn write(request: &Request, there: Option<&Object>) -> Result<(), Error> {
    if let Some(tags) = request.header("if-none-match") {
        if tags.trim() != "*" {
            let message = "A header you provided implies functionality that is not implemented";
            return Err(Error::new("NotImplemented", message).detail("Header", "If-None-Match"));
        }
        if there.is_some() {
            return Err(Error::precondition("If-None-Match"));
        }
    }
    match (request.header("if-match"), there) {
        (Some(_), None) => Err(Error::no_key(&request.key)),
        (Some(tags), Some(object)) if !matches(tags, object.etag()) => Err(Error::precondition("If-Match")),
        _ => Ok(()),
    }
}

/// The four conditions in the order of RFC 9110, 13.2.2.
fn check(
    request: &Request,
    object: &Object,
    prefix: &str,
    refuse: impl Fn(&str) -> Error,
) -> Result<(), Error> {
    let header = |name: &str| request.header(&format!("{prefix}{name}"));
    let date = |name: &str| httpdate::parse_http_date(header(name)?).ok();
    let later = |than: SystemTime| unix(object.time()) > unix(than);
    if let Some(tags) = header("if-match") {
        if !matches(tags, object.etag()) {
            return Err(refuse("if-match"));
        }
    } else if date("if-unmodified-since").is_some_and(later) {
        return Err(refuse("if-unmodified-since"));
    }
    if let Some(tags) = header("if-none-match") {
        if matches(tags, object.etag()) {
            return Err(refuse("if-none-match"));
        }
    } else if date("if-modified-since").is_some_and(|than| !later(than)) {
        return Err(refuse("if-modified-since"));
    }
    Ok(())
}

/// Whether a list of entity tags, quoted or not, names this one.
fn matches(tags: &str, etag: &str) -> bool {
    let bare = etag.trim_matches('"');
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == bare)
}
