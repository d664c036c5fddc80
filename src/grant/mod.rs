//! Grants: what a token, or the absence of one, entitles to.

mod layer;
pub mod recipe;
pub mod store;
pub mod token;

pub use layer::{Resolve, ResolveLayer, Resolver};
pub use recipe::{Layer, Recipe, RecipeId, Source};
pub use store::{Found, Grants, Swept};
pub use token::Token;

use crate::auth::AccessId;
use crate::oci::{Host, Reference, Repository};
use crate::pull::Demand;
use std::sync::Arc;
use std::time::SystemTime;

/// What an image name handed out by us stands for. A pull without a token gets one made on the spot from the
/// name in its URL and the default recipe.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The registry the image lives in.
    pub registry: Host,
    /// Its repository there.
    pub repository: Repository,
    /// The reference the token was made for; `None` for a grant without a token, which entitles to all of them.
    pub reference: Option<Reference>,
    /// What is changed on the way.
    pub recipe: Arc<Recipe>,
    /// Whether an image that cannot be changed is an error.
    pub demand: Demand,
    /// Whose credentials the token was made with, when it was not the operator's.
    pub access: Option<AccessId>,
    /// When the token ends; `None` for a grant without a token.
    pub expires: Option<SystemTime>,
    /// Who made the token: an account name, or `None` for anonymous callers.
    pub owner: Option<String>,
}
