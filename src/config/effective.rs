//! What holds, as a file that says the same; secrets masked. `Debug` of what can hold a secret shows it too.

use super::units::{show_bytes, show_duration, show_quota};
use super::{Config, LogFormat, Proxy, Registry, Unlisted, Verify};
use crate::oci::Host;
use std::fmt;
use url::Url;

/// What stands for a secret.
const MASK: &str = "[redacted]";

/// Keys, and values as YAML.
struct Lines(Vec<(String, String)>);

impl Config {
    /// The configuration that holds, defaults included, as YAML with dotted keys. Secrets are masked; what is not
    /// set is `~`. Forward proxies of the environment are comments.
    pub fn effective(&self) -> String {
        let mut text: String = lines(self).0.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        for (name, value) in proxy(&self.upstream.proxy).0 {
            text.push_str(&format!("# {name}: {value}\n"));
        }
        text
    }
}

fn lines(config: &Config) -> Lines {
    let mut lines = Lines(Vec::new());
    let server = &config.server;
    lines.maybe("wave.server.url", server.url.as_ref().map(Url::to_string));
    lines.text("wave.server.bind", &server.bind);
    if let Some(tls) = &server.tls {
        lines.text("wave.server.tls.bind", &tls.bind);
        lines.text("wave.server.tls.certificate", &tls.certificate.display());
        lines.text("wave.server.tls.key", &tls.key.display());
    }
    lines.text("wave.server.max-connections", &server.max_connections);
    lines.text("wave.server.max-connections-per-address", &server.max_connections_per_address);
    lines.text("wave.server.max-pipes", &server.max_pipes);
    lines.text("wave.server.max-requests", &server.max_requests);
    lines.text("wave.server.header-timeout", &show_duration(server.header_timeout));
    lines.text("wave.server.idle-timeout", &show_duration(server.idle_timeout));
    lines.text("wave.server.tls-timeout", &show_duration(server.tls_timeout));
    lines.text("wave.server.head-deadline", &show_duration(server.head_deadline));
    lines.text("wave.server.stall-timeout", &show_duration(server.stall_timeout));
    lines.text("wave.server.grace-period", &show_duration(server.grace_period));
    lines.text("wave.server.splice", &server.splice);
    lines.text("wave.admin.bind", &config.admin.bind);
    lines.text("wave.allow-anonymous", &config.allow_anonymous);
    lines.text("wave.allow-private-layers", &config.allow_private_layers);
    for user in config.accounts.keys() {
        lines.text(&format!("wave.accounts.{user}"), &MASK);
    }
    lines.maybe("tower.api.endpoint", config.platform.as_ref().map(Url::to_string));
    lines.text("wave.rate-limit.pull.anonymous", &show_quota(config.rate.anonymous));
    lines.text("wave.rate-limit.pull.authenticated", &show_quota(config.rate.authenticated));
    lines.text("wave.registries.default", &config.registries.default);
    let unlisted = match config.registries.unlisted {
        Unlisted::Allow => "allow",
        Unlisted::Deny => "deny",
    };
    lines.text("wave.registries.unlisted", &unlisted);
    for (host, one) in &config.registries.listed {
        lines.0.extend(registry(one).0.into_iter().map(|(key, value)| (registry_key(host, &key), value)));
    }
    lines.text("wave.data-dir", &config.data_dir.display());
    let layer = config.layer_path.as_ref().map(|path| path.display().to_string());
    lines.text("wave.layer-path", &layer.as_deref().unwrap_or("none"));
    lines.text("wave.tokens.duration", &show_duration(config.tokens.duration));
    lines.text("wave.tokens.max-count", &config.tokens.max_count);
    lines.text("wave.tokens.max-bytes", &show_bytes(config.tokens.max_bytes));
    lines.text("wave.cache.max-bytes", &show_bytes(config.cache.max_bytes));
    lines.text("wave.cache.max-derivations", &config.cache.max_derivations);
    lines.text("wave.cache.tag-ttl", &show_duration(config.cache.tag_ttl));
    lines.text("wave.cache.max-roots", &config.cache.max_roots);
    lines.text("wave.cache.root-ttl", &show_duration(config.cache.root_ttl));
    blob_cache(&config.blob_cache, &mut lines);
    upstream(&config.upstream, &mut lines);
    lines.text("wave.log.level", &config.log.level);
    let format = match config.log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    lines.text("wave.log.format", &format);
    lines.text("wave.log.access", &config.log.access);
    lines
}

fn blob_cache(cache: &super::BlobCache, lines: &mut Lines) {
    lines.maybe("wave.blob-cache.dir", cache.dir.as_ref().map(|dir| dir.display().to_string()));
    lines.text("wave.blob-cache.max-size", &show_bytes(cache.max_size));
    lines.text("wave.blob-cache.finish-fill", &cache.finish_fill);
    lines.text("wave.blob-cache.max-fills", &cache.max_fills);
    lines.text("wave.blob-cache.proof-ttl", &show_duration(cache.proof_ttl));
    lines.text("wave.blob-cache.max-proofs", &cache.max_proofs);
    lines.text("wave.blob-cache.quarantine", &show_duration(cache.quarantine));
    lines.text("wave.blob-cache.scrub-rate", &show_bytes(cache.scrub_rate));
    lines.text("wave.blob-cache.verify-reads", &cache.verify_reads);
    lines.text("wave.blob-cache.stale-ttl", &show_duration(cache.stale_ttl));
    lines.text("wave.blob-cache.documents-size", &show_bytes(cache.documents_size));
    lines.text("wave.blob-cache.max-documents", &cache.max_documents);
    lines.text("wave.blob-cache.max-notes", &cache.max_notes);
}

fn upstream(upstream: &super::Upstream, lines: &mut Lines) {
    lines.text("wave.upstream.connect-timeout", &show_duration(upstream.connect_timeout));
    lines.text("wave.upstream.head-timeout", &show_duration(upstream.head_timeout));
    lines.text("wave.upstream.idle-timeout", &show_duration(upstream.idle_timeout));
    lines.text("wave.upstream.pool-idle", &show_duration(upstream.pool_idle));
    lines.text("wave.upstream.max-requests", &upstream.max_requests);
    lines.text("wave.upstream.max-connections", &upstream.max_connections);
    lines.text("wave.upstream.rate", &show_quota(upstream.rate));
    lines.text("wave.upstream.rate-wait", &show_duration(upstream.rate_wait));
    lines.text("wave.upstream.breaker-failures", &upstream.breaker_failures);
    lines.text("wave.upstream.breaker-pause", &show_duration(upstream.breaker_pause));
    lines.text("wave.upstream.breaker-longest", &show_duration(upstream.breaker_longest));
    lines.text("wave.upstream.max-redirects", &upstream.max_redirects);
    lines.text("wave.upstream.attempts", &upstream.attempts);
    lines.text("wave.upstream.retry-delay", &show_duration(upstream.retry_delay));
    let size = |limit: usize| show_bytes(u64::try_from(limit).unwrap_or(u64::MAX));
    lines.text("wave.upstream.document-limit", &size(upstream.document_limit));
    lines.text("wave.upstream.list-limit", &size(upstream.list_limit));
}

fn registry(registry: &Registry) -> Lines {
    let mut lines = Lines(Vec::new());
    if let Some(credentials) = &registry.credentials {
        lines.text("username", &credentials.username);
        lines.text("password", &MASK);
    }
    lines.maybe("alias", registry.alias.clone());
    lines.maybe("url", registry.url.as_ref().map(masked));
    lines.maybe("layout", registry.layout.as_ref().map(|path| path.display().to_string()));
    lines.maybe("ca-file", registry.ca_file.as_ref().map(|path| path.display().to_string()));
    lines.text("insecure", &registry.insecure);
    let hosts: Vec<String> = registry.trusted_hosts.iter().map(|host| quoted(&host.to_string())).collect();
    lines.0.push(("trusted-hosts".into(), format!("[{}]", hosts.join(", "))));
    lines.text("anonymous", &registry.anonymous);
    lines.text("forward-credentials", &registry.forward_credentials);
    lines.text("redirect", &registry.redirect);
    let verify = match registry.verify {
        Verify::Client => "client",
        Verify::Always => "always",
    };
    lines.text("verify", &verify);
    lines.maybe("proxy", registry.proxy.as_ref().map(masked));
    lines.maybe("max-connections", registry.max_connections.map(|most| most.to_string()));
    lines.maybe("rate", registry.rate.map(show_quota));
    lines
}

fn proxy(proxy: &Proxy) -> Lines {
    let mut lines = Lines(Vec::new());
    for (name, url) in [("HTTPS_PROXY", &proxy.https), ("HTTP_PROXY", &proxy.http)] {
        url.iter().for_each(|url| lines.text(name, &masked(url)));
    }
    if !proxy.none.is_empty() {
        lines.text("NO_PROXY", &proxy.none.join(","));
    }
    lines
}

/// A key with a host that has a colon is quoted.
fn registry_key(host: &Host, key: &str) -> String {
    let key = format!("wave.registries.{host}.{key}");
    if host.as_str().contains(':') { format!("\"{key}\"") } else { key }
}

/// A URL without its password.
fn masked(url: &Url) -> String {
    let mut shown = url.clone();
    match url.password().map(|_| shown.set_password(Some("redacted"))) {
        None | Some(Ok(())) => shown.to_string(),
        Some(Err(())) => MASK.into(),
    }
}

/// A YAML scalar that reads as this text.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./-_".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') && text.chars().all(plain) {
        return text.to_string();
    }
    serde_json::Value::from(text).to_string()
}

impl Lines {
    fn text(&mut self, key: &str, value: &dyn fmt::Display) {
        self.0.push((key.into(), quoted(&value.to_string())));
    }

    fn maybe(&mut self, key: &str, value: Option<String>) {
        self.0.push((key.into(), value.map_or("~".into(), |value| quoted(&value))));
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(key, value)| (key, value))).finish()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Config").field(&lines(self)).field(&self.upstream.proxy).finish()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        registry(self).fmt(f)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        proxy(self).fmt(f)
    }
}
