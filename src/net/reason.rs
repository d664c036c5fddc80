//! Why a client connection ended.

use super::Peer;
use std::error::Error;
use std::io;

/// Why a connection ended, as the metric says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It was closed when nothing was under way.
    Done,
    /// No head of a request came in time, or the client answered no ping.
    Silent,
    /// The client acknowledged nothing, or read nothing, for too long.
    Stalled,
    /// A request that is none.
    Malformed,
    /// The head of a request beyond all limits.
    TooLarge,
    /// The client left in the middle of a request, or while it was answered.
    Incomplete,
    /// TLS on the plain listener.
    WrongProtocol,
    /// No TLS handshake came about.
    Handshake,
    /// We had to stop.
    Aborted,
    /// Anything else: the client reset the connection, or a response broke off.
    Error,
}

impl Reason {
    /// What hyper's verdict on a connection means.
    pub(super) fn of(ended: hyper::Result<()>, peer: Peer) -> Reason {
        let Err(error) = ended else { return Reason::Done };
        let reason = match &error {
            error if error.is_timeout() => Reason::Silent,
            error if error.is_parse_too_large() => Reason::TooLarge,
            error if error.is_parse() => Reason::Malformed,
            error if error.is_incomplete_message() => Reason::Incomplete,
            error => Reason::of_transport(error),
        };
        tracing::debug!(%error, reason = reason.as_str(), peer = %peer.address, "connection ended");
        reason
    }

    /// The kernel ends a stalled connection with `ETIMEDOUT` (tcp(7), `TCP_USER_TIMEOUT`).
    fn of_transport(error: &(dyn Error + 'static)) -> Reason {
        let causes = std::iter::successors(Some(error), |&error| error.source());
        let mut kinds = causes.filter_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()));
        if kinds.any(|kind| kind == io::ErrorKind::TimedOut) { Reason::Stalled } else { Reason::Error }
    }

    /// The label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Reason::Done => "done",
            Reason::Silent => "silent",
            Reason::Stalled => "stalled",
            Reason::Malformed => "malformed",
            Reason::TooLarge => "too-large",
            Reason::Incomplete => "incomplete",
            Reason::WrongProtocol => "wrong-protocol",
            Reason::Handshake => "handshake",
            Reason::Aborted => "aborted",
            Reason::Error => "error",
        }
    }
}
