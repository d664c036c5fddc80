//! What is wrong with a configuration, all of it at once.

use std::fmt;

/// A remark on one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// The key, dotted; the name of a variable or of the file where no key is meant.
    pub path: String,
    /// What is to be said. Values of secrets are never in it.
    pub message: String,
}

/// All problems of a configuration, at least one; printed one to a line, as `path: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Remark>);

impl Problems {
    /// `None` of no remarks.
    pub(super) fn of(mut remarks: Vec<Remark>) -> Option<Problems> {
        remarks.sort();
        remarks.dedup();
        if remarks.is_empty() { None } else { Some(Problems(remarks)) }
    }

    /// One problem.
    pub(super) fn one(path: impl Into<String>, message: impl Into<String>) -> Problems {
        Problems(vec![Remark::new(path, message)])
    }

    /// Each of them, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = &Remark> {
        self.0.iter()
    }
}

impl Remark {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Remark {
        Remark { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
