//! The registries we know and what the operator said of each.

use super::Redirects;
use crate::auth::Access;
use crate::config;
use crate::error::Error;
use crate::oci::{Code, Host};
use http::Response;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tower_http::follow_redirect::RequestUri;
use url::Url;

/// One upstream registry.
#[derive(Debug)]
pub struct Registry {
    /// Its name in image references.
    pub host: Host,
    /// The label in metrics: the configured alias, or `other`. Never a host.
    pub alias: Arc<str>,
    /// Where it is spoken to.
    pub endpoint: Endpoint,
    /// Did the operator name it? Then private addresses are allowed for the host itself.
    pub listed: bool,
    /// What the operator said of it, or the defaults.
    pub policy: config::Registry,
    access: Access,
}

/// How a registry is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Over HTTP at this base URL (scheme, host, port; no path).
    Http(Url),
    /// A directory with an OCI image layout (image-spec, image-layout.md).
    Layout(PathBuf),
}

/// All registries: the listed ones, and a rule for the others.
#[derive(Debug)]
pub struct Registries {
    default: Host,
    unlisted: config::Unlisted,
    listed: BTreeMap<Host, Arc<Registry>>,
}

impl Registries {
    /// From the configuration. The default registry counts as listed.
    pub fn new(config: &config::Registries) -> Registries {
        let mut listed: BTreeMap<Host, Arc<Registry>> = BTreeMap::new();
        for (host, policy) in &config.listed {
            listed.insert(host.clone(), Arc::new(Registry::new(host, policy, true)));
        }
        let default = || Arc::new(Registry::new(&config.default, &config::Registry::default(), true));
        listed.entry(config.default.clone()).or_insert_with(default);
        Registries { default: config.default.clone(), unlisted: config.unlisted, listed }
    }

    /// The registry of names without a host.
    pub fn default_host(&self) -> &Host {
        &self.default
    }

    /// Did the operator name this registry?
    pub fn is_listed(&self, host: &Host) -> bool {
        self.listed.contains_key(host)
    }

    /// The listed registry whose configured alias is `name`.
    pub fn by_alias(&self, name: &str) -> Option<&Host> {
        self.listed.values().find(|r| r.policy.alias.as_deref() == Some(name)).map(|r| &r.host)
    }

    /// The registry called `host`: listed, or an unlisted one where these are allowed.
    pub fn find(&self, host: &Host) -> Result<Arc<Registry>, Error> {
        if let Some(registry) = self.listed.get(host) {
            return Ok(registry.clone());
        }
        match self.unlisted {
            config::Unlisted::Allow => Ok(Arc::new(Registry::new(host, &config::Registry::default(), false))),
            config::Unlisted::Deny => {
                Err(Error::client(Code::Denied, format!("registry '{host}' is not served here")))
            }
        }
    }

    /// All listed registries.
    pub fn listed(&self) -> impl Iterator<Item = &Arc<Registry>> {
        self.listed.values()
    }
}

impl Registry {
    fn new(host: &Host, policy: &config::Registry, listed: bool) -> Registry {
        let endpoint = match (&policy.layout, &policy.url) {
            (Some(dir), _) => Endpoint::Layout(dir.clone()),
            (None, Some(url)) => Endpoint::Http(url.clone()),
            (None, None) => Endpoint::Http(natural(host)),
        };
        let alias = policy.alias.as_deref().unwrap_or("other").into();
        let access = match &policy.credentials {
            Some(credentials) => Access::operator(host, credentials.clone()),
            None => Access::anonymous(),
        };
        Registry { host: host.clone(), alias, endpoint, listed, policy: policy.clone(), access }
    }

    /// What to do with redirects of blobs that are for the client.
    pub fn redirects(&self) -> Redirects {
        if self.policy.redirect { Redirects::HandOut } else { Redirects::Follow }
    }

    /// The operator's access: his credentials for this registry, else none.
    pub fn access(&self) -> Access {
        self.access.clone()
    }

    /// Is this its own answer, and not that of whom it redirected to? Only its own challenges are answered with what is
    /// meant for it, and only its own answers say how it is.
    pub(crate) fn is_own<B>(&self, response: &Response<B>) -> bool {
        let (Endpoint::Http(base), Some(RequestUri(uri))) = (&self.endpoint, response.extensions().get())
        else {
            return true;
        };
        let scheme = uri.scheme_str().unwrap_or_default();
        let port = uri.port_u16().or(match scheme {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        });
        let host = |own: &str| uri.host().is_some_and(|host| host.eq_ignore_ascii_case(own));
        // Another spelling of the same host is another host: what is not known to be its own is not.
        scheme == base.scheme() && port == base.port_or_known_default() && base.host_str().is_some_and(host)
    }
}

/// Where a registry lives when nobody said otherwise: http for loopback, https for the rest.
fn natural(host: &Host) -> Url {
    let scheme = if host.is_loopback() { "http" } else { "https" };
    let authority = if host.is_docker_hub() { "registry-1.docker.io" } else { host.as_str() };
    Url::parse(&format!("{scheme}://{authority}/")).expect("a host makes a URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: &str) -> String {
        natural(&host.parse().unwrap()).to_string()
    }

    #[test]
    fn natural_endpoints() {
        assert_eq!(endpoint("docker.io"), "https://registry-1.docker.io/");
        assert_eq!(endpoint("quay.io"), "https://quay.io/");
        assert_eq!(endpoint("localhost:5000"), "http://localhost:5000/");
        assert_eq!(endpoint("[::1]:5000"), "http://[::1]:5000/");
    }

    #[test]
    fn a_label_is_an_alias_and_never_a_host() {
        let mut config = config::Registries::default();
        let alias = Some("quay".to_string());
        config.listed.insert("quay.io".parse().unwrap(), config::Registry { alias, ..Default::default() });
        config.listed.insert("internal.example".parse().unwrap(), config::Registry::default());
        let registries = Registries::new(&config);
        let label = |host: &str| registries.find(&host.parse().unwrap()).unwrap().alias.to_string();
        assert_eq!(label("quay.io"), "quay");
        for host in ["internal.example", "docker.io", "unlisted.example"] {
            assert_eq!(label(host), "other", "{host}");
        }
    }

    #[test]
    fn a_redirect_leads_away_from_the_registry() {
        let mut config = config::Registries::default();
        config.listed.insert("a.example".parse().unwrap(), config::Registry::default());
        let registry = Registries::new(&config).find(&"a.example".parse().unwrap()).unwrap();
        let check = |uri: &'static str, want| {
            let mut response = Response::new(());
            response.extensions_mut().insert(RequestUri(http::Uri::from_static(uri)));
            assert_eq!(registry.is_own(&response), want, "{uri}");
        };
        check("https://a.example/v2/", true);
        check("https://A.example:443/elsewhere", true);
        check("https://a.example:8443/v2/", false);
        check("http://a.example/v2/", false);
        check("https://b.example/v2/", false);
        assert!(registry.is_own(&Response::new(())));
    }

    #[test]
    fn unlisted_registries_follow_the_rule() {
        let mut config = config::Registries::default();
        let quay = "quay.io".parse().unwrap();
        let found = Registries::new(&config).find(&quay).unwrap();
        assert_eq!((found.listed, &*found.alias), (false, "other"));
        config.unlisted = config::Unlisted::Deny;
        assert_eq!(Registries::new(&config).find(&quay).unwrap_err().code(), Code::Denied);
        assert!(Registries::new(&config).find(&Host::docker_hub()).unwrap().listed);
    }
}
