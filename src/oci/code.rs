//! Error codes of the distribution specification, and the two this proxy adds: one table.

use http::StatusCode;

/// An error code under `/v2`. The set is closed, so that a new failure has to choose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Blob unknown to the registry.
    BlobUnknown,
    /// Access refused.
    Denied,
    /// Not a digest, or the wrong one.
    DigestInvalid,
    /// A document that cannot be understood, or wrong arguments.
    ManifestInvalid,
    /// Manifest unknown to the registry.
    ManifestUnknown,
    /// Not a repository name, or not a path of this API.
    NameInvalid,
    /// Repository or token unknown.
    NameUnknown,
    /// A size or range that does not fit the content.
    SizeInvalid,
    /// Too many requests.
    TooManyRequests,
    /// Authentication needed.
    Unauthorized,
    /// Cannot be served now; try again.
    Unavailable,
    /// A fault of ours.
    Unknown,
    /// An operation this registry does not have.
    Unsupported,
}

impl Code {
    const ALL: [Code; 13] = [
        Code::BlobUnknown,
        Code::Denied,
        Code::DigestInvalid,
        Code::ManifestInvalid,
        Code::ManifestUnknown,
        Code::NameInvalid,
        Code::NameUnknown,
        Code::SizeInvalid,
        Code::TooManyRequests,
        Code::Unauthorized,
        Code::Unavailable,
        Code::Unknown,
        Code::Unsupported,
    ];

    /// The code as the specification spells it.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The code of this spelling, if it is one of ours.
    pub fn parse(text: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// The status that goes with it unless the error says otherwise.
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    /// What it means, for people.
    pub fn message(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Code::BlobUnknown => ("BLOB_UNKNOWN", StatusCode::NOT_FOUND, "blob unknown to registry"),
            Code::Denied => ("DENIED", StatusCode::FORBIDDEN, "requested access to the resource is denied"),
            Code::DigestInvalid => ("DIGEST_INVALID", StatusCode::BAD_REQUEST, "invalid digest"),
            Code::ManifestInvalid => ("MANIFEST_INVALID", StatusCode::BAD_REQUEST, "manifest invalid"),
            Code::ManifestUnknown => ("MANIFEST_UNKNOWN", StatusCode::NOT_FOUND, "manifest unknown"),
            Code::NameInvalid => ("NAME_INVALID", StatusCode::NOT_FOUND, "invalid repository name"),
            Code::NameUnknown => {
                ("NAME_UNKNOWN", StatusCode::NOT_FOUND, "repository name not known to registry")
            }
            Code::SizeInvalid => ("SIZE_INVALID", StatusCode::BAD_REQUEST, "size does not match the content"),
            Code::TooManyRequests => ("TOOMANYREQUESTS", StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            Code::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED, "authentication required"),
            Code::Unavailable => ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "service unavailable"),
            Code::Unknown => ("UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR, "unknown error"),
            Code::Unsupported => {
                ("UNSUPPORTED", StatusCode::METHOD_NOT_ALLOWED, "the operation is unsupported")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_read_back() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(code));
        }
        assert_eq!(Code::parse("TAG_INVALID"), None);
    }
}
