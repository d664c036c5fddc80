//! A part of a file as a body.

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, ReadBuf};
use tokio::io::AsyncRead as _;

/// Bytes of one frame.
const FRAME: usize = 256 * 1024;

/// Streams a range of a file. A file that turns out shorter fails the body.
pub(super) struct FileBody {
    file: File,
    left: u64,
}

impl FileBody {
    /// Opens `path`, which must be `size` bytes long, at the start of `part`.
    pub(super) async fn open(path: &Path, size: u64, part: Range<u64>) -> io::Result<FileBody> {
        let mut file = File::open(path).await?;
        let length = file.metadata().await?.len();
        if length != size {
            return Err(io::Error::other(format!("{} is {length} bytes long and not {size}", path.display())));
        }
        file.set_max_buf_size(FRAME);
        file.seek(SeekFrom::Start(part.start)).await?;
        Ok(FileBody { file, left: part.end - part.start })
    }
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let wanted = self.left.min(FRAME as u64) as usize;
        let mut frame = BytesMut::zeroed(wanted);
        let mut buffer = ReadBuf::new(&mut frame);
        ready!(pin!(&mut self.file).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        if count == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        frame.truncate(count);
        self.left -= count as u64;
        Poll::Ready(Some(Ok(Frame::data(frame.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{Body, bounded};

    #[tokio::test]
    async fn a_part_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let content: Vec<u8> = (0..600_000u32).map(|i| i as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let body = FileBody::open(&path, 600_000, 10..599_999).await.unwrap();
        assert_eq!(body.size_hint().exact(), Some(599_989));
        assert_eq!(bounded(Body::local(body), 1 << 20).await.unwrap(), content[10..599_999]);
        assert!(FileBody::open(&path, 5, 0..5).await.is_err());
    }
}
