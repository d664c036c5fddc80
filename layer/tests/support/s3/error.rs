//! Refusals: a code of the S3 error table with its status.

/// One refusal.
#[derive(Clone, Debug)]
pub struct Error {
    /// HTTP status.
    pub status: u16,
    /// The code of S3's table.
    pub code: &'static str,
    /// A sentence.
    pub message: String,
    /// Elements of the error document besides.
    pub details: Vec<(&'static str, String)>,
    /// Headers besides.
    pub headers: Vec<(&'static str, String)>,
}

impl Error {
    /// A refusal with the status of its code, see [`status_of`].
    pub fn new(code: &'static str, message: impl Into<String>) -> Error {
        let (details, headers) = (Vec::new(), Vec::new());
        Error { status: status_of(code), code, message: message.into(), details, headers }
    }

    /// With one more element.
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Error {
        self.details.push((name, value.into()));
        self
    }

    /// With one more header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Error {
        self.headers.push((name, value.into()));
        self
    }

    /// With another status than the table's.
    pub fn status(mut self, status: u16) -> Error {
        self.status = status;
        self
    }

    /// 403 without a reason, as S3 gives it.
    pub fn denied() -> Error {
        Error::new("AccessDenied", "Access Denied")
    }

    /// The key is not there.
    pub fn no_key(key: &str) -> Error {
        Error::new("NoSuchKey", "The specified key does not exist.").detail("Key", key)
    }

    /// A condition of the request does not hold.
    pub fn precondition(condition: &str) -> Error {
        Error::new("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            .detail("Condition", condition)
    }

    /// The request makes no sense.
    pub fn invalid(message: &str) -> Error {
        Error::new("InvalidRequest", message)
    }
}

/// Status of a code, "Error responses" of the S3 API reference.
fn status_of(code: &str) -> u16 {
    match code {
        "NotModified" => 304,
        "PermanentRedirect" => 301,
        "AccessDenied"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "RequestTimeTooSkewed"
        | "InvalidObjectState" => 403,
        "NoSuchBucket" | "NoSuchKey" | "NoSuchUpload" => 404,
        "MethodNotAllowed" => 405,
        "BucketAlreadyOwnedByYou" | "BucketNotEmpty" | "ConditionalRequestConflict" => 409,
        "MissingContentLength" => 411,
        "PreconditionFailed" => 412,
        "InvalidRange" => 416,
        "InternalError" => 500,
        "NotImplemented" => 501,
        "SlowDown" | "ServiceUnavailable" => 503,
        _ => 400,
    }
}
