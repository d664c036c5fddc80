//! Whose credentials fetch something upstream, and what that is called where it is written down.

use super::Credentials;
use crate::oci::Host;
use aws_lc_rs::hmac;
use std::fmt;
use std::sync::Arc;

/// Whose credentials fetch something upstream.
#[derive(Clone, Debug)]
pub struct Access {
    id: AccessId,
    credentials: Option<Arc<Credentials>>,
}

/// Identity of an [`Access`]: part of every cache key and of every durable root, so that nobody reads what he
/// could not have fetched. It is `anonymous`, `registry/operator` whatever the operator's password is now, or
/// `registry/` and a code of a caller's user name and password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AccessId(Arc<str>);

/// What makes codes of callers' credentials (HMAC, RFC 2104): random, and kept with the state, since what is filed
/// under a code has to be found again. Without it a code says nothing about a password.
#[derive(Clone)]
pub struct AccessKey(hmac::Key);

impl Access {
    /// No credentials.
    pub fn anonymous() -> Access {
        Access { id: AccessId("anonymous".into()), credentials: None }
    }

    /// The operator's credentials for one registry.
    pub fn operator(registry: &Host, credentials: Credentials) -> Access {
        Access::new(registry, "operator", credentials)
    }

    /// A caller's own credentials for one registry.
    pub fn caller(registry: &Host, credentials: Credentials, key: &AccessKey) -> Access {
        Access::new(registry, &key.code(&credentials), credentials)
    }

    fn new(registry: &Host, whose: &str, credentials: Credentials) -> Access {
        Access {
            id: AccessId(format!("{registry}/{whose}").into()),
            credentials: Some(Arc::new(credentials)),
        }
    }

    /// Its identity.
    pub fn id(&self) -> &AccessId {
        &self.id
    }

    /// Were its credentials given for `registry`?
    pub fn is_for(&self, registry: &Host) -> bool {
        self.id.0.strip_prefix(registry.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// What to present to the registry.
    pub fn credentials(&self) -> Option<&Arc<Credentials>> {
        self.credentials.as_ref()
    }
}

impl AccessId {
    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AccessKey {
    /// From random bytes.
    pub fn new(bytes: &[u8; 32]) -> AccessKey {
        AccessKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    fn code(&self, credentials: &Credentials) -> String {
        let Credentials { username, password } = credentials;
        // The length says where the user name ends.
        let text = format!("{}:{username}:{}", username.len(), password.expose());
        let tag = hmac::sign(&self.0, text.as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn credentials(username: &str, password: &str) -> Credentials {
        Credentials { username: username.into(), password: Secret::new(password) }
    }

    #[test]
    fn the_operator_is_who_he_is_whatever_his_password() {
        let host: Host = "quay.io".parse().unwrap();
        let access = Access::operator(&host, credentials("alice", "old"));
        assert_eq!(access.id(), Access::operator(&host, credentials("alice", "new")).id());
        assert_eq!(access.id().as_str(), "quay.io/operator");
        assert!(access.is_for(&host) && !access.is_for(&"quay.i".parse().unwrap()));
    }

    #[test]
    fn callers_differ_by_name_password_and_key() {
        let host: Host = "quay.io".parse().unwrap();
        let (key, other) = (AccessKey::new(&[1; 32]), AccessKey::new(&[2; 32]));
        let id = |username: &str, password: &str, key: &AccessKey| {
            Access::caller(&host, credentials(username, password), key).id().as_str().to_string()
        };
        let own = id("alice", "s3cret", &key);
        assert_eq!(own, id("alice", "s3cret", &AccessKey::new(&[1; 32])));
        assert_eq!(own.len(), "quay.io/".len() + 64);
        for another in [
            id("alice", "s3cre7", &key),
            id("alic", "e:s3cret", &key),
            id("bob", "s3cret", &key),
            id("alice", "s3cret", &other),
        ] {
            assert_ne!(own, another);
        }
    }
}
