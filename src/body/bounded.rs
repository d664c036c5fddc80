//! Collecting small documents.

use crate::error::{BoxError, Error};
use bytes::{Bytes, BytesMut};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use std::pin::pin;

/// Collects a body of at most `limit` bytes: manifests, configs, tokens and errors, never blobs. A single
/// frame is handed over without a copy; nothing is allocated from a declared length.
pub async fn bounded<B>(body: B, limit: usize) -> Result<Bytes, Error>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let too_long = || Error::bad_gateway(format!("a document is larger than {limit} bytes")).answered();
    if body.size_hint().lower() > limit as u64 {
        return Err(too_long());
    }
    let mut body = pin!(body);
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::bad_gateway("a document broke off").with_source(error))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.as_ref().map_or(0, Bytes::len).max(rest.len()) + data.len() > limit {
            return Err(too_long());
        }
        match first.take() {
            None if rest.is_empty() => first = Some(data),
            None => rest.extend_from_slice(&data),
            Some(head) => {
                rest.extend_from_slice(&head);
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}
