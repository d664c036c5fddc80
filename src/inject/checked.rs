//! A layer that streams through, checked on the way.

use super::decode::{self, Content, decode};
use super::measure::Measured;
use super::measures::{Claim, Measures};
use super::refusal::Refusal;
use crate::body::Body;
use crate::error::BoxError;
use crate::grant::Layer;
use crate::oci::{Algorithm, Digest, Digester};
use bytes::Bytes;
use futures_util::stream::{StreamExt as _, poll_fn};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;
use tokio_util::sync::PollSender;

/// A remote layer. Its last chunk is withheld until size and digest are right, and, for the one stream that
/// measures, until the tar inside has its digest too. A wrong layer fails before its end, so no client takes it
/// for complete.
pub(super) struct Checked {
    source: Body,
    layer: Layer,
    digester: Digester,
    seen: u64,
    held: Option<Bytes>,
    tee: Option<Tee>,
    verdict: Option<Concluding>,
    done: bool,
}

type Concluding = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

/// The way to the thread that decompresses.
struct Tee {
    sender: PollSender<Bytes>,
    work: JoinHandle<Result<Content, Refusal>>,
    measures: Measures,
    claim: Claim,
}

/// Chunks on their way to the decoder; a slow decoder slows the stream.
const DEPTH: usize = 8;

impl Checked {
    /// Checks size and digest of `source`.
    pub(super) fn new(source: Body, layer: &Layer) -> Checked {
        let digester = Digester::new(Algorithm::Sha256).expect("sha256 can be computed");
        Checked {
            source,
            layer: layer.clone(),
            digester,
            seen: 0,
            held: None,
            tee: None,
            verdict: None,
            done: false,
        }
    }

    /// Measures the tar inside as well, and leaves the verdict with `measures`.
    pub(super) fn measuring(mut self, measures: &Measures, claim: Claim) -> Checked {
        let (sender, mut receiver) = mpsc::channel::<Bytes>(DEPTH);
        let limit = decode::limit(self.layer.size);
        let chunks = poll_fn(move |cx| receiver.poll_recv(cx)).map(Ok::<_, io::Error>);
        let runtime = Handle::current();
        let work =
            tokio::task::spawn_blocking(move || runtime.block_on(decode(StreamReader::new(chunks), limit)));
        let (sender, measures) = (PollSender::new(sender), measures.clone());
        self.tee = Some(Tee { sender, work, measures, claim });
        self
    }

    fn take(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Refusal> {
        self.seen += chunk.len() as u64;
        if self.seen > self.layer.size {
            return Err(Refusal::Size(self.layer.size, self.seen));
        }
        self.digester.update(&chunk);
        if let Some(tee) = &mut self.tee {
            // A decoder that has refused listens no more; its verdict counts once the digest is right.
            _ = tee.sender.send_item(chunk.clone());
        }
        Ok(self.held.replace(chunk))
    }

    /// The source has ended: what is left to find out.
    fn conclude(&mut self) -> Result<(), Refusal> {
        let layer = &self.layer;
        if self.seen != layer.size {
            return Err(Refusal::Size(layer.size, self.seen));
        }
        let digest = self.digester.clone().finish();
        if digest != layer.digest {
            return Err(Refusal::digest(layer.digest, digest));
        }
        self.verdict = self.tee.take().map(|tee| Box::pin(tee.conclude(layer.clone(), digest)) as _);
        Ok(())
    }
}

impl Tee {
    async fn conclude(self, layer: Layer, digest: Digest) -> Result<(), Refusal> {
        let Tee { sender, work, measures, claim } = self;
        drop(sender);
        let content = match work.await {
            Ok(content) => content,
            Err(error) => return Err(Refusal::Stream(error.to_string())),
        };
        let measured =
            |Content { diff_id, compression }| Measured { digest, size: layer.size, diff_id, compression };
        let verdict = content.map(measured);
        measures.record(digest, verdict.clone()).await;
        drop(claim);
        verdict?.keeps(&layer)
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
        let fail = |refusal: Refusal| Poll::Ready(Some(Err(format!("the layer {refusal}").into())));
        loop {
            if this.done {
                return Poll::Ready(None);
            }
            if let Some(verdict) = &mut this.verdict {
                let verdict = ready!(verdict.as_mut().poll(cx));
                (this.verdict, this.done) = (None, true);
                return match verdict {
                    Ok(()) => Poll::Ready(this.held.take().map(|chunk| Ok(Frame::data(chunk)))),
                    Err(refusal) => fail(refusal),
                };
            }
            if let Some(tee) = &mut this.tee {
                // An error says that the decoder listens no more.
                _ = ready!(tee.sender.poll_reserve(cx));
            }
            let step = match ready!(Pin::new(&mut this.source).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if !chunk.is_empty() => this.take(chunk),
                    _ => Ok(None),
                },
                Some(Err(error)) => {
                    this.done = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.conclude().map(|()| {
                    this.done = this.verdict.is_none();
                    this.held.take_if(|_| this.done)
                }),
            };
            match step {
                Ok(Some(chunk)) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                Ok(None) => {}
                Err(refusal) => {
                    this.done = true;
                    return fail(refusal);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }

    /// What the layer promises, less what was handed on.
    fn size_hint(&self) -> SizeHint {
        let held = self.held.as_ref().map_or(0, Bytes::len) as u64;
        SizeHint::with_exact((self.layer.size + held).saturating_sub(self.seen))
    }
}
