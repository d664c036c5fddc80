//! Where a token may be asked for, and who may receive our credentials.
//!
//! The realm is chosen by the registry, so it is input: a registry must not send us, or a password of ours, wherever it
//! likes. Addresses are guarded again at dial.

use crate::upstream::guard::{bare, is_private_name};
use crate::upstream::{Endpoint, Registry};
use url::Url;

/// A realm where a token may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Realm {
    pub(crate) url: Url,
    /// May it receive the credentials of the registry?
    pub(crate) confidant: bool,
}

/// Registries whose token server has another name, and that name. Any other has to be one of the operator's
/// `trusted-hosts`: a shared domain says nothing of a shared owner where the tenants of one provider are neighbours.
const ELSEWHERE: [(&str, &str); 2] =
    [("registry-1.docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

impl Realm {
    /// Judges the realm of a challenge. It must be an http or https URL without user name; never http when the
    /// registry is spoken to in https; no private literal or name, unless it is the registry itself or a trusted host.
    ///
    /// Credentials may go to the registry's own host (any port), to its token server if that is one we know, and to
    /// trusted hosts.
    pub(crate) fn new(text: &str, registry: &Registry) -> Result<Realm, &'static str> {
        let url = Url::parse(text).map_err(|_| "the realm is not a URL")?;
        let Endpoint::Http(base) = &registry.endpoint else { return Err("the registry is a directory") };
        match (base.scheme(), url.scheme()) {
            (_, "https") | ("http", "http") => {}
            ("https", "http") => return Err("the realm leads from https to http"),
            _ => return Err("the realm is not http or https"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the realm has a user name");
        }
        let host = url.host_str().map(bare).ok_or("the realm has no host")?;
        let own = base.host_str().map(bare).unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let named = host == own || registry.policy.trusted_hosts.iter().any(|named| named.is(host, port));
        if !named && is_private_name(host) {
            return Err("the realm is at a private address");
        }
        let confidant = named || ELSEWHERE.contains(&(own, host));
        Ok(Realm { url, confidant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::upstream::Registries;

    fn registry(host: &str, url: Option<&str>) -> std::sync::Arc<Registry> {
        let policy = config::Registry {
            url: url.map(|url| url.parse().unwrap()),
            trusted_hosts: ["sso.corp:8443", "10.0.0.9", "index.docker.io"]
                .map(|host| host.parse().unwrap())
                .into(),
            ..Default::default()
        };
        let host: crate::oci::Host = host.parse().unwrap();
        let mut config = config::Registries::default();
        config.listed.insert(host.clone(), policy);
        Registries::new(&config).find(&host).unwrap()
    }

    #[test]
    fn who_may_have_credentials() {
        let check = |host: &str, realm: &str, want: Result<bool, &str>| {
            let got = Realm::new(realm, &registry(host, None)).map(|realm| realm.confidant);
            match (got, want) {
                (Err(got), Err(want)) => assert!(got.contains(want), "{realm}: {got}"),
                (got, want) => assert_eq!(got, want, "{host} {realm}"),
            }
        };
        check("quay.io", "https://quay.io/v2/auth", Ok(true));
        check("quay.io", "https://quay.io:8443/v2/auth", Ok(true));
        check("quay.io", "https://auth.quay.io/", Ok(false));
        check("docker.io", "https://auth.docker.io/token", Ok(true));
        check("docker.io", "https://registry-1.docker.io/token", Ok(true));
        check("ghcr.io", "https://auth.docker.io/token", Ok(false));
        check("registry.gitlab.com", "https://gitlab.com/jwt/auth", Ok(true));
        check("gitlab.com", "https://registry.gitlab.com/", Ok(false));
        check("quay.io", "https://evil.example/", Ok(false));
        check("quay.io", "https://notquay.io/", Ok(false));
        check("quay.io", "https://quay.io.evil.example/", Ok(false));
        check("good.azurecr.io", "https://evil.azurecr.io/", Ok(false));
        check("good.pkg.dev", "https://evil.pkg.dev/", Ok(false));
        check("good.jfrog.io", "https://evil.jfrog.io/", Ok(false));
        check("a.co.uk", "https://b.co.uk/", Ok(false));
        check("x.a.co.uk", "https://x.a.co.uk/", Ok(true));
        check("quay.io", "https://sso.corp:8443/", Ok(true));
        check("quay.io", "https://sso.corp/", Ok(false));
        check("quay.io", "https://10.0.0.9/", Ok(true));
        check("quay.io", "https://index.docker.io/", Ok(true));
        check("quay.io", "https://registry-1.docker.io/", Ok(false));
        check("quay.io", "https://docker.io/", Ok(false));
        check("quay.io", "http://quay.io/v2/auth", Err("from https to http"));
        check("quay.io", "https://127.0.0.1/", Err("private"));
        check("quay.io", "https://[::1]/", Err("private"));
        check("quay.io", "https://127.1/", Err("private"));
        check("quay.io", "https://169.254.169.254/", Err("private"));
        check("quay.io", "https://localhost/", Err("private"));
        check("quay.io", "https://u:p@quay.io/", Err("user name"));
        check("quay.io", "ftp://quay.io/", Err("not http"));
        check("quay.io", "Some words", Err("not a URL"));
        check("1.2.3.4", "https://9.9.3.4/", Ok(false));
        check("127.0.0.1:5000", "http://127.0.0.1:5001/token", Ok(true));
        check("127.0.0.1:5000", "http://127.0.0.2:5001/token", Err("private"));
    }

    #[test]
    fn the_endpoint_counts_not_the_name() {
        let moved = registry("quay.io", Some("https://mirror.corp.example"));
        assert!(Realm::new("https://mirror.corp.example/t", &moved).unwrap().confidant);
        assert!(!Realm::new("https://quay.io/t", &moved).unwrap().confidant);
    }
}
