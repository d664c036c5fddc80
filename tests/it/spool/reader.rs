//! A client that reads a blob as it likes.

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// An answer whose content has not been read yet.
pub struct Reader {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// None where not even a head came.
    body: Option<Incoming>,
    pub content: Vec<u8>,
}

impl Reader {
    /// Sends a request on a connection of its own and waits for the head of the answer. A connection that breaks off
    /// before it is an answer with the status 599 that breaks off.
    pub async fn send(method: Method, url: &str, headers: &[(&str, &str)]) -> Reader {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<bytes::Bytes>::new()).expect("a test writes valid headers");
        // Buffers of 8 KiB, so that what is not read stays with the server.
        let client: Client<_, Empty<bytes::Bytes>> =
            Client::builder(TokioExecutor::new()).http1_max_buf_size(8192).build_http();
        match client.request(request).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let (status, headers) = (parts.status, parts.headers);
                Reader { status, headers, body: Some(body), content: Vec::new() }
            }
            Err(_) => {
                let status = StatusCode::from_u16(599).expect("three digits");
                Reader { status, headers: HeaderMap::new(), body: None, content: Vec::new() }
            }
        }
    }

    pub async fn get(url: &str) -> Reader {
        Reader::send(Method::GET, url, &[]).await
    }

    pub async fn range(url: &str, range: &str) -> Reader {
        Reader::send(Method::GET, url, &[("range", range)]).await
    }

    /// Reads until there are `count` bytes, waiting `pause` after each frame. `false` when it broke off before.
    pub async fn until(&mut self, count: usize, pause: Duration) -> bool {
        let Some(body) = &mut self.body else { return false };
        while self.content.len() < count {
            match body.frame().await {
                Some(Ok(frame)) => self.content.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(_)) => return false,
                None => return true,
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        true
    }

    /// All of it, or `None` when it broke off or is an error.
    pub async fn all(mut self) -> Option<Vec<u8>> {
        let whole = self.until(usize::MAX, Duration::ZERO).await && self.status.is_success();
        whole.then_some(self.content)
    }

    /// Reads to the end, waiting `pause` after each of the first thousand frames, and keeps nothing. Whether it was
    /// `expected`, whole.
    pub async fn is(mut self, mut expected: &[u8], pause: Duration) -> bool {
        let Some(body) = &mut self.body else { return false };
        let mut pauses = 1000;
        while let Some(frame) = body.frame().await {
            let Ok(Ok(data)) = frame.map(http_body::Frame::into_data) else { return false };
            let Some(rest) = expected.strip_prefix(&data[..]) else { return false };
            expected = rest;
            if pauses > 0 && !pause.is_zero() {
                pauses -= 1;
                tokio::time::sleep(pause).await;
            }
        }
        expected.is_empty() && self.status.is_success()
    }
}
