//! What outlives the process: grants and roots, in one embedded file.
//!
//! Every change is on disk before its future resolves, so a reply that reveals a token or a digest is written
//! only when a restarted process would know it too. The file belongs to one process at a time.

mod file;
mod filter;
mod layer;
mod open;
mod record;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use file::State;
pub use layer::{Remember, RememberLayer};
pub use open::OpenError;
pub use record::Key;

use crate::auth::AccessId;
use crate::grant::RecipeId;
use crate::oci::{Digest, Host, Repository};
use crate::pull::{Demand, Image};
use crate::rewrite::{Derivation, provenance};

/// Where a digest of ours came from: enough to derive it again. The base is a digest and never a tag, so a tag
/// that moved changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The registry of the image.
    pub registry: Host,
    /// Its repository there.
    pub repository: Repository,
    /// The digest of its index or manifest upstream.
    pub base: Digest,
    /// Identity of what was changed.
    pub recipe: RecipeId,
    /// Whose credentials fetched it; nobody else finds this root.
    pub access: AccessId,
    /// Whether an image that cannot be changed was an error.
    pub demand: Demand,
}

impl Root {
    /// The root of a derivation of `image`.
    pub fn of(image: &Image) -> Root {
        Root {
            registry: image.registry.host.clone(),
            repository: image.repository.clone(),
            base: image.root,
            recipe: image.recipe.id(),
            access: image.access.id().clone(),
            demand: image.demand,
        }
    }
}

/// Every digest under which clients will ask for parts of this derivation: its documents and the operator's layers
/// in it. The layers of a token are found through the token alone: whoever mints it says what their digests are and
/// where they come from, and must not say so for anybody else. Empty when nothing was changed.
fn digests(derivation: &Derivation, image: &Image) -> Vec<Digest> {
    if derivation.documents.is_empty() {
        return Vec::new();
    }
    let layers = image.recipe.layers.iter().filter(|_| image.demand == Demand::Default);
    // Everybody has the empty config: it is no sign of this image.
    let documents =
        derivation.documents.keys().copied().filter(|digest| *digest != provenance::empty().digest);
    documents.chain(layers.map(|layer| layer.digest)).collect()
}
