//! Where the bytes of an upstream response come from.

use super::socket::Socket;
use super::{Broken, Cause};
use crate::error::BoxError;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The connection an upstream response comes over.
pub enum Source {
    /// One that a task of its own reads from.
    Incoming(Incoming),
    /// One that is read from while somebody asks for the next frame.
    Driven(Box<dyn Drive>),
    /// A plain one, from which the rest of the content may be taken as it lies there.
    Socket(Socket),
    /// A plain one whose content is being taken by the connection to the client; so many bytes are left.
    Lent(u64),
    /// It broke, for this reason.
    Broken(Option<BoxError>, u64),
}

/// A connection that is read from while its body is polled.
pub trait Drive: HttpBody<Data = Bytes, Error = hyper::Error> + Send + Unpin {}

impl<D: HttpBody<Data = Bytes, Error = hyper::Error> + Send + Unpin> Drive for D {}

type Next = Option<Result<Frame<Bytes>, BoxError>>;

impl Source {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let frame = match self {
            Source::Incoming(incoming) => ready!(Pin::new(incoming).poll_frame(cx)),
            Source::Driven(driven) => ready!(Pin::new(driven).poll_frame(cx)),
            Source::Socket(socket) => return socket.poll_read(cx).map(|read| next(read.map_err(broke))),
            Source::Lent(_) => return Poll::Ready(next(Err(lent().into()))),
            Source::Broken(error, _) => {
                let error = error.take().unwrap_or_else(|| lent().into());
                return Poll::Ready(Some(Err(error)));
            }
        };
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    pub(super) fn is_end(&self) -> bool {
        match self {
            Source::Incoming(incoming) => incoming.is_end_stream(),
            Source::Driven(driven) => driven.is_end_stream(),
            Source::Socket(socket) => socket.left() == 0,
            Source::Lent(left) | Source::Broken(_, left) => *left == 0,
        }
    }

    pub(super) fn size(&self) -> SizeHint {
        match self {
            Source::Incoming(incoming) => incoming.size_hint(),
            Source::Driven(driven) => driven.size_hint(),
            Source::Socket(socket) => SizeHint::with_exact(socket.left()),
            Source::Lent(left) | Source::Broken(_, left) => SizeHint::with_exact(*left),
        }
    }

    /// The connection itself, if it is a plain one with content of known size. The source keeps count of what is left.
    pub(super) fn lend(&mut self) -> Option<Socket> {
        let Source::Socket(socket) = self else { return None };
        let left = socket.left();
        match std::mem::replace(self, Source::Lent(left)) {
            Source::Socket(socket) => Some(socket),
            _ => None,
        }
    }
}

fn next(read: Result<Bytes, BoxError>) -> Next {
    match read {
        Ok(bytes) if bytes.is_empty() => None,
        Ok(bytes) => Some(Ok(Frame::data(bytes))),
        Err(error) => Some(Err(error)),
    }
}

/// What a broken connection is called.
pub(crate) fn broke(error: std::io::Error) -> BoxError {
    Broken::new(Cause::Connection, format!("the connection to upstream broke: {error}")).into()
}

fn lent() -> Broken {
    Broken::new(Cause::Other, "the connection is with somebody else")
}
