//! The head of a request, parsed once.

use hyper::http::request::Parts;

use super::error::Error;
use super::op::Op;
use super::uri;

/// What a request asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `PUT`...
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// Empty for the service itself.
    pub bucket: String,
    /// Empty for the bucket itself.
    pub key: String,
    /// Names and values, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// What it comes to.
    pub op: Op,
}

impl Request {
    /// The request of this head. A path that is not UTF-8 when decoded is an `InvalidURI`.
    pub fn parse(parts: &Parts) -> Result<Request, Error> {
        let wrong = || Error::new("InvalidURI", "Couldn't parse the specified URI.");
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let query = uri::query(parts.uri.query().unwrap_or("")).ok_or_else(wrong)?;
        let path = uri::decode(parts.uri.path()).ok_or_else(wrong)?;
        let host = find(&headers, "host").or(parts.uri.host()).unwrap_or("");
        let path_rest = path.strip_prefix('/').ok_or_else(wrong)?;
        let (bucket, key) = match virtual_bucket(host) {
            Some(bucket) => (bucket, path_rest),
            None => path_rest.split_once('/').unwrap_or((path_rest, "")),
        };
        let op = Op::of(
            parts.method.as_str(),
            !bucket.is_empty(),
            !key.is_empty(),
            |name| find(&query, name).is_some(),
            find(&headers, "x-amz-copy-source").is_some(),
        );
        Ok(Request {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            op,
            query,
            headers,
        })
    }

    /// What is logged of a request that cannot be parsed.
    pub fn unreadable(parts: &Parts) -> Request {
        Request {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            bucket: String::new(),
            key: String::new(),
            query: Vec::new(),
            headers: Vec::new(),
            op: Op::Other,
        }
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// A value of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }
}

/// The value of a name.
pub fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// The bucket in a host name of the virtual-host style.
fn virtual_bucket(host: &str) -> Option<&str> {
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if let Some(bucket) = host.strip_suffix(".localhost").or(host.strip_suffix(".s3.test")) {
        return Some(bucket);
    }
    let rest = host.strip_suffix(".amazonaws.com")?;
    match rest.rsplit_once(".s3") {
        Some((bucket, region)) if region.is_empty() || region.starts_with(['.', '-']) => Some(bucket),
        _ => None,
    }
}
