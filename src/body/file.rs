//! A part of a file as a body.

use super::{Part, Parts};
use crate::error::BoxError;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Bytes of a file. One chunk is read when it is asked for and handed on as it is. A file that turns out shorter
/// breaks the body.
pub struct FilePart {
    file: Arc<File>,
    left: Range<u64>,
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

const CHUNK: u64 = 256 * 1024;

impl FilePart {
    /// The bytes of `file` in `range`.
    pub fn new(file: File, range: Range<u64>) -> FilePart {
        FilePart { file: Arc::new(file), left: range, reading: None }
    }

    fn read(&self) -> Reading {
        let (file, offset) = (self.file.clone(), self.left.start);
        let length = CHUNK.min(self.left.end - offset) as usize;
        Box::pin(async move {
            let read = move || {
                let mut chunk = vec![0; length];
                file.read_exact_at(&mut chunk, offset).map(|()| Bytes::from(chunk))
            };
            tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
        })
    }
}

impl Parts for FilePart {
    fn poll_part(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Part>, BoxError>> {
        // What is being read is a frame already.
        let none = self.reading.is_some() || self.left.is_empty();
        Poll::Ready(Ok((!none).then(|| Part { file: self.file.clone(), bytes: self.left.clone() })))
    }

    fn taken(&mut self, count: u64) {
        self.left.start += count;
    }
}

impl HttpBody for FilePart {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let mut reading = self.reading.take().unwrap_or_else(|| self.read());
        let Poll::Ready(chunk) = reading.as_mut().poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        match chunk {
            Ok(chunk) => {
                self.left.start += chunk.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Err(error) => {
                self.left.start = self.left.end;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end - self.left.start)
    }
}
