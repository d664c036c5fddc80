//! Why a body broke off.

use crate::error::BoxError;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;

/// Why a body broke off, as metrics and logs say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Upstream sent nothing for too long.
    Idle,
    /// The content does not have its size.
    Size,
    /// The content does not have its digest.
    Digest,
    /// The connection to upstream broke.
    Connection,
    /// A file of ours cannot be read.
    File,
    /// Anything else.
    Other,
}

/// The error of a body that is cut on purpose.
#[derive(Debug)]
pub struct Broken {
    cause: Cause,
    message: Cow<'static, str>,
}

impl Broken {
    /// Cut for this cause; the message is for the log.
    pub fn new(cause: Cause, message: impl Into<Cow<'static, str>>) -> Broken {
        Broken { cause, message: message.into() }
    }
}

impl Cause {
    /// What `error`, which ended a body, comes from.
    pub fn of(error: &BoxError) -> Cause {
        let mut next: Option<&(dyn Error + 'static)> = Some(&**error);
        while let Some(error) = next {
            if let Some(broken) = error.downcast_ref::<Broken>() {
                return broken.cause;
            }
            if error.is::<hyper::Error>() {
                return Cause::Connection;
            }
            if error.is::<io::Error>() {
                return Cause::File;
            }
            next = error.source();
        }
        Cause::Other
    }

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Idle => "idle",
            Cause::Size => "size",
            Cause::Digest => "digest",
            Cause::Connection => "connection",
            Cause::File => "file",
            Cause::Other => "other",
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Broken {}
