//! Content that lies in files.

use crate::error::BoxError;
use bytes::Bytes;
use http_body::Body as HttpBody;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Bytes of a file that may be handed on now.
#[derive(Clone, Debug)]
pub struct Part {
    /// The file; it stays readable when its name is gone.
    pub file: Arc<File>,
    /// Which of its bytes; never none.
    pub bytes: Range<u64>,
}

/// Content that lies in files, all of it or for a while. What is to be read elsewhere, or cannot be read there, comes
/// in frames, and so does all of it for a connection that knows nothing of files.
pub trait Parts: HttpBody<Data = Bytes, Error = BoxError> + Send + Unpin {
    /// The bytes that come next, as many as may be read from a file. `None` at the end, and where the next ones come in
    /// frames: then [`poll_frame`](HttpBody::poll_frame) has them.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, BoxError>>;

    /// The first `count` bytes of the part have been handed on.
    fn taken(&mut self, count: u64);
}
