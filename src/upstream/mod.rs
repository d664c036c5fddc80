//! Everything towards other registries.
//!
//! From the outside in: [`origin`] (server or directory), [`hold`], [`breaker`], [`retry`], [`auth`], [`outbound`] with
//! `pace`, `quota` and [`redirect`], `client` (for blobs with `exchange`, `driven` and `idle`), `connect` with `places`
//! and `wire`. [`guard`] says what may be dialled, [`fault`] what a failure is called; [`resumed`] asks for the rest of a
//! blob through all of it.

mod ahead;
pub mod auth;
pub mod breaker;
mod client;
mod connect;
mod dial;
mod driven;
mod exchange;
mod failure;
pub mod fault;
pub mod guard;
pub mod hold;
mod idle;
pub mod layout;
pub mod origin;
pub mod outbound;
mod pace;
mod places;
mod proxy;
mod quota;
mod redirect;
pub mod registries;
pub mod remote;
mod request;
mod resume;
pub mod retry;
#[cfg(test)]
pub(crate) mod script;
mod tls;
mod wire;

pub use client::Carries;
pub use failure::Failure;
pub use fault::lacks_head;
pub use redirect::Redirects;
pub use registries::{Endpoint, Registries, Registry};
pub use resume::{Patience, rest, resumed};
pub(crate) use tls::authorities;

use crate::body::Body;
use crate::error::Error;
use crate::pull::Fetch;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::util::BoxCloneSyncService;

/// The finished upstream stack as pull, rewrite, inject and control see it.
///
/// `Ok` is 2xx and 416 (without content, `Content-Range` kept), or a redirect where the request hands it out
/// (`Location` absolute, no content). Everything else is an [`Error`].
pub type Upstream = BoxCloneSyncService<Fetch, Response<Body>, Error>;

/// Plain guarded HTTP, for layers that are named by a URL: retries, redirects and the address guard, no
/// credentials. `Ok` is 2xx and 416; everything else is an [`Error`].
pub type Remote = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Body>, Error>;
