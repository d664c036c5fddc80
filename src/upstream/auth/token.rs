//! One token request and its answer (the Docker token specification).

use super::realm::Realm;
use crate::auth::Credentials;
use crate::body::{Body, bounded};
use crate::error::Error;
use crate::oci::{Code, Repository};
use crate::upstream::outbound::Outbound;
use crate::upstream::{Carries, Failure, Redirects, Registry, fault, request};
use http::{HeaderValue, Method, Response, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Bytes of a token answer that are read.
const LIMIT: usize = 64 * 1024;
/// How long a token lives that does not say so, or that says nonsense.
const UNSTATED: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);

/// A token as it is presented.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// `Bearer ...`, marked sensitive.
    pub(crate) header: HeaderValue,
    /// How long to present it.
    pub(crate) life: Duration,
}

/// The request for a token to pull from `repository`, or, without one, to prove credentials.
pub(crate) fn ask(
    registry: &Arc<Registry>,
    realm: &Realm,
    service: Option<&str>,
    repository: Option<&Repository>,
    credentials: Option<&Credentials>,
) -> Result<Outbound, Failure> {
    let mut request = request::plain(Method::GET, url(&realm.url, service, repository).as_str())?;
    if let Some(credentials) = credentials {
        if !realm.confidant {
            return Err(Failure::Final(Error::new(
                Code::Denied,
                crate::error::Side::Upstream,
                format!(
                    "registry '{}' asks for credentials at '{}', which is not one of its trusted-hosts",
                    registry.host,
                    realm.url.host_str().unwrap_or_default()
                ),
            )));
        }
        request.headers_mut().insert(header::AUTHORIZATION, credentials.header());
    }
    Ok(Outbound {
        registry: registry.clone(),
        redirects: Redirects::Follow,
        carries: Carries::Document,
        request,
    })
}

/// The token in an answer; `None` when the token server refuses (4xx).
pub(crate) async fn read(registry: &Registry, response: Response<Body>) -> Result<Option<Token>, Failure> {
    let status = response.status();
    let broken = |what: &str| Error::bad_gateway(format!("the token server of '{}' {what}", registry.host));
    if status == StatusCode::TOO_MANY_REQUESTS {
        let after = fault::retry_after(response.headers()).unwrap_or(fault::PAUSE);
        let message = format!("the token server of '{}' has had too many requests", registry.host);
        let error = Error::new(Code::TooManyRequests, crate::error::Side::Upstream, message);
        return Err(Failure::Final(error.with_retry_after(after)));
    }
    if status.is_client_error() {
        return Ok(None);
    }
    if !status.is_success() {
        let error = broken(&format!("answered {}", status.as_u16()));
        return Err(Failure::Transient(match fault::retry_after(response.headers()) {
            Some(after) => error.with_retry_after(after),
            None => error,
        }));
    }
    let body = bounded(response.into_body(), LIMIT).await.map_err(Failure::Transient)?;
    parse(&body).map(Some).map_err(|what| Failure::Final(broken(what)))
}

fn url(realm: &Url, service: Option<&str>, repository: Option<&Repository>) -> Url {
    let mut url = realm.clone();
    url.set_fragment(None);
    if let Some(service) = service {
        url.query_pairs_mut().append_pair("service", service);
    }
    if let Some(repository) = repository {
        // Our own: some registries suggest the scope of another repository.
        url.query_pairs_mut().append_pair("scope", &format!("repository:{repository}:pull"));
    }
    url
}

/// `token`, or `access_token` as OAuth 2 calls it, and `expires_in` in seconds.
fn parse(body: &[u8]) -> Result<Token, &'static str> {
    let answer: serde_json::Value = serde_json::from_slice(body).map_err(|_| "did not answer in JSON")?;
    let text = |key: &str| answer.get(key).and_then(|value| value.as_str()).filter(|text| !text.is_empty());
    let token = text("token").or_else(|| text("access_token")).ok_or("gave no token")?;
    let mut header =
        HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| "gave a malformed token")?;
    header.set_sensitive(true);
    let seconds = match answer.get("expires_in") {
        Some(serde_json::Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_f64(),
        None => None,
    };
    let claimed = seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
    let claimed = claimed.map_or(UNSTATED, |seconds| Duration::from_secs_f64(seconds.min(86_400.0)));
    // A margin for clocks that run apart and for the time the answer was under way.
    Ok(Token { header, life: claimed.min(LONGEST).mul_f64(0.9) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let check = |body: &str, token: &str, life: u64| {
            let parsed = parse(body.as_bytes()).unwrap();
            assert_eq!(parsed.header, format!("Bearer {token}"), "{body}");
            assert_eq!(parsed.life, Duration::from_secs(life), "{body}");
            assert!(parsed.header.is_sensitive());
        };
        check(r#"{"token":"a"}"#, "a", 54);
        check(r#"{"access_token":"b"}"#, "b", 54);
        check(r#"{"token":"a","access_token":"b","expires_in":300}"#, "a", 270);
        check(r#"{"token":"","access_token":"b","expires_in":"300"}"#, "b", 270);
        check(r#"{"token":"a","expires_in":10}"#, "a", 9);
        check(r#"{"token":"a","expires_in":0}"#, "a", 54);
        check(r#"{"token":"a","expires_in":-5,"issued_at":"2099-01-01T00:00:00Z"}"#, "a", 54);
        check(r#"{"token":"a","expires_in":1e300}"#, "a", 3240);
        check(r#"{"token":"a","expires_in":null}"#, "a", 54);
        for bad in ["", "[]", "<html>", r#"{"token":5}"#, r#"{"token":"a\nb"}"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn requests() {
        let realm = Url::parse("https://a/t?x=1#y").unwrap();
        let repository = "library/busybox".parse().unwrap();
        assert_eq!(
            url(&realm, Some("s p"), Some(&repository)).as_str(),
            "https://a/t?x=1&service=s+p&scope=repository%3Alibrary%2Fbusybox%3Apull"
        );
        assert_eq!(url(&Url::parse("https://a/t").unwrap(), None, None).as_str(), "https://a/t");
    }
}
