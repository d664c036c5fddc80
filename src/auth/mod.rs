//! Who calls, whose credentials are used upstream, and who may do what.

mod accounts;
mod credentials;
mod gate;
mod layer;

pub use accounts::Accounts;
pub use credentials::{Credentials, basic};
pub use gate::{Anonymous, Gate, unauthorized};
pub use layer::{Require, RequireLayer};

use crate::oci::Host;
use std::net::IpAddr;
use std::sync::Arc;

/// Who sends a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The peer's address.
    pub address: IpAddr,
    /// The Basic credentials it sent, checked or not.
    pub credentials: Option<Credentials>,
}

/// Whose credentials fetch something upstream.
#[derive(Clone, Debug)]
pub struct Access {
    id: AccessId,
    credentials: Option<Arc<Credentials>>,
}

/// Identity of an [`Access`]: part of every cache key and of every durable root, so that nobody reads what he
/// could not have fetched. It is `anonymous`, or `registry/` and a digest of user name and password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AccessId(Arc<str>);

impl Access {
    /// No credentials.
    pub fn anonymous() -> Access {
        Access { id: AccessId("anonymous".into()), credentials: None }
    }

    /// Credentials for one registry.
    pub fn with(registry: &Host, credentials: Credentials) -> Access {
        let digest = crate::oci::Digest::sha256(format!(
            "{}:{}:{}",
            credentials.username.len(),
            credentials.username,
            credentials.password.expose()
        ));
        let id = AccessId(format!("{registry}/{}", &digest.hex()[..32]).into());
        Access { id, credentials: Some(Arc::new(credentials)) }
    }

    /// Its identity.
    pub fn id(&self) -> &AccessId {
        &self.id
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
