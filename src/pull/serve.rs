//! The leaf of the pull stack: is it one of ours, can it be derived, or does it stream from upstream?

use super::respond::{document, unconfirmed};
use super::{Image, Scoped, Verb, What, discover, spooled, stream};
use crate::body::Body;
use crate::cache::{Derivations, Derive, Tags};
use crate::error::Error;
use crate::grant::Recipe;
use crate::inject::Injector;
use crate::oci::{Digest, Reference, headers};
use crate::pull::Demand;
use crate::rewrite::{Derivation, Referrer, provenance};
use crate::spool::Spool;
use crate::state::State;
use crate::upstream::Upstream;
use http::{HeaderValue, Response, header};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Service, ServiceExt as _};

/// Answers pulls. Cheap to clone.
#[derive(Clone)]
pub struct Serve(Arc<Parts>);

/// What a pull is answered from.
pub struct Parts {
    /// Everything towards other registries.
    pub upstream: Upstream,
    /// The same for manifests, which may be kept for when a registry is down.
    pub documents: Upstream,
    /// Upstream's blobs on disk, where these are kept.
    pub spool: Option<Spool>,
    /// The derivation stack.
    pub derive: Derive,
    /// Derivations in memory.
    pub derivations: Derivations,
    /// Where tags point.
    pub tags: Tags,
    /// The injected layers.
    pub injector: Injector,
    /// The durable roots.
    pub state: State,
    /// Bytes of the largest document.
    pub document_limit: usize,
    /// Bytes of the largest page of tags or referrers.
    pub list_limit: usize,
    /// How long upstream may be silent within a blob.
    pub idle: Duration,
}

impl Serve {
    /// A service over its parts.
    pub fn new(parts: Parts) -> Serve {
        Serve(Arc::new(parts))
    }
}

impl Service<Scoped> for Serve {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, scoped: Scoped) -> Self::Future {
        let parts = self.0.clone();
        // A future is as large as the largest it awaits, and is copied whole when it is boxed. What is answered
        // from memory should cost no more than that, so everything that asks upstream is boxed for itself.
        Box::pin(async move {
            let mut response = match &scoped.pull.wish {
                What::Manifest(Reference::Digest(digest)) => parts.manifest(&scoped, digest).await,
                What::Manifest(Reference::Tag(_)) => Box::pin(parts.tagged(&scoped)).await,
                What::Blob(digest) => Box::pin(parts.blob(&scoped, digest)).await,
                What::Tags { .. } => {
                    Box::pin(discover::tags(&parts.upstream, &scoped, parts.list_limit)).await
                }
                What::Referrers { subject, .. } => Box::pin(parts.referrers(&scoped, subject)).await,
            }?;
            if scoped.pull.verb == Verb::Head {
                *response.body_mut() = Body::empty();
            }
            Ok(response)
        })
    }
}

impl Parts {
    /// A manifest by tag: the root of the image's derivation.
    async fn tagged(&self, scoped: &Scoped) -> Result<Response<Body>, Error> {
        let What::Manifest(reference @ Reference::Tag(tag)) = &scoped.pull.wish else {
            return Err(Error::internal("a tag was expected"));
        };
        if scoped.grant.recipe.is_empty() {
            return stream::manifest(&self.documents, scoped, reference, self.document_limit).await;
        }
        let ask = stream::resolve(&self.documents, scoped, reference, self.document_limit);
        let (access, grant) = (scoped.access.id(), &scoped.grant);
        let base = self.tags.resolve(access, &grant.registry, &grant.repository, tag, ask).await?;
        let derivation = self.derive(scoped, base.digest, &grant.recipe, grant.demand).await?;
        let mut response = self.root(scoped, &derivation).await?;
        unconfirmed(&mut response, base.stale.as_ref());
        Ok(response)
    }

    /// A manifest by digest: one of ours, or upstream's.
    async fn manifest(&self, scoped: &Scoped, digest: &Digest) -> Result<Response<Body>, Error> {
        match self.find(scoped, digest).await? {
            Some(Ours::Derived(derivation)) => Ok(self.held(scoped, &derivation, digest)),
            Some(Ours::Injected(_)) | None => {
                let reference = Reference::Digest(*digest);
                Box::pin(stream::manifest(&self.documents, scoped, &reference, self.document_limit)).await
            }
        }
    }

    /// A blob: an injected layer, a config of ours, or upstream's.
    async fn blob(&self, scoped: &Scoped, digest: &Digest) -> Result<Response<Body>, Error> {
        let (pull, access) = (&scoped.pull, &scoped.access);
        // The config of our artifacts, and of everybody's: it says nothing, and upstream may not have it.
        let empty = provenance::empty();
        if *digest == empty.digest {
            return Ok(document(&empty.bytes, headers::OCTET_STREAM, digest, pull.verb, &pull.conditions));
        }
        if let Some(layer) = scoped.grant.recipe.layer(digest) {
            return self.injector.serve(layer, access, pull.verb, &pull.conditions).await;
        }
        match self.find(scoped, digest).await? {
            Some(Ours::Derived(derivation)) => Ok(self.held(scoped, &derivation, digest)),
            Some(Ours::Injected(recipe)) => {
                let layer = recipe
                    .layer(digest)
                    .ok_or_else(|| Error::internal("a root names a layer its recipe lacks"))?;
                self.injector.serve(layer, access, pull.verb, &pull.conditions).await
            }
            None => match &self.spool {
                Some(spool) if spooled::is_spooled(scoped, digest) => {
                    Box::pin(spooled::blob(spool, &self.upstream, scoped, digest)).await
                }
                _ => {
                    let verify = scoped.registry.policy.verify;
                    Box::pin(stream::blob(&self.upstream, scoped, digest, verify, self.idle)).await
                }
            },
        }
    }

    /// What refers to a manifest: that is ours, or upstream's.
    async fn referrers(&self, scoped: &Scoped, subject: &Digest) -> Result<Response<Body>, Error> {
        match self.find(scoped, subject).await? {
            Some(ours) => discover::own_referrers(scoped, ours.referrers(subject)),
            None => discover::referrers(&self.upstream, scoped, self.list_limit).await,
        }
    }

    /// Is `digest` something we made, for this access, in this repository? In memory, or by its durable root, from
    /// which it is derived again.
    async fn find(&self, scoped: &Scoped, digest: &Digest) -> Result<Option<Ours>, Error> {
        let (access, grant) = (scoped.access.id(), &scoped.grant);
        if let Some(found) = self.derivations.find(access, &grant.registry, &grant.repository, digest).await {
            return Ok(Some(Ours::Derived(found)));
        }
        Box::pin(self.recall(scoped, digest)).await
    }

    /// The same by its durable root.
    async fn recall(&self, scoped: &Scoped, digest: &Digest) -> Result<Option<Ours>, Error> {
        let (access, grant) = (scoped.access.id(), &scoped.grant);
        let root = self.state.root(access, &grant.registry, &grant.repository, *digest).await?;
        let Some((root, recipe)) = root else { return Ok(None) };
        // Only the operator's layers are anybody's: see `state::digests`.
        if root.demand == Demand::Default && recipe.layer(digest).is_some() {
            return Ok(Some(Ours::Injected(recipe)));
        }
        let derivation = self.derive(scoped, root.base, &recipe, root.demand).await?;
        match derivation.documents.contains_key(digest) {
            true => Ok(Some(Ours::Derived(derivation))),
            // The derivation is a pure function of its root; only a change of the rules between two versions
            // of this program gets here. Upstream then says 404, which is the truth.
            false => Ok(None),
        }
    }

    async fn derive(
        &self,
        scoped: &Scoped,
        root: Digest,
        recipe: &Arc<Recipe>,
        demand: Demand,
    ) -> Result<Arc<Derivation>, Error> {
        let image = Image {
            registry: scoped.registry.clone(),
            repository: scoped.grant.repository.clone(),
            root,
            recipe: recipe.clone(),
            access: scoped.access.clone(),
            demand,
        };
        self.derive.clone().oneshot(image).await
    }

    /// The root of a derivation as the answer to a tag.
    async fn root(&self, scoped: &Scoped, derivation: &Derivation) -> Result<Response<Body>, Error> {
        if scoped.grant.demand == Demand::Explicit
            && let Some(error) = derivation.refusal()
        {
            return Err(error);
        }
        if derivation.documents.contains_key(&derivation.root) {
            return Ok(self.held(scoped, derivation, &derivation.root));
        }
        let base = Reference::Digest(derivation.base);
        let mut response = stream::manifest(&self.documents, scoped, &base, self.document_limit).await?;
        warn(&mut response, derivation);
        Ok(response)
    }

    /// A document of ours.
    fn held(&self, scoped: &Scoped, derivation: &Derivation, digest: &Digest) -> Response<Body> {
        let found = &derivation.documents[digest];
        let pull = &scoped.pull;
        let media = match pull.wish {
            What::Blob(_) => headers::OCTET_STREAM,
            _ => found.media.header(),
        };
        let mut response = document(&found.bytes, media, digest, pull.verb, &pull.conditions);
        if *digest == derivation.root {
            warn(&mut response, derivation);
        }
        response
    }
}

/// Something of ours.
enum Ours {
    /// A document of a derivation.
    Derived(Arc<Derivation>),
    /// A layer that a recipe injects.
    Injected(Arc<Recipe>),
}

impl Ours {
    /// What refers to the digest this was found under.
    fn referrers(&self, subject: &Digest) -> Option<Referrer> {
        match self {
            Ours::Derived(derivation) => derivation.referrers.get(subject).copied(),
            Ours::Injected(_) => None,
        }
    }
}

/// `Warning: 299` (RFC 7234, 5.5), which clients show to their users.
fn warn(response: &mut Response<Body>, derivation: &Derivation) {
    let Some(text) = &derivation.warning else { return };
    let text: String =
        text.chars().map(|c| if c == '"' || c == '\\' || c.is_control() { '\'' } else { c }).collect();
    if let Ok(value) = HeaderValue::try_from(format!("299 - \"{text}\"")) {
        response.headers_mut().append(header::WARNING, value);
    }
}
