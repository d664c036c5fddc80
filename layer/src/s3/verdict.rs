//! What to make of an attempt that brought no result.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::credentials::Found;
use super::error::{Error, Failure, Kind, kind_of};
use super::{region, xml};
use crate::net::http::Fault;

/// Clocks that differ by less are left alone; servers take requests that are up to 15 minutes off.
const SKEW: Duration = Duration::from_secs(240);

/// Keys younger than this were not rotated.
const ROTATION: Duration = Duration::from_secs(5);

/// Why an attempt brought no result.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No answer.
    Fault(Fault),
    /// An answer whose document ended early.
    Cut(String),
    /// An answer that refuses.
    Refusal(Box<Refusal>),
    /// Credentials could not be had.
    Credentials(String),
    /// The request cannot be made.
    Local(String),
}

/// An answer that refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: Option<Box<str>>,
    pub(super) message: String,
    pub(super) request_id: Option<Box<str>>,
    /// The bucket's region, if the answer names one.
    pub(super) region: Option<String>,
    /// The server's clock.
    pub(super) date: Option<SystemTime>,
    /// How long the server wants to be left alone.
    pub(super) pause: Option<Duration>,
    /// For what region, with what, and when the request was signed.
    pub(super) signed: Signed,
}

/// How an attempt was signed.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) region: Arc<str>,
    pub(super) found: Arc<Found>,
    pub(super) clock: SystemTime,
}

impl Refusal {
    /// Reads an answer. A document may state an error although the status does not.
    pub(super) fn of(head: &http::response::Parts, document: &[u8], signed: Signed) -> Self {
        let text = xml::error(document);
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = header("x-amz-request-id").map(str::to_owned);
        let request_id = request_id
            .or_else(|| text.as_ref().map(|text| text.request_id.clone()).filter(|id| !id.is_empty()));
        let seconds = header("retry-after").and_then(|value| value.parse().ok());
        Self {
            status: head.status.as_u16(),
            region: region::named(&head.headers, text.as_ref().and_then(|text| text.region.as_deref())),
            date: header("date").and_then(|value| httpdate::parse_http_date(value).ok()),
            pause: seconds.map(Duration::from_secs),
            code: text.as_ref().map(|text| text.code.as_str().into()),
            message: text.map(|text| text.message).unwrap_or_default(),
            request_id: request_id.map(Into::into),
            signed,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        // A document with an error under a status without one: the code is all there is.
        let status = if self.status < 300 { 500 } else { self.status };
        kind_of(status, self.code.as_deref())
    }

    /// How old the credentials must be to be taken for ended, if the answer may mean that. An answer to a HEAD has
    /// no code, and 403 there is what every key is answered with that may not be seen.
    pub(super) fn expiry(&self, is_head: bool) -> Option<Duration> {
        let temporary = self.signed.found.credentials.as_ref().is_some_and(|held| held.token().is_some());
        match self.code.as_deref() {
            Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired") => {
                Some(Duration::ZERO)
            }
            // Keys that were rotated; or never known, which asking for others each time would not change.
            Some("InvalidToken" | "InvalidAccessKeyId") => temporary.then_some(ROTATION),
            Some(_) => None,
            None => (is_head && temporary && self.status == 400).then_some(Duration::ZERO),
        }
    }

    /// The server's time, if it is too far from that of the signature and this is the reason.
    pub(super) fn other_clock(&self) -> Option<SystemTime> {
        let told = matches!(
            self.code.as_deref(),
            Some(
                "RequestTimeTooSkewed"
                    | "RequestInTheFuture"
                    | "RequestExpired"
                    | "SignatureDoesNotMatch"
                    | "AuthFailure"
            )
        );
        let untold = self.code.is_none() && matches!(self.status, 400 | 403);
        let date = self.date.filter(|_| told || untold)?;
        let by = date.duration_since(self.signed.clock).unwrap_or_else(|error| error.duration());
        (by > SKEW).then_some(date)
    }

    /// The same request may have another result.
    pub(super) fn is_passing(&self) -> bool {
        if self.kind() == Kind::Throttled {
            return true;
        }
        match self.code.as_deref() {
            Some(
                "RequestTimeout"
                | "IncompleteBody"
                | "BadDigest"
                | "XAmzContentSHA256Mismatch"
                | "OperationAborted"
                | "ConditionalRequestConflict"
                | "InternalError",
            ) => true,
            Some("NotImplemented") => false,
            _ => matches!(self.status, 408 | 500 | 502 | 504 | 520..=599),
        }
    }

    /// Whether the server may have done what it was asked to.
    pub(super) fn is_doubtful(&self) -> bool {
        self.status < 300 || (self.status >= 500 && self.kind() != Kind::Throttled)
    }

    pub(super) fn into_error(self, subject: &str) -> Error {
        let kind = self.kind();
        let anonymous = self.signed.found.credentials.is_none() && kind == Kind::Denied;
        let note = if anonymous { self.signed.found.note.clone() } else { String::new() };
        let error = Error::of(
            kind,
            Failure {
                subject: subject.to_owned(),
                status: Some(self.status),
                code: self.code,
                request_id: self.request_id,
                message: self.message,
                kind: None,
            },
        );
        error.with(kind, &note)
    }
}

impl Trouble {
    /// The final error, after so many attempts.
    pub(super) fn into_error(self, subject: &str) -> Error {
        match self {
            Self::Refusal(refusal) => refusal.into_error(subject),
            Self::Cut(reason) => {
                Error::new(Kind::Unreachable, subject, format!("the answer was cut: {reason}"))
            }
            Self::Credentials(reason) => Error::new(Kind::Credentials, subject, reason),
            Self::Local(reason) => Error::new(Kind::Local, subject, reason),
            Self::Fault(fault) => {
                let kind = match &fault {
                    Fault::Settings(_) => Kind::Local,
                    Fault::Silent(_) => Kind::Timeout,
                    Fault::Connect(_) | Fault::Untrusted(_) | Fault::Stale(_) | Fault::Broken(_) => {
                        Kind::Unreachable
                    }
                };
                Error::new(kind, subject, fault.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::credentials::Credentials;

    fn refusal(status: u16, code: Option<&str>, token: Option<&str>) -> Refusal {
        let found = Found { credentials: Some(Credentials::fixed("A", "S", token)), note: String::new() };
        let signed =
            Signed { region: "r".into(), found: Arc::new(found), clock: SystemTime::UNIX_EPOCH + SKEW * 100 };
        let (mut head, ()) = http::Response::builder().status(status).body(()).expect("valid").into_parts();
        head.headers.insert("x-amz-request-id", "R".parse().expect("valid"));
        let document = code.map(|code| format!("<Error><Code>{code}</Code><Message>m</Message></Error>"));
        Refusal::of(&head, document.unwrap_or_default().as_bytes(), signed)
    }

    #[test]
    fn what_may_pass() {
        for (status, code, passing, doubtful) in [
            (500, Some("InternalError"), true, true),
            (200, Some("InternalError"), true, true),
            (200, Some("SlowDown"), true, true),
            (503, Some("SlowDown"), true, false),
            (503, None, true, false),
            (429, None, true, false),
            (400, Some("RequestTimeout"), true, false),
            (409, Some("OperationAborted"), true, false),
            (501, Some("NotImplemented"), false, true),
            (403, Some("AccessDenied"), false, false),
            (404, None, false, false),
            (412, Some("PreconditionFailed"), false, false),
        ] {
            let refusal = refusal(status, code, None);
            assert_eq!(
                (refusal.is_passing(), refusal.is_doubtful()),
                (passing, doubtful),
                "{status} {code:?}"
            );
        }
    }

    #[test]
    fn credentials_that_ended() {
        for (status, code, token, is_head, age) in [
            (400, Some("ExpiredToken"), None, false, Some(Duration::ZERO)),
            (400, None, Some("t"), true, Some(Duration::ZERO)),
            (403, Some("InvalidAccessKeyId"), Some("t"), false, Some(ROTATION)),
            (403, Some("InvalidAccessKeyId"), None, false, None),
            (403, None, Some("t"), true, None),
            (400, None, Some("t"), false, None),
            (400, None, None, true, None),
        ] {
            assert_eq!(refusal(status, code, token).expiry(is_head), age, "{status} {code:?} {token:?}");
        }
    }

    #[test]
    fn clocks_that_differ() {
        let mut late = refusal(403, Some("RequestTimeTooSkewed"), None);
        assert_eq!(late.other_clock(), None);
        for date in [late.signed.clock + SKEW * 5, late.signed.clock - SKEW * 5] {
            late.date = Some(date);
            assert_eq!(late.other_clock(), Some(date));
        }
        late.date = Some(late.signed.clock + SKEW);
        assert_eq!(late.other_clock(), None);
        let mut denied = refusal(403, Some("AccessDenied"), None);
        denied.date = Some(denied.signed.clock + SKEW * 5);
        assert_eq!(denied.other_clock(), None);
    }
}
