//! Everything towards other registries.

pub mod registries;

pub use registries::{Endpoint, Registries, Registry};

use crate::body::Body;
use crate::error::Error;
use crate::pull::Fetch;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::util::BoxCloneSyncService;

/// The finished upstream stack as pull, rewrite, inject and control see it.
pub type Upstream = BoxCloneSyncService<Fetch, Response<Body>, Error>;

/// Plain guarded HTTP, for layers that are named by a URL: retries, redirects and the address guard, no
/// credentials.
pub type Remote = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Body>, Error>;
