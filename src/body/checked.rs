//! A body that is verified on its way.

use super::{Body, Broken, Cause};
use crate::error::BoxError;
use crate::oci::{Digest, Digester};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What a stream has to turn out to be.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Digest of the whole content.
    pub digest: Digest,
    /// Size of the whole content in bytes, when it is known.
    pub size: Option<u64>,
}

/// A body whose newest frame is withheld until the next one shows that it was not the last; the last one comes when
/// size and digest are right.
pub(super) struct Checked {
    source: Body,
    digester: Digester,
    expect: Expect,
    seen: u64,
    held: Option<Bytes>,
    done: bool,
}

impl Checked {
    /// `source` is the content behind its first `seen` bytes, which are in `digester`.
    pub(super) fn new(source: Body, expect: Expect, digester: Digester, seen: u64) -> Checked {
        Checked { source, digester, expect, seen, held: None, done: false }
    }

    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, Broken> {
        self.seen += data.len() as u64;
        if self.expect.size.is_some_and(|size| self.seen > size) {
            return Err(wrong_size());
        }
        self.digester.update(&data);
        Ok(self.held.replace(data))
    }

    fn finish(&mut self) -> Result<Option<Bytes>, Broken> {
        self.done = true;
        if self.expect.size.is_some_and(|size| self.seen != size) {
            return Err(wrong_size());
        }
        match self.digester.clone().finish() == self.expect.digest {
            true => Ok(self.held.take()),
            false => Err(wrong_digest()),
        }
    }
}

impl HttpBody for Checked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        while !this.done {
            let next = match ready!(Pin::new(&mut this.source).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => this.take(data)?,
                    _ => None,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => this.finish()?,
            };
            if let Some(data) = next {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, Bytes::len) as u64;
        match self.source.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + held),
            None => SizeHint::default(),
        }
    }
}

fn wrong_size() -> Broken {
    Broken::new(Cause::Size, "upstream content does not have its size")
}

fn wrong_digest() -> Broken {
    Broken::new(Cause::Digest, "upstream content does not have its digest")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    /// What of `frames` comes through, and whether it ends well.
    async fn play(frames: &[&'static str], size: Option<u64>, digest: Digest) -> (String, bool) {
        let frames: Vec<_> =
            frames.iter().map(|text| Ok::<_, BoxError>(Frame::data(Bytes::from(*text)))).collect();
        let source = Body::local(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
        let mut body = source.expecting(Expect { digest, size });
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return (text, false) };
            text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
        (text, true)
    }

    #[tokio::test]
    async fn what_came_before_counts() {
        let digest = Digest::sha256("abcdef");
        for (before, whole) in [("abcd", true), ("abcD", false), ("abcde", false)] {
            let mut digester = digest.digester().unwrap();
            digester.update(before.as_bytes());
            let expect = Expect { digest, size: Some(6) };
            let body = Body::full("ef").expecting_rest(expect, digester, before.len() as u64);
            assert_eq!(crate::body::bounded(body, 10).await.is_ok(), whole, "{before}");
        }
    }

    #[tokio::test]
    async fn the_last_frame_comes_when_the_digest_is_right() {
        let right = Digest::sha256("abcdef");
        let own = |text: &str, whole| (text.to_string(), whole);
        assert_eq!(play(&["ab", "cd", "", "ef"], None, right).await, own("abcdef", true));
        assert_eq!(play(&["ab", "cd", "eg"], None, right).await, own("abcd", false));
        assert_eq!(play(&["ab", "cd", "ef"], Some(7), right).await, own("abcd", false));
        assert_eq!(play(&["ab", "cd", "ef"], Some(5), right).await, own("ab", false));
        assert_eq!(play(&[], Some(0), Digest::sha256("")).await, own("", true));
        let unknown = "blake3:00".parse();
        let unknown = unknown.unwrap_or_else(|_| format!("blake3:{}", "0".repeat(64)).parse().unwrap());
        assert_eq!(play(&["ab", "x"], None, unknown).await, own("abx", true));
    }
}
