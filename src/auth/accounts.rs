//! `wave.accounts`: who may log in here.

use super::Credentials;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// User names and the SHA-256 of their passwords. Cheap to clone.
#[derive(Clone, Default)]
pub struct Accounts(Arc<BTreeMap<String, [u8; 32]>>);

impl Accounts {
    /// From the configuration.
    pub fn new(accounts: BTreeMap<String, [u8; 32]>) -> Accounts {
        Accounts(Arc::new(accounts))
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is there an account of this name? Its password, right or wrong, must never go anywhere else.
    pub fn knows(&self, username: &str) -> bool {
        self.0.contains_key(username)
    }

    /// Are these the credentials of an account? Passwords are hashed before they are compared, so that the
    /// time taken says nothing about them.
    pub fn check(&self, credentials: &Credentials) -> bool {
        let given: [u8; 32] = Sha256::digest(credentials.password.expose()).into();
        match self.0.get(&credentials.username) {
            Some(stored) => given.ct_eq(stored).into(),
            None => false,
        }
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Accounts({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn only_the_right_pair_is_an_account() {
        let accounts = Accounts::new([("alice".into(), Sha256::digest("s3cret").into())].into());
        let check = |username: &str, password: &str| {
            accounts.check(&Credentials { username: username.into(), password: Secret::new(password) })
        };
        assert!(check("alice", "s3cret"));
        assert!(!check("alice", "s3cre"));
        assert!(!check("bob", "s3cret"));
        assert!(!check("", ""));
        assert!(accounts.knows("alice") && !accounts.knows("bob"));
    }
}
