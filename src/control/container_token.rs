//! `POST /container-token`: an image name that stands for a changed image.

use super::Parts;
use super::authority::authority;
use super::config::{Change, ContainerConfig};
use super::image::image;
use super::json::{self, LARGE, instant, invalid};
use crate::admission::Pool;
use crate::auth::{Anonymous, Credentials, basic};
use crate::body::Body;
use crate::error::{BoxError, Error};
use crate::grant::{Grant, Recipe};
use crate::oci::{Code, ImageRef, Platform, Reference};
use crate::pull::{Demand, Image};
use crate::upstream::Registry;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Body as HttpBody;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::SystemTime;
use tower::ServiceExt as _;

/// The members we act on. `towerAccessToken` and the like are accepted and mean nothing without a platform.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wanted {
    container_image: Option<String>,
    container_file: Option<String>,
    conda_file: Option<String>,
    container_config: Option<ContainerConfig>,
    container_platform: Option<String>,
    freeze: Option<bool>,
    mirror: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Minted {
    container_token: String,
    target_image: String,
    expiration: String,
}

/// Mints a token. Neither the image's registry nor a layer's URL is contacted, except for an image that is
/// named by digest and changed: the name in the reply must then be the digest of what it becomes.
pub(super) async fn answer<B>(
    parts: &Parts,
    large: &Pool,
    request: Request<B>,
) -> Result<Response<Body>, Error>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let credentials = request.headers().get(header::AUTHORIZATION).and_then(basic);
    let owner = caller(parts, credentials.as_ref())?;
    let authority = authority(parts.url.as_ref(), &request)?;
    // Layers are as large as the request until they are on disk, so the permit ends with the answer.
    let (wanted, _permit) = json::read::<Wanted, _>(request.into_body(), LARGE, large).await?;
    let image = named(&wanted, parts)?;
    let platform = wanted.container_platform.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let platform: Option<Platform> = platform
        .map(str::parse)
        .transpose()
        .map_err(|why: crate::oci::platform::Invalid| invalid(why.to_string()))?;
    let change = wanted.container_config.unwrap_or_default().check()?;
    let registry =
        parts.registries.find(&image.registry).map_err(|e| e.with_status(StatusCode::BAD_REQUEST))?;
    parts.gate.enter(&registry, credentials.as_ref())?;

    let demand = if change.is_empty() { Demand::Default } else { Demand::Explicit };
    let recipe = Arc::new(recipe(parts, change, platform).await?);
    let now = SystemTime::now();
    let forwarded = parts.gate.forwarded(&registry, credentials.as_ref()).is_some();
    let access = parts.gate.access(&registry, credentials.as_ref());
    let served = match image.reference {
        Reference::Digest(root) if demand == Demand::Explicit => {
            let image = Image {
                registry,
                repository: image.repository.clone(),
                root,
                recipe: recipe.clone(),
                access: access.clone(),
                demand,
            };
            Reference::Digest(pinned(parts, &image, now).await?)
        }
        ref reference => reference.clone(),
    };
    let grant = Grant {
        registry: image.registry.clone(),
        repository: image.repository.clone(),
        reference: Some(image.reference),
        recipe,
        demand,
        access: forwarded.then(|| access.id().clone()),
        expires: None,
        owner,
    };
    let (token, grant) = parts.grants.mint(grant, now).await?;
    tracing::info!(%token, image = %format_args!("{}/{}", grant.registry, grant.repository), "container token minted");
    let at = if matches!(served, Reference::Digest(_)) { '@' } else { ':' };
    let token = token.expose().to_string();
    Ok(json::reply(&Minted {
        target_image: format!("{authority}/wt/{token}/{}{at}{served}", image.repository),
        container_token: token,
        expiration: instant(grant.expires.expect("minted grants end")),
    }))
}

/// The account of the caller. An access token is none of ours, so it does not count.
fn caller(parts: &Parts, credentials: Option<&Credentials>) -> Result<Option<String>, Error> {
    if parts.gate.anonymous() == Anonymous::Refused && credentials.is_none() {
        return Err(invalid("Missing access token"));
    }
    parts.gate.api(credentials)?;
    Ok(parts.gate.account(credentials).map(Into::into))
}

fn named(wanted: &Wanted, parts: &Parts) -> Result<ImageRef, Error> {
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    match (given(&wanted.container_image), given(&wanted.container_file)) {
        (true, true) => {
            Err(invalid("Attributes 'containerImage' and 'containerFile' cannot be used in the same request"))
        }
        (false, false) => Err(invalid("Specify either 'containerImage' or 'containerFile' attribute")),
        (false, true) => Err(disabled("Attribute 'containerFile'")),
        (true, false) if given(&wanted.conda_file) => Err(disabled("Attribute 'condaFile'")),
        (true, false) if wanted.freeze == Some(true) => Err(disabled("Attribute 'freeze'")),
        (true, false) if wanted.mirror == Some(true) => Err(disabled("Attribute 'mirror'")),
        (true, false) => {
            image(wanted.container_image.as_deref().unwrap_or_default(), parts.registries.default_host())
        }
    }
}

fn disabled(what: &str) -> Error {
    invalid(format!("{what} is not enabled in this Wave deployment"))
}

/// A containerConfig replaces the default layer; an empty one gets it.
async fn recipe(parts: &Parts, change: Change, platform: Option<Platform>) -> Result<Recipe, Error> {
    let platforms = platform.into_iter().collect();
    if change.is_empty() {
        return Ok(Recipe { platforms, ..(*parts.default).clone() });
    }
    let mut layers = Vec::with_capacity(change.layers.len());
    for layer in change.layers {
        layers.push(parts.layers.clone().oneshot(layer).await?);
    }
    let Change { entrypoint, cmd, env, working_dir, .. } = change;
    Ok(Recipe { layers, entrypoint, cmd, env, working_dir, platforms })
}

/// Derives an image that is named by digest, writes down where the result came from, and returns its digest.
async fn pinned(parts: &Parts, image: &Image, now: SystemTime) -> Result<crate::oci::Digest, Error> {
    let derived = parts.derive.clone().oneshot(image.clone()).await;
    let derivation = derived.map_err(|error| unavailable(&image.registry, image, error))?;
    if let Some(error) = derivation.refusal() {
        return Err(error);
    }
    parts.state.remember(image, &derivation, now).await?;
    Ok(derivation.root)
}

fn unavailable(registry: &Registry, image: &Image, error: Error) -> Error {
    match error.code() {
        Code::ManifestUnknown | Code::NameUnknown | Code::BlobUnknown | Code::Denied | Code::Unauthorized => {
            invalid(format!(
                "Container image '{}/{}@{}' does not exist or access is not authorized",
                registry.host, image.repository, image.root
            ))
            .with_source(error)
        }
        _ => error,
    }
}
