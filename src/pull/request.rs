//! The typed requests that go down the stack. After the router nobody looks at a URL.

use crate::auth::{Access, Caller};
use crate::grant::{Grant, Recipe, Token};
use crate::oci::{Digest, Host, Reference, Repository};
use crate::upstream::{Redirects, Registry};
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;

/// The parameter of our own links into the middle of an upstream's page. It never goes upstream. An upstream may be
/// one of us and have a cursor of this name: of several, ours is the last.
pub const SKIP: &str = "wave.skip";

/// The two methods of the pull side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// With content.
    Get,
    /// Headers only.
    Head,
}

/// A pull as it came in: parsed, not yet resolved.
#[derive(Clone, Debug)]
pub struct Pull {
    /// Under which name.
    pub place: Place,
    /// Which object.
    pub wish: What,
    /// GET or HEAD.
    pub verb: Verb,
    /// The caller's `Accept` lines, as they came; registries choose by them.
    pub accept: Vec<HeaderValue>,
    /// Range and validators.
    pub conditions: Conditions,
    /// Who asks.
    pub caller: Caller,
}

/// How the name of the image was spelt in the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `/v2/<name>/...`: the default registry.
    Default(Repository),
    /// `/v2/<host>/<name>/...`, or the same through a configured alias.
    Named(Spelt, Repository),
    /// `/v2/<name>/...?ns=<host>`: the mirror protocol of containerd (distribution-spec main, "Registry proxying").
    Mirror(Spelt, Repository),
    /// `/v2/wt/<token>/<name>/...`.
    Token(Token, Repository),
}

/// A registry, and what the caller calls it: an alias, or one of the spellings of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelt {
    /// As in the URL; links that lead the caller on are spelt the same way.
    pub text: String,
    /// Which registry it is.
    pub host: Host,
}

/// Conditional and range headers as they came (RFC 9110, 13 and 14).
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// `Range`.
    pub range: Option<HeaderValue>,
    /// `If-Range`.
    pub if_range: Option<HeaderValue>,
    /// `If-None-Match`.
    pub if_none_match: Option<HeaderValue>,
}

/// A pull with what entitles to it.
#[derive(Clone, Debug)]
pub struct Scoped {
    /// What was asked.
    pub pull: Pull,
    /// What it is asked of: registry, repository, recipe.
    pub grant: Arc<Grant>,
    /// The registry's entry in the configuration.
    pub registry: Arc<Registry>,
    /// Whose credentials are used upstream.
    pub access: Access,
}

/// Did somebody ask for this image to be changed, or is it changed by default?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Demand {
    /// The operator's default layer: what cannot be changed passes untouched.
    Default,
    /// A token's own containerConfig: what cannot be changed is an error.
    Explicit,
}

/// An image to derive: everything the result depends on.
#[derive(Clone, Debug)]
pub struct Image {
    /// Where it lives.
    pub registry: Arc<Registry>,
    /// In which repository.
    pub repository: Repository,
    /// The digest of its index or manifest upstream.
    pub root: Digest,
    /// What is changed.
    pub recipe: Arc<Recipe>,
    /// Whose credentials fetch it; part of every cache key.
    pub access: Access,
    /// Whether an image that cannot be changed is an error.
    pub demand: Demand,
}

/// One request to an upstream registry.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Which registry.
    pub registry: Arc<Registry>,
    /// Which repository there.
    pub repository: Repository,
    /// What.
    pub what: What,
    /// GET or HEAD.
    pub verb: Verb,
    /// End-to-end request headers: `Accept`, `Range`, and `If-Range` with an entity tag of upstream's own. Nothing else
    /// is forwarded; callers' validators are ours to decide, since the entity tags that they know are digests.
    pub headers: HeaderMap,
    /// Whose credentials.
    pub access: Access,
    /// What to do with a redirect. Whoever reads the content itself follows it.
    pub redirects: Redirects,
}

/// The object asked for, of us or of an upstream registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `manifests/<reference>`
    Manifest(Reference),
    /// `blobs/<digest>`
    Blob(Digest),
    /// `tags/list`
    Tags {
        /// At most so many.
        n: Option<u32>,
        /// Only what sorts behind this.
        last: Option<String>,
        /// Other parameters: some registries page by a cursor of their own.
        more: Vec<(String, String)>,
    },
    /// `referrers/<digest>`
    Referrers {
        /// Of which manifest.
        subject: Digest,
        /// Only this artifact type.
        artifact_type: Option<String>,
        /// Entries of the answer that the caller has already; see [`SKIP`].
        skip: usize,
        /// Other parameters: some registries page by a cursor of their own.
        more: Vec<(String, String)>,
    },
}
