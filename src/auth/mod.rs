//! Who calls, whose credentials are used upstream, and who may do what.

mod access;
mod accounts;
mod credentials;
mod gate;
mod layer;

pub use access::{Access, AccessId, AccessKey};
pub use accounts::Accounts;
pub use credentials::{Credentials, basic};
pub use gate::{Anonymous, Gate, unauthorized};
pub use layer::{Require, RequireLayer};

use std::net::IpAddr;

/// Who sends a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The peer's address.
    pub address: IpAddr,
    /// The Basic credentials it sent, checked or not.
    pub credentials: Option<Credentials>,
}
