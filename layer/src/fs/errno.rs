//! What the kernel is told when something fails: the published table of Fusion.

use std::fmt;

use crate::s3;

/// An error number of Linux, positive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident)*) => {
        impl Errno {
            $(#[doc = concat!("`", stringify!($name), "`.")] pub const $name: Self = Self(libc::$name);)*

            fn name(self) -> Option<&'static str> {
                Some(match self.0 {
                    $(libc::$name => stringify!($name),)*
                    _ => return None,
                })
            }
        }
    };
}

errnos! {
    E2BIG EACCES EBADF EBUSY EEXIST EFBIG EINTR EINVAL EIO EISDIR ELOOP EMFILE EMLINK ENAMETOOLONG ENOENT ENOMEM
    ENOSPC ENOSYS ENOTDIR ENOTEMPTY ENXIO EOPNOTSUPP EPERM EREMOTEIO EROFS ESPIPE ESTALE ETIMEDOUT EXDEV
}

impl Errno {
    /// The number, as `errno` has it.
    pub fn get(self) -> i32 {
        self.0
    }

    /// A failed read of an object whose version is fixed: one that was replaced or removed is stale.
    pub fn of_read(error: &s3::Error) -> Self {
        match error.kind() {
            s3::Kind::Precondition | s3::Kind::NoSuchKey | s3::Kind::Range => Self::ESTALE,
            _ => Self::from(error),
        }
    }
}

impl From<&s3::Error> for Errno {
    fn from(error: &s3::Error) -> Self {
        match error.kind() {
            s3::Kind::NoSuchKey | s3::Kind::NoSuchBucket => Self::ENOENT,
            s3::Kind::Denied | s3::Kind::Credentials => Self::EACCES,
            s3::Kind::Precondition | s3::Kind::Conflict => Self::EEXIST,
            s3::Kind::Archived | s3::Kind::Throttled => Self::EBUSY,
            s3::Kind::TooLarge => Self::EFBIG,
            s3::Kind::Invalid | s3::Kind::Range => Self::EINVAL,
            s3::Kind::Timeout => Self::ETIMEDOUT,
            s3::Kind::Unreachable | s3::Kind::Remote => Self::EREMOTEIO,
            _ => Self::EIO,
        }
    }
}

impl From<s3::Error> for Errno {
    fn from(error: s3::Error) -> Self {
        Self::from(&error)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_names() {
        assert_eq!(format!("{:?} {:?}", Errno::ESTALE, Errno(9999)), "ESTALE errno 9999");
        assert_eq!(Errno::ENOENT.get(), 2);
    }
}
