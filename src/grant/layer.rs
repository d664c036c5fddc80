//! From a name in a URL to what it entitles to.

use super::{Found, Grant, Grants, Recipe, Token};
use crate::auth::{Gate, unauthorized};
use crate::error::Error;
use crate::oci::{Code, Host, Reference, Repository, reference};
use crate::pull::{Demand, Place, Pull, Scoped, What};
use crate::upstream::Registries;
use futures_util::future::{Either, Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;
use tower::Service;

/// Makes [`Resolve`].
#[derive(Clone, Debug)]
pub struct ResolveLayer(Arc<Resolver>);

/// Turns a [`Pull`] into a [`Scoped`]: a token is looked up, a plain name gets a grant made on the spot. One
/// lookup in memory, no traffic.
#[derive(Clone, Debug)]
pub struct Resolve<S> {
    inner: S,
    resolver: Arc<Resolver>,
}

/// What names stand for.
#[derive(Debug)]
pub struct Resolver {
    /// The tokens.
    pub grants: Grants,
    /// The registries.
    pub registries: Arc<Registries>,
    /// What is changed in images that are pulled without a token; empty when there is no default layer.
    pub default: Arc<Recipe>,
    /// Whose credentials may go upstream.
    pub gate: Arc<Gate>,
}

impl Resolver {
    /// What `pull` is about, at `now`.
    pub fn scope(&self, pull: Pull, now: SystemTime) -> Result<Scoped, Error> {
        let grant = match &pull.place {
            Place::Token(token, repository) => self.minted(token, repository, &pull.wish, now)?,
            Place::Default(repository) => self.implicit(self.registries.default_host(), repository),
            Place::Named(registry, repository) => self.implicit(&registry.host, repository),
            Place::Mirror(registry, repository) if self.registries.is_listed(&registry.host) => {
                self.implicit(&registry.host, repository)
            }
            // A mirror's client asks the registry itself when it hears 404.
            Place::Mirror(registry, _) => {
                return Err(Error::client(
                    Code::NameUnknown,
                    format!("registry '{}' is not mirrored here", registry.host),
                ));
            }
        };
        let registry = self.registries.find(&grant.registry)?;
        let credentials = pull.caller.credentials.as_ref();
        if grant.access.is_some() && self.gate.forwarded(&registry, credentials).is_none() {
            return Err(unauthorized(
                "this token was made with credentials of its maker; log in with your own",
            ));
        }
        let access = self.gate.access(&registry, credentials);
        Ok(Scoped { pull, grant, registry, access })
    }

    fn implicit(&self, registry: &Host, repository: &Repository) -> Arc<Grant> {
        Arc::new(Grant {
            registry: registry.clone(),
            repository: reference::official(registry, repository.clone()),
            reference: None,
            recipe: self.default.clone(),
            demand: Demand::Default,
            access: None,
            expires: None,
            owner: None,
        })
    }

    fn minted(
        &self,
        token: &Token,
        name: &Repository,
        wish: &What,
        now: SystemTime,
    ) -> Result<Arc<Grant>, Error> {
        let unknown = |message: String| Error::client(Code::NameUnknown, message);
        let grant = match self.grants.find(token, now) {
            Found::Live(grant) => grant,
            // What is asked for by digest belongs to a pull that began while the token was valid.
            Found::Expired { grant, .. } if by_digest(wish) => grant,
            Found::Expired { since, .. } => {
                return Err(unknown(format!(
                    "the container token expired at {}; request a new one",
                    crate::control::instant(since)
                )));
            }
            Found::Unknown => {
                return Err(unknown("the container token is unknown or expired; request a new one".into()));
            }
        };
        if reference::official(&grant.registry, name.clone()) != grant.repository {
            return Err(unknown(format!("the container token was not made for '{name}'")));
        }
        match (wish, &grant.reference) {
            (What::Manifest(Reference::Tag(tag)), Some(made)) if *made != Reference::Tag(tag.clone()) => {
                let message = format!("the container token was made for '{made}' and not for tag '{tag}'");
                Err(Error::client(Code::ManifestUnknown, message))
            }
            _ => Ok(grant),
        }
    }
}

fn by_digest(wish: &What) -> bool {
    matches!(wish, What::Manifest(Reference::Digest(_)) | What::Blob(_))
}

impl ResolveLayer {
    /// The layer over this resolver.
    pub fn new(resolver: Resolver) -> ResolveLayer {
        ResolveLayer(Arc::new(resolver))
    }
}

impl<S> tower::Layer<S> for ResolveLayer {
    type Service = Resolve<S>;

    fn layer(&self, inner: S) -> Resolve<S> {
        Resolve { inner, resolver: self.0.clone() }
    }
}

impl<S> Service<Pull> for Resolve<S>
where
    S: Service<Scoped, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Either<Ready<Result<S::Response, Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, pull: Pull) -> Self::Future {
        match self.resolver.scope(pull, SystemTime::now()) {
            Ok(scoped) => Either::Right(self.inner.call(scoped)),
            Err(error) => Either::Left(ready(Err(error))),
        }
    }
}

#[cfg(test)]
mod tests;
