//! Blobs as streams of a file.

use super::index::fault;
use crate::error::{BoxError, Error};
use bytes::Bytes;
use futures_util::Stream as _;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::io::{ErrorKind, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, Take};
use tokio_util::io::ReaderStream;

const CHUNK: usize = 64 * 1024;

/// A blob: its file and its size in bytes.
pub(super) struct Blob {
    file: File,
    pub(super) size: u64,
}

/// Some bytes of a file, as a body of known size. A file that turns out shorter breaks the body.
pub(super) struct Part {
    stream: ReaderStream<Take<File>>,
    left: u64,
}

/// The file at `path`; `None` when there is none.
pub(super) async fn open(path: &Path) -> Result<Option<Blob>, Error> {
    let failed = |error| fault("a blob of the layout cannot be read").with_source(error);
    let file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().await.map_err(failed)?;
    Ok(metadata.is_file().then_some(Blob { file, size: metadata.len() }))
}

impl Blob {
    /// The bytes in `range`, which lies within the size.
    pub(super) async fn part(mut self, range: Range<u64>) -> Result<Part, Error> {
        let failed = |error| fault("a blob of the layout cannot be read").with_source(error);
        self.file.seek(SeekFrom::Start(range.start)).await.map_err(failed)?;
        let left = range.end - range.start;
        Ok(Part { stream: ReaderStream::with_capacity(self.file.take(left), CHUNK), left })
    }
}

impl HttpBody for Part {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
            Some(Ok(bytes)) => {
                self.left -= bytes.len() as u64;
                Ok(Frame::data(bytes))
            }
            Some(Err(error)) => Err(error.into()),
            None => Err("a blob of the layout is shorter than it was".into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
