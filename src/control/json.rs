//! JSON in and out, with limits.

use crate::body::Body;
use crate::error::{BoxError, Error};
use crate::oci::{Code, headers};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// Bytes of a request without layers in it.
pub(super) const SMALL: usize = 64 << 10;

/// Bytes of a request with inline layers.
pub(super) const LARGE: usize = 32 << 20;

/// Requests above [`SMALL`] in memory at the same time.
static LARGE_ONES: Semaphore = Semaphore::const_new(4);

/// Reads and parses a request of at most `limit` bytes. 413 when it is longer, 400 when it is not the JSON it
/// should be, 503 when too many large ones are being read. The content type is not looked at: curl calls
/// everything a form.
pub(super) async fn read<T, B>(body: B, limit: usize) -> Result<T, Error>
where
    T: DeserializeOwned,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut permit = None;
    let mut body = pin!(body);
    if body.size_hint().lower() > limit as u64 {
        return Err(too_long(limit));
    }
    let mut text = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| invalid("the request broke off").with_source(error))?;
        let Ok(data) = frame.into_data() else { continue };
        if text.len() + data.len() > limit {
            return Err(too_long(limit));
        }
        if permit.is_none() && text.len() + data.len() > SMALL {
            permit =
                Some(LARGE_ONES.try_acquire().map_err(|_| {
                    Error::overloaded("too many large requests at once", Duration::from_secs(2))
                })?);
        }
        text.extend_from_slice(&data);
    }
    serde_json::from_slice(&text).map_err(|error| {
        let what: String = error.to_string().chars().take(200).collect();
        let (line, column) = (error.line(), error.column());
        invalid(format!("Invalid JSON in request, line {line}, column {column}: {what}"))
    })
}

/// 200 with JSON.
pub(super) fn reply(content: &impl Serialize) -> Response<Body> {
    let content = serde_json::to_vec(content).expect("replies are plain JSON");
    let mut response = Response::new(Body::full(content));
    response.headers_mut().insert(header::CONTENT_TYPE, headers::JSON);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The same answer, without its content when `method` is HEAD.
pub(super) fn for_method(method: &Method, response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(HttpBody::size_hint(&body).lower()));
    let body = if method == Method::HEAD { Body::empty() } else { body };
    Response::from_parts(head, body)
}

/// The caller asked for something wrong: 400.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::client(Code::ManifestInvalid, message.into())
}

/// `2026-11-25T11:00:00Z`: ISO 8601, UTC, whole seconds.
pub fn instant(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX);
    jiff::Timestamp::from_second(time.as_second()).expect("it is in range").to_string()
}

fn too_long(limit: usize) -> Error {
    let limit =
        if limit >= 1 << 20 { format!("{} MiB", limit >> 20) } else { format!("{} KiB", limit >> 10) };
    let message = format!("the request is larger than {limit}");
    Error::client(Code::SizeInvalid, message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn instants_are_utc_and_whole() {
        let time = UNIX_EPOCH + Duration::from_millis(1_795_604_400_123);
        assert_eq!(instant(time), "2026-11-25T11:00:00Z");
    }

    #[tokio::test]
    async fn limits_and_positions() {
        let read = |text: String| async move {
            read::<serde_json::Value, _>(Body::full(text), SMALL)
                .await
                .map_err(|e| (e.status(), e.message().to_string()))
        };
        assert!(read("{}".into()).await.is_ok());
        let (status, message) = read(format!("\"{}\"", "x".repeat(SMALL))).await.unwrap_err();
        assert_eq!((status.as_u16(), &*message), (413, "the request is larger than 64 KiB"));
        let (status, message) = read("{\n  nope".into()).await.unwrap_err();
        assert_eq!(status.as_u16(), 400);
        assert!(message.starts_with("Invalid JSON in request, line 2, column 3"), "{message}");
        assert_eq!(read(String::new()).await.unwrap_err().0.as_u16(), 400);
    }
}
