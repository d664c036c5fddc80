//! What can go wrong with a request, for those who ask and for those who read the message.

use std::fmt;
use std::sync::Arc;

/// What a caller makes of an error. The error numbers in brackets are those of the file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The key does not exist (ENOENT). A HEAD cannot tell a missing key from a missing bucket.
    NoSuchKey,
    /// The bucket does not exist (ENOENT).
    NoSuchBucket,
    /// The multipart upload does not exist (EIO).
    NoSuchUpload,
    /// The server does not allow it (EACCES).
    Denied,
    /// There should be credentials and none could be had (EACCES).
    Credentials,
    /// A condition does not hold (EEXIST on create, ESTALE on read).
    Precondition,
    /// Another operation is in the way (EEXIST).
    Conflict,
    /// The range begins behind the end of the object.
    Range,
    /// The object is archived and has not been restored (EBUSY).
    Archived,
    /// The server asked to slow down until no attempts were left (EBUSY).
    Throttled,
    /// More than the server takes at once (EFBIG).
    TooLarge,
    /// The server does not understand the request (EINVAL).
    Invalid,
    /// All attempts together took too long (ETIMEDOUT).
    Timeout,
    /// No connection after all attempts (EREMOTEIO).
    Unreachable,
    /// A body ended early or stalled.
    Interrupted,
    /// The server failed after all attempts, or its answer cannot be understood (EREMOTEIO).
    Remote,
    /// A fault of this program or its settings (EIO).
    Local,
}

/// Why a request failed. Its display is one line without secrets: what was wanted, what the server said, and the
/// number by which the server's owner finds the request.
#[derive(Clone)]
pub struct Error(Arc<Failure>);

/// An error being made.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure {
    pub(super) kind: Option<Kind>,
    /// What was done to what: `PutObject s3://b/k`.
    pub(super) subject: String,
    pub(super) status: Option<u16>,
    pub(super) code: Option<Box<str>>,
    pub(super) request_id: Option<Box<str>>,
    pub(super) message: String,
}

impl Error {
    pub(super) fn new(kind: Kind, subject: impl Into<String>, message: impl Into<String>) -> Self {
        let failure = Failure { subject: subject.into(), message: message.into(), ..Failure::default() };
        Self::of(kind, failure)
    }

    pub(super) fn of(kind: Kind, failure: Failure) -> Self {
        Self(Arc::new(Failure { kind: Some(kind), ..failure }))
    }

    /// The same failure of another kind, with a remark.
    pub(super) fn with(&self, kind: Kind, remark: &str) -> Self {
        let mut failure = (*self.0).clone();
        if !remark.is_empty() {
            failure.message = format!("{}; {remark}", failure.message);
        }
        Self::of(kind, failure)
    }

    /// What to make of it.
    pub fn kind(&self) -> Kind {
        self.0.kind.unwrap_or(Kind::Local)
    }

    /// The server's own code, such as `AccessDenied`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// `x-amz-request-id`.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { subject, status, code, request_id, message, .. } = &*self.0;
        write!(f, "{}: ", subject.escape_debug())?;
        let mut between = "";
        if let Some(status) = status {
            write!(f, "{status}")?;
            between = " ";
        }
        if let Some(code) = code {
            write!(f, "{between}{}", code.escape_debug())?;
            between = " ";
        }
        if !message.is_empty() {
            write!(f, "{between}{}", message.escape_debug())?;
        }
        if let Some(id) = request_id {
            write!(f, " (request {})", id.escape_debug())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind())
    }
}

impl std::error::Error for Error {}

/// The kind of an answer that is an error, by its code first: statuses are shared by many codes.
pub(super) fn kind_of(status: u16, code: Option<&str>) -> Kind {
    match code.unwrap_or_default() {
        "NoSuchKey" | "NoSuchVersion" => Kind::NoSuchKey,
        "NoSuchBucket" => Kind::NoSuchBucket,
        "NoSuchUpload" => Kind::NoSuchUpload,
        "PreconditionFailed" | "ConditionalRequestConflict" => Kind::Precondition,
        "InvalidObjectState" => Kind::Archived,
        "InvalidRange" => Kind::Range,
        "EntityTooLarge" => Kind::TooLarge,
        "SlowDown"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "RequestLimitExceeded" => Kind::Throttled,
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "RequestExpired" => Kind::Denied,
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" => Kind::Remote,
        _ => match status {
            401 | 403 => Kind::Denied,
            404 => Kind::NoSuchKey,
            409 => Kind::Conflict,
            412 => Kind::Precondition,
            413 => Kind::TooLarge,
            416 => Kind::Range,
            429 | 503 => Kind::Throttled,
            400..=499 => Kind::Invalid,
            _ => Kind::Remote,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_that_names_the_request() {
        let failure = Failure {
            subject: "GetObject s3://b/a\nb".into(),
            status: Some(403),
            code: Some("AccessDenied".into()),
            request_id: Some("4442587FB7D0A2F9".into()),
            message: "Access Denied".into(),
            kind: None,
        };
        let error = Error::of(Kind::Denied, failure);
        assert_eq!(
            error.to_string(),
            "GetObject s3://b/a\\nb: 403 AccessDenied Access Denied (request 4442587FB7D0A2F9)"
        );
    }

    #[test]
    fn codes_come_before_statuses() {
        for (status, code, kind) in [
            (404, None, Kind::NoSuchKey),
            (404, Some("NoSuchBucket"), Kind::NoSuchBucket),
            (403, Some("InvalidObjectState"), Kind::Archived),
            (403, Some("SignatureDoesNotMatch"), Kind::Denied),
            (400, Some("ExpiredToken"), Kind::Denied),
            (400, Some("EntityTooLarge"), Kind::TooLarge),
            (400, Some("InvalidArgument"), Kind::Invalid),
            (409, Some("ConditionalRequestConflict"), Kind::Precondition),
            (409, Some("OperationAborted"), Kind::Conflict),
            (503, Some("SlowDown"), Kind::Throttled),
            (507, Some("XMinioStorageFull"), Kind::Remote),
            (500, Some("InternalError"), Kind::Remote),
        ] {
            assert_eq!(kind_of(status, code), kind, "{status} {code:?}");
        }
    }
}
