//! Content discovery: tag lists and referrers, under the name the caller used.

mod link;
mod referrers;
mod tags;

pub(in crate::pull) use referrers::{own_referrers, referrers};
pub(in crate::pull) use tags::tags;

use crate::body::Body;
use crate::oci::headers;
use http::{HeaderValue, Response, header};
use link::Link;
use serde::Serialize;

/// A list as a response, and where it goes on.
fn list<T: Serialize>(value: &T, media: HeaderValue, next: Option<Link>) -> Response<Body> {
    let content = serde_json::to_vec(value).expect("texts and numbers are JSON");
    let length = content.len();
    let mut response = Response::new(Body::full(content));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, media);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(headers::API_VERSION, headers::REGISTRY_V2);
    if let Some(link) = next.and_then(Link::header) {
        fields.insert(header::LINK, link);
    }
    response
}
