//! A request that got no response.

use crate::error::Error;

/// Why there is no response, and whether asking again may help.
#[derive(Clone, Debug)]
pub enum Failure {
    /// A connection that did not come about or broke, or a token server that is out of order.
    Transient(Error),
    /// Anything else: forbidden addresses, refused credentials, bad certificates, spent time.
    Final(Error),
}

impl Failure {
    /// The error for the client.
    pub fn error(&self) -> &Error {
        let (Failure::Transient(error) | Failure::Final(error)) = self;
        error
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        let (Failure::Transient(error) | Failure::Final(error)) = failure;
        error
    }
}
