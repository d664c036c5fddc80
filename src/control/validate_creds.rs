//! `POST /validate-creds`: does a registry accept this user name and password?

use super::Parts;
use super::image::offending;
use super::json::{self, SMALL, invalid};
use crate::admission::Pool;
use crate::auth::{Credentials, basic};
use crate::body::Body;
use crate::error::{BoxError, Error};
use crate::oci::Host;
use crate::secret::Secret;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Body as HttpBody;
use serde::Deserialize;
use std::net::IpAddr;
use tower::ServiceExt as _;

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct Wanted {
    user_name: Option<String>,
    password: Option<Secret>,
    registry: Option<String>,
}

/// `true` or `false`. Whatever goes wrong on the way to the registry is `false`; a request that is wrong in
/// itself is 400.
pub(super) async fn answer<B>(
    parts: &Parts,
    large: &Pool,
    request: Request<B>,
) -> Result<Response<Body>, Error>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let caller = request.headers().get(header::AUTHORIZATION).and_then(basic);
    parts.gate.api(caller.as_ref())?;
    let (wanted, _) = json::read::<Wanted, _>(request.into_body(), SMALL, large).await?;
    let missing = |name: &str| invalid(format!("Missing '{name}' attribute"));
    let username = wanted.user_name.filter(|text| !text.is_empty()).ok_or_else(|| missing("userName"))?;
    let password =
        wanted.password.filter(|text| !text.expose().is_empty()).ok_or_else(|| missing("password"))?;
    let host = host(wanted.registry.as_deref().unwrap_or_default())?;
    let registry = parts.registries.find(&host).map_err(|e| e.with_status(StatusCode::BAD_REQUEST))?;
    if !registry.listed && !is_public(&host) {
        return Err(offending("Registry hostname not allowed", host.as_str()));
    }
    let login = parts.login.clone().oneshot((registry, Credentials { username, password })).await;
    let valid = login.unwrap_or_else(|error| {
        tracing::info!(error = &error as &dyn std::error::Error, %host, "credentials not checked");
        false
    });
    Ok(json::reply(&valid))
}

/// The registry of a host name or URL; Docker Hub when there is none.
fn host(text: &str) -> Result<Host, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Host::docker_hub());
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let name = rest.split_once('/').map_or(rest, |(name, _)| name);
    name.parse().map_err(|_| offending("Invalid registry name", text))
}

/// May an unlisted registry have this name? The address it resolves to is checked again when it is dialled.
fn is_public(host: &Host) -> bool {
    match host.name().parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified())
        }
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified())
        }
        Err(_) => !host.is_loopback() && host.name().contains('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_as_hosts_and_as_urls() {
        let check = |text: &str, want: &str| assert_eq!(host(text).unwrap().as_str(), want, "{text}");
        check("", "docker.io");
        check("docker.io", "docker.io");
        check("https://index.docker.io/v1/", "docker.io");
        check("https://quay.io/v2", "quay.io");
        check("http://foo.com:5000", "foo.com:5000");
        assert!(host("ftp://foo.com").is_err());
        assert!(host("https://user@foo.com/").is_err());
    }

    #[test]
    fn names_that_point_inside() {
        for inside in
            ["localhost", "localhost:5000", "10.0.0.1", "192.168.1.1:5000", "169.254.169.254", "[::1]", "com"]
        {
            assert!(!is_public(&inside.parse().unwrap()), "{inside}");
        }
        for public in ["quay.io", "81.40.42.206", "foo.com:5000"] {
            assert!(is_public(&public.parse().unwrap()), "{public}");
        }
    }
}
