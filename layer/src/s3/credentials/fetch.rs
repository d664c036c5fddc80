//! Small requests to the services that give credentials.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request};
use tokio::time::timeout;

use crate::net::http::{Fault, Http, Origin};
use crate::s3::endpoint;
use crate::s3::retry;

/// No service answers at greater length.
const MAX_ANSWER: usize = 256 << 10;

/// Tokens and profiles are not longer.
const MAX_FILE: u64 = 1 << 20;

/// Attempts, the first included.
const ATTEMPTS: u32 = 3;

/// One question, attempts included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) origin: &'a Origin,
    pub(super) body: &'a [u8],
    /// For one attempt, connecting included.
    pub(super) patience: Duration,
}

impl Question<'_> {
    /// Asks, and asks again where nobody answered or the answer was that the service has failed. The request's
    /// header `host` is added.
    pub(super) async fn ask(&self, http: &Http, request: Request<()>) -> Result<(u16, Vec<u8>), String> {
        let (mut parts, ()) = request.into_parts();
        let host =
            HeaderValue::from_str(&endpoint::host_header(self.origin)).map_err(|error| error.to_string())?;
        parts.headers.insert(HOST, host);
        let body = [Bytes::copy_from_slice(self.body)];
        let mut failed = 0;
        loop {
            let attempt = attempt(http, self, Request::from_parts(parts.clone(), ()), &body);
            let outcome = match timeout(self.patience, attempt).await {
                Ok(Ok((status, _))) if status >= 500 || status == 429 => Err(format!("it answers {status}")),
                Ok(outcome) => outcome,
                Err(_) => Err(format!("no answer for {} s", self.patience.as_secs_f32())),
            };
            failed += 1;
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(reason) if failed == ATTEMPTS => return Err(reason),
                Err(_) => {
                    let bound = Duration::from_millis(100 << failed);
                    tokio::time::sleep(bound.mul_f64(retry::random())).await;
                }
            }
        }
    }
}

async fn attempt(
    http: &Http,
    question: &Question<'_>,
    request: Request<()>,
    body: &[Bytes],
) -> Result<(u16, Vec<u8>), String> {
    let answer = http.send(question.origin, request, body, question.patience).await;
    let answer = answer.map_err(|fault: Fault| fault.to_string())?;
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if text.len() + piece.len() > MAX_ANSWER {
            return Err("its answer is too long".to_owned());
        }
        text.extend_from_slice(&piece);
    }
    Ok((status, text))
}

/// A small file. `what` says for the message which one it is.
pub(super) async fn file(what: &str, path: &Path) -> Result<String, String> {
    let place = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let size = std::fs::metadata(&place)?.len();
        if size > MAX_FILE {
            return Err(std::io::Error::other(format!("{size} bytes are too many")));
        }
        std::fs::read_to_string(&place)
    });
    let text = read.await.map_err(|error| error.to_string())?;
    text.map_err(|error| format!("{what} names {}: {error}", path.display()))
}
