//! The one error of a request.

mod layer;
mod render;

pub use layer::{Rescue, RescueLayer, causes};
pub use render::{Envelope, render};

use crate::oci::{Challenge, Code};
use http::StatusCode;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What tower and hyper call an error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request that did not work out, in the registry's own words. Cheap to clone: one failure is shared by all
/// who waited for it. `Display` prints this level only; the log walks `source()`; a client never sees sources.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    status: StatusCode,
    side: Side,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
    challenge: Option<Challenge>,
    closes: bool,
    unasked: bool,
    answered: bool,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Whose fault it is; decides log level and metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller's.
    Client,
    /// Ours.
    Proxy,
    /// The upstream registry's, or of what lies between.
    Upstream,
}

/// What a response that renders an error tells the layers above: its code and whose fault it was, as an
/// extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blame {
    /// The code.
    pub code: Code,
    /// Whose fault.
    pub side: Side,
}

impl Error {
    /// An error with the code's own status.
    pub fn new(code: Code, side: Side, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Arc::new(Inner {
            code,
            status: code.status(),
            side,
            message: message.into(),
            retry_after: None,
            challenge: None,
            closes: false,
            unasked: false,
            answered: false,
            source: None,
        }))
    }

    /// The caller asked for something wrong.
    pub fn client(code: Code, message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(code, Side::Client, message)
    }

    /// A fault of ours: 500 `UNKNOWN`.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(Code::Unknown, Side::Proxy, message)
    }

    /// Upstream did not answer sensibly: 502 `UNAVAILABLE`.
    pub fn bad_gateway(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(Code::Unavailable, Side::Upstream, message).with_status(StatusCode::BAD_GATEWAY)
    }

    /// Upstream took too long: 504 `UNAVAILABLE`.
    pub fn gateway_timeout(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(Code::Unavailable, Side::Upstream, message).with_status(StatusCode::GATEWAY_TIMEOUT)
    }

    /// Too much at once: 503 `UNAVAILABLE` with `Retry-After`.
    pub fn overloaded(message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Error {
        Error::new(Code::Unavailable, Side::Proxy, message).with_retry_after(retry_after)
    }

    /// The same error under another status.
    pub fn with_status(mut self, status: StatusCode) -> Error {
        self.edit().status = status;
        self
    }

    /// The same error with a time after which to try again.
    pub fn with_retry_after(mut self, after: Duration) -> Error {
        self.edit().retry_after = Some(after);
        self
    }

    /// The same error with what the caller has to answer (401).
    pub fn with_challenge(mut self, challenge: Challenge) -> Error {
        self.edit().challenge = Some(challenge);
        self
    }

    /// The same error, after which the connection is not used again. It means nothing to HTTP/2.
    pub fn closing(mut self) -> Error {
        self.edit().closes = true;
        self
    }

    /// The same error as an answer of our own in place of an upstream's: nothing was asked of it, so nothing can be
    /// said of it.
    pub fn unasked(mut self) -> Error {
        self.edit().unasked = true;
        self
    }

    /// The same error of an upstream that is there: what it says is of no use, but this is no outage.
    pub fn answered(mut self) -> Error {
        self.edit().answered = true;
        self
    }

    /// The same error with its cause, for the log.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Error {
        self.edit().source = Some(Arc::from(source.into()));
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Whose fault.
    pub fn side(&self) -> Side {
        self.0.side
    }

    /// The message for the client.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// When to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What the caller has to answer.
    pub fn challenge(&self) -> Option<&Challenge> {
        self.0.challenge.as_ref()
    }

    /// Is this the last answer of its connection?
    pub fn closes(&self) -> bool {
        self.0.closes
    }

    /// Is it an answer of our own in place of an upstream's, because of a limit or of what went before?
    pub fn is_unasked(&self) -> bool {
        self.0.unasked
    }

    /// Is upstream down or overrun: did it not answer, or with 429 or 5xx?
    pub fn is_outage(&self) -> bool {
        let status = matches!(self.0.status.as_u16(), 429 | 500..=599);
        status && self.0.side == Side::Upstream && !self.0.answered
    }

    fn edit(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

/// Turns what tower's own layers raise into an [`Error`]: the only place that looks inside a [`BoxError`].
impl From<BoxError> for Error {
    fn from(error: BoxError) -> Error {
        let error = match error.downcast::<Error>() {
            Ok(ours) => return *ours,
            Err(error) => error,
        };
        if error.is::<tower::timeout::error::Elapsed>() {
            return Error::gateway_timeout("no answer within the deadline").with_source(error);
        }
        Error::internal("unable to process the request").with_source(error)
    }
}

impl Side {
    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Proxy => "proxy",
            Side::Upstream => "upstream",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { code, status, side, message, source, .. } = &*self.0;
        f.debug_struct("Error")
            .field("code", code)
            .field("status", &status.as_u16())
            .field("side", side)
            .field("message", message)
            .field("source", source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boxed_error_of_ours_comes_back_whole() {
        let error = Error::client(Code::Denied, "no").with_retry_after(Duration::from_secs(3));
        let back = Error::from(BoxError::from(error));
        assert_eq!((back.code(), back.retry_after()), (Code::Denied, Some(Duration::from_secs(3))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_elapsed_deadline_is_a_gateway_timeout() {
        use tower::ServiceExt as _;
        let stuck = tower::service_fn(|()| std::future::pending::<Result<(), BoxError>>());
        let error =
            tower::timeout::Timeout::new(stuck, Duration::from_secs(1)).oneshot(()).await.unwrap_err();
        assert_eq!(Error::from(error).status(), StatusCode::GATEWAY_TIMEOUT);
    }

    #[test]
    fn an_outage_is_upstreams_silence_or_its_own_word() {
        let upstream = |code| Error::new(code, Side::Upstream, "no");
        assert!(Error::bad_gateway("reset").is_outage() && Error::gateway_timeout("slow").is_outage());
        assert!(upstream(Code::TooManyRequests).is_outage() && upstream(Code::Unavailable).is_outage());
        assert!(!Error::bad_gateway("nonsense").answered().is_outage());
        for code in [Code::Denied, Code::Unauthorized, Code::ManifestUnknown] {
            assert!(!upstream(code).is_outage(), "{code:?}");
        }
        let ours = [
            Error::internal("x"),
            Error::overloaded("x", Duration::ZERO),
            Error::client(Code::TooManyRequests, "x"),
        ];
        assert!(!ours.iter().any(Error::is_outage));
    }

    #[test]
    fn anything_else_is_ours() {
        let error = Error::from(BoxError::from("boom"));
        assert_eq!((error.code(), error.side()), (Code::Unknown, Side::Proxy));
        assert!(!error.message().contains("boom"));
    }
}
