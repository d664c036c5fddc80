//! What is cached, under which key, by which weight.
//!
//! Derivations by (registry, repository, root digest, recipe, access), weighed by their bytes; tags by (registry,
//! repository, tag, access) for a short time. Nothing is cached as a response, and the access is in every key.

mod derivations;
mod layer;
mod tags;

pub use derivations::{Derivations, Key};
pub use layer::{Cache, CacheLayer};
pub use tags::{Resolved, Tags};

use crate::error::Error;
use crate::pull::Image;
use crate::rewrite::Derivation;
use std::sync::Arc;
use tower::util::BoxCloneSyncService;

/// The finished derivation stack as pull and control see it.
pub type Derive = BoxCloneSyncService<Image, Arc<Derivation>, Error>;
