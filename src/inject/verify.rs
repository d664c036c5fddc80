//! A stream whose tar has to have its digest: decompressed and hashed on the way, and only checked at the end.

use super::measure::is_tar;
use crate::body::Body;
use crate::error::BoxError;
use crate::oci::{Algorithm, Digest, Digester};
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Hands on the frames of a gzip layer one behind, and the last one only when the tar has its digest.
pub(super) struct Tarred {
    inner: Body,
    decoder: MultiGzDecoder<Hashed>,
    diff_id: Digest,
    held: Option<Bytes>,
    verdict: Box<dyn FnMut(Verdict) + Send>,
    done: bool,
}

/// What a whole layer turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its tar has the digest it was said to have.
    Right,
    /// It is another tar, or none.
    Wrong,
}

/// The sink of the decoder.
struct Hashed {
    digester: Digester,
    head: Vec<u8>,
    left: u64,
}

impl Tarred {
    /// Wraps `inner`, which verifies its own digest. `verdict` hears the outcome of a whole layer. A tar may be
    /// at most `limit` bytes long.
    pub(super) fn new(
        inner: Body,
        diff_id: Digest,
        limit: u64,
        verdict: impl FnMut(Verdict) + Send + 'static,
    ) -> Tarred {
        let digester = Digester::new(Algorithm::Sha256).expect("sha256 can be computed");
        let sink = Hashed { digester, head: Vec::with_capacity(512), left: limit };
        let decoder = MultiGzDecoder::new(sink);
        Tarred { inner, decoder, diff_id, held: None, verdict: Box::new(verdict), done: false }
    }

    fn wrong(&mut self, why: &str) -> BoxError {
        (self.verdict)(Verdict::Wrong);
        self.done = true;
        format!("the injected layer {why}").into()
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        if self.decoder.try_finish().is_err() {
            return Err(self.wrong("does not decompress"));
        }
        let sink = self.decoder.get_ref();
        let (tar, digest) = (is_tar(&sink.head), sink.digester.clone().finish());
        if !tar || digest != self.diff_id {
            return Err(self.wrong("does not hold the tar it was said to hold"));
        }
        (self.verdict)(Verdict::Right);
        Ok(())
    }
}

impl HttpBody for Tarred {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        while !this.done {
            let data = match ready!(Pin::new(&mut this.inner).poll_frame(cx)).transpose()? {
                Some(frame) => frame.into_data().ok(),
                None => {
                    this.finish()?;
                    this.done = true;
                    return Poll::Ready(this.held.take().map(|last| Ok(Frame::data(last))));
                }
            };
            let Some(data) = data else { continue };
            if this.decoder.write_all(&data).is_err() {
                return Poll::Ready(Some(Err(this.wrong("does not decompress"))));
            }
            if let Some(ready) = this.held.replace(data) {
                return Poll::Ready(Some(Ok(Frame::data(ready))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, Bytes::len) as u64;
        self.inner.size_hint().exact().map_or_else(SizeHint::default, |rest| SizeHint::with_exact(rest + held))
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        let wanted = (512 - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanted]);
        self.digester.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::bounded;
    use crate::inject::measure::tests::{gzip, tiny_tar};
    use std::sync::{Arc, Mutex};

    async fn through(layer: Vec<u8>, diff_id: Digest) -> (Option<Bytes>, Option<Verdict>) {
        let heard = Arc::new(Mutex::new(None));
        let chunks: Vec<_> =
            layer.chunks(7).map(|chunk| Ok::<_, BoxError>(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
        let inner = Body::local(http_body_util::StreamBody::new(futures_util::stream::iter(chunks)));
        let body = Tarred::new(inner, diff_id, 1 << 20, {
            let heard = heard.clone();
            move |verdict| *heard.lock().unwrap() = Some(verdict)
        });
        let whole = bounded(Body::local(body), 1 << 20).await.ok();
        let heard = *heard.lock().unwrap();
        (whole, heard)
    }

    #[tokio::test]
    async fn right_and_wrong() {
        let tar = tiny_tar("hello");
        let layer = gzip(&tar);
        let right = through(layer.clone(), Digest::sha256(&tar)).await;
        assert_eq!(right, (Some(Bytes::from(layer.clone())), Some(Verdict::Right)));
        assert_eq!(through(layer.clone(), Digest::sha256("x")).await, (None, Some(Verdict::Wrong)));
        assert_eq!(through(b"nonsense".to_vec(), Digest::sha256(&tar)).await, (None, Some(Verdict::Wrong)));
        let cut = layer[..layer.len() - 4].to_vec();
        assert_eq!(through(cut, Digest::sha256(&tar)).await.0, None);
        let zeros = vec![0; 2 << 20];
        assert_eq!(through(gzip(&zeros), Digest::sha256(&zeros)).await, (None, Some(Verdict::Wrong)));
    }
}
