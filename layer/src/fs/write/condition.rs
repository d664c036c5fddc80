//! Conditions under which an object is replaced.

use super::content::Content;
use crate::fs::errno::Errno;
use crate::s3::{Condition, Error, Kind};

impl Content {
    /// What must be at the file's place: the version whose bytes are in it, or nothing if it was made to be the only
    /// one. All else is replaced, whatever it is.
    pub(super) fn condition(&self) -> Condition<'_> {
        match &self.base {
            Some(base) if self.inherits => Condition::IfMatch(&base.etag),
            None if self.exclusive => Condition::IfAbsent,
            _ => Condition::None,
        }
    }
}

/// Whether a write may have failed because the server knows no conditions for it.
pub(crate) fn is_unknown(error: &Error, condition: Condition<'_>) -> bool {
    !matches!(condition, Condition::None) && matches!(error.status(), Some(400 | 501))
}

/// Why a write failed: another version is there, or one at all.
pub(super) fn refused(error: &Error, condition: Condition<'_>) -> Errno {
    match (condition, error.kind()) {
        (Condition::IfMatch(_), Kind::Precondition | Kind::NoSuchKey) => Errno::ESTALE,
        _ => error.into(),
    }
}
