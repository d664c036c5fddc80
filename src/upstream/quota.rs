//! What registries say of the pulls that are left to us: `ratelimit-limit`, `ratelimit-remaining` and
//! `docker-ratelimit-source`, as Docker Hub sends them with manifests.

use super::Registry;
use crate::oci::Host;
use crate::telemetry::names;
use http::HeaderMap;
use metrics::gauge;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// The quotas that are nearly used up.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    low: Mutex<HashSet<(Host, Source)>>,
}

/// Whose quota it is. The header has an address or the code of an account, which are nobody's to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Address,
    Account,
    Unknown,
}

/// Names the pulls that are left.
const REMAINING: &str = "ratelimit-remaining";
/// It is low when no more than one in so many is left.
const LOW: u64 = 10;

impl Quotas {
    /// Does an answer say anything?
    pub(super) fn are_in(headers: &HeaderMap) -> bool {
        headers.contains_key(REMAINING)
    }

    /// Notes what an answer of `registry` says. Only registries that the operator knows are heard: the others have one
    /// label together, and are too many.
    pub(super) fn observe(&self, registry: &Registry, headers: &HeaderMap) {
        let Some(remaining) = number(headers, REMAINING) else { return };
        if !registry.listed && !registry.host.is_docker_hub() {
            return;
        }
        let source = Source::of(headers);
        let labels = [("registry", registry.alias.to_string()), ("source", source.as_str().to_string())];
        gauge!(names::UPSTREAM_QUOTA_REMAINING, &labels).set(remaining as f64);
        let limit = number(headers, "ratelimit-limit");
        if let Some(limit) = limit {
            gauge!(names::UPSTREAM_QUOTA_LIMIT, &labels).set(limit as f64);
        }
        let is_low = remaining <= limit.unwrap_or_default() / LOW;
        let mut low = self.low.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (registry.host.clone(), source);
        if !is_low {
            low.remove(&key);
        } else if low.insert(key) {
            let (registry, source) = (registry.host.as_str(), source.as_str());
            tracing::warn!(registry, source, remaining, limit, "the quota at a registry is nearly used up");
        }
    }
}

impl Source {
    fn of(headers: &HeaderMap) -> Source {
        match headers.get("docker-ratelimit-source").and_then(|value| value.to_str().ok()) {
            None => Source::Unknown,
            Some(text) if text.trim().parse::<IpAddr>().is_ok() => Source::Address,
            Some(_) => Source::Account,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Source::Address => "address",
            Source::Account => "account",
            Source::Unknown => "unknown",
        }
    }
}

/// The number at the beginning of `100;w=21600`. The window behind it is always the same at one registry.
fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    text.split([';', ',']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::telemetry::testing;
    use crate::upstream::Registries;
    use crate::upstream::script::{hub, listed, only};
    use http::HeaderValue;

    fn said(limit: &'static str, remaining: &'static str, source: &'static str) -> HeaderMap {
        let pairs = [
            ("ratelimit-limit", limit),
            ("ratelimit-remaining", remaining),
            ("docker-ratelimit-source", source),
        ];
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        pairs.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_is_said_is_measured() {
        let (recorder, metrics) = testing::recorder();
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let policy = config::Registry { alias: Some("hub".into()), ..config::Registry::default() };
        let (quotas, registry) = (Quotas::default(), only(&listed("hub.example", policy)));
        let value = |name, source| testing::value(&metrics, name, &[("registry", "hub"), ("source", source)]);
        let address = "192.0.2.7";
        for (limit, remaining, source, label, want) in [
            ("100;w=21600", "76;w=21600", address, "address", (100.0, 76.0)),
            ("200;w=21600", "9;w=21600", "5f1c1b8e-0000-4000-8000-000000000000", "account", (200.0, 9.0)),
            ("", "3", "", "unknown", (0.0, 3.0)),
            ("100;w=21600", "0;w=21600", address, "address", (100.0, 0.0)),
            ("100", "many", address, "address", (100.0, 0.0)),
        ] {
            quotas.observe(&registry, &said(limit, remaining, source));
            let got =
                (value(names::UPSTREAM_QUOTA_LIMIT, label), value(names::UPSTREAM_QUOTA_REMAINING, label));
            assert_eq!(got, want, "{limit} {remaining}");
        }
        let shown = metrics.render();
        assert!(!shown.contains(address) && !shown.contains("5f1c"), "{shown}");
    }

    #[test]
    fn it_is_low_once() {
        let (quotas, hub) = (Quotas::default(), hub());
        let low = |remaining| {
            quotas.observe(&hub, &said("100;w=21600", remaining, ""));
            !quotas.low.lock().unwrap().is_empty()
        };
        assert_eq!(["11", "10", "9", "0", "100"].map(low), [false, true, true, true, false]);
    }

    #[test]
    fn registries_that_nobody_listed_are_not_heard() {
        let (recorder, metrics) = testing::recorder();
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let registries = Registries::new(&config::Registries::default());
        let quotas = Quotas::default();
        quotas.observe(&registries.find(&"a.example".parse().unwrap()).unwrap(), &said("100", "1", ""));
        assert!(quotas.low.lock().unwrap().is_empty() && !metrics.render().contains("quota"));
    }
}
