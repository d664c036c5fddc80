//! JSON in and out, with limits.

use crate::admission::{Permit, Pool};
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
use tokio::time::timeout;

/// Bytes of a request without layers in it.
pub(super) const SMALL: usize = 64 << 10;

/// Bytes of a request with inline layers.
pub(super) const LARGE: usize = 32 << 20;

/// How long a caller may send nothing in the middle of a request.
const IDLE: Duration = Duration::from_secs(10);

/// Permits for requests above [`SMALL`]: so many are in memory at the same time.
pub(super) fn large_ones() -> Pool {
    Pool::new("large-requests", 4)
}

/// Reads and parses a request of at most `limit` bytes. 413 when it is longer, 400 when it is not the JSON it
/// should be, 408 when it stops coming, 503 when `large` has no permit for it. The content type is not looked at:
/// curl calls everything a form.
///
/// A large request comes with its permit, to be held as long as anything of the request is in memory.
pub(super) async fn read<T, B>(body: B, limit: usize, large: &Pool) -> Result<(T, Option<Permit>), Error>
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
    while let Some(frame) = timeout(IDLE, body.frame()).await.map_err(|_| stalled())? {
        let frame = frame.map_err(|error| invalid("the request broke off").with_source(error))?;
        let Ok(data) = frame.into_data() else { continue };
        if text.len() + data.len() > limit {
            return Err(too_long(limit));
        }
        if permit.is_none() && text.len() + data.len() > SMALL {
            permit = Some(large.try_acquire()?);
        }
        text.extend_from_slice(&data);
    }
    let value = serde_json::from_slice(&text).map_err(|error| {
        let what: String = error.to_string().chars().take(200).collect();
        let (line, column) = (error.line(), error.column());
        invalid(format!("Invalid JSON in request, line {line}, column {column}: {what}"))
    })?;
    Ok((value, permit))
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

fn stalled() -> Error {
    invalid("the request stopped in the middle").with_status(StatusCode::REQUEST_TIMEOUT)
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
    use futures_util::{StreamExt as _, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use std::time::UNIX_EPOCH;

    #[test]
    fn instants_are_utc_and_whole() {
        let time = UNIX_EPOCH + Duration::from_millis(1_795_604_400_123);
        assert_eq!(instant(time), "2026-11-25T11:00:00Z");
    }

    fn read<T: DeserializeOwned>(
        text: impl Into<Bytes>,
        limit: usize,
        large: &Pool,
    ) -> impl Future<Output = Result<(T, Option<Permit>), Error>> {
        super::read(Body::full(text), limit, large)
    }

    #[tokio::test]
    async fn limits_and_positions() {
        let large = large_ones();
        let read = async |text: String| {
            let read = read::<serde_json::Value>(text, SMALL, &large).await;
            read.map(|_| ()).map_err(|error| (error.status().as_u16(), error.message().to_string()))
        };
        assert_eq!(read("{}".into()).await, Ok(()));
        let too_long = (413, "the request is larger than 64 KiB".into());
        assert_eq!(read(format!("\"{}\"", "x".repeat(SMALL))).await, Err(too_long));
        let (status, message) = read("{\n  nope".into()).await.unwrap_err();
        assert_eq!(status, 400);
        assert!(message.starts_with("Invalid JSON in request, line 2, column 3"), "{message}");
        assert_eq!(read(String::new()).await.unwrap_err().0, 400);
    }

    #[tokio::test]
    async fn a_large_request_has_its_permit_until_it_is_let_go() {
        let text = || format!("\"{}\"", "x".repeat(2 * SMALL));
        let large = Pool::new("test", 1);
        let (value, permit) = read::<String>(text(), LARGE, &large).await.unwrap();
        assert_eq!((value.len(), permit.is_some()), (2 * SMALL, true));
        let error = read::<String>(text(), LARGE, &large).await.err().expect("there is no second permit");
        assert_eq!((error.status().as_u16(), error.retry_after().is_some()), (503, true));
        assert!(read::<String>("\"small\"", LARGE, &large).await.is_ok_and(|(_, permit)| permit.is_none()));
        drop(permit);
        assert!(read::<String>(text(), LARGE, &large).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_stops_gives_its_permit_back() {
        let large = Pool::new("test", 1);
        let start = Frame::data(Bytes::from("x".repeat(2 * SMALL)));
        let frames = stream::iter([Ok::<_, BoxError>(start)]).chain(stream::pending());
        let begun = tokio::time::Instant::now();
        let read = super::read::<String, _>(StreamBody::new(frames), LARGE, &large).await;
        assert_eq!((read.err().map(|error| error.status().as_u16()), begun.elapsed()), (Some(408), IDLE));
        assert!(large.try_acquire().is_ok());
    }
}
