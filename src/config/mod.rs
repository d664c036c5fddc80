//! The configuration, valid by construction: plain data without an `Option` that means "default".
//!
//! `load` finds the text; `written` is what stands there (`file`, `placeholder`) under the environment
//! (`relaxed`); `check` makes a [`Config`] of it, or all its problems; `keys` is the table behind it all.

mod check;
mod effective;
mod file;
mod files;
mod inert;
mod keys;
mod load;
mod placeholder;
mod problems;
mod reader;
mod relaxed;
mod trusted;
mod units;
mod written;

pub use keys::{Fallback, Key, keys, markdown_table};
pub use load::{Loaded, Source, parse_text};
pub(crate) use load::{file_name, log_level, server_url};
pub use problems::{Problems, Remark};
pub use trusted::TrustedHost;

use crate::auth::Credentials;
use crate::oci::Host;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Everything an operator can say. `Debug` shows it as [`Config::effective`] does, secrets masked.
#[derive(Clone)]
pub struct Config {
    /// Listeners and their limits.
    pub server: Server,
    /// The operator's listener.
    pub admin: Admin,
    /// `wave.data-dir`: where grants, roots and inline layers are kept.
    pub data_dir: PathBuf,
    /// `wave.layer-path`: the `layer.json` of the default layer; `None` when the default path does not exist.
    pub layer_path: Option<PathBuf>,
    /// `wave.allow-anonymous`: may callers without an account mint tokens and pull?
    pub allow_anonymous: bool,
    /// `wave.allow-private-layers`: may layer URLs use http and private addresses?
    pub allow_private_layers: bool,
    /// `wave.accounts.<user>`: SHA-256 of the password.
    pub accounts: BTreeMap<String, [u8; 32]>,
    /// `wave.registries`.
    pub registries: Registries,
    /// `wave.tokens`.
    pub tokens: Tokens,
    /// `wave.cache`.
    pub cache: Cache,
    /// `wave.blob-cache`.
    pub blob_cache: BlobCache,
    /// `wave.upstream`.
    pub upstream: Upstream,
    /// `wave.rate-limit`.
    pub rate: Rate,
    /// `tower.api.endpoint`, when a platform is configured. Nothing asks it yet.
    pub platform: Option<Url>,
    /// `wave.log`.
    pub log: Log,
}

/// `wave.server`.
#[derive(Clone, Debug)]
pub struct Server {
    /// `url`: how clients reach us; its authority is put into image names. `None`: the request's own authority.
    pub url: Option<Url>,
    /// `bind`: the plain listener.
    pub bind: SocketAddr,
    /// `tls`: the TLS listener.
    pub tls: Option<Tls>,
    /// `max-connections`: open client connections, both listeners together.
    pub max_connections: usize,
    /// `max-connections-per-address`: those of one client address.
    pub max_connections_per_address: usize,
    /// `max-pipes`: those through which contents are spliced.
    pub max_pipes: usize,
    /// `max-requests`: requests in flight, bodies included.
    pub max_requests: usize,
    /// `header-timeout`: from accept, or the TLS handshake, to the end of the first request's head.
    pub header_timeout: Duration,
    /// `idle-timeout`: from a response to the end of the next request's head.
    pub idle_timeout: Duration,
    /// `tls-timeout`: for a TLS handshake.
    pub tls_timeout: Duration,
    /// `head-deadline`: from the request to the head of our response.
    pub head_deadline: Duration,
    /// `stall-timeout`: how long a client may leave a response unread.
    pub stall_timeout: Duration,
    /// `grace-period`: for pulls in flight when we are asked to stop.
    pub grace_period: Duration,
    /// `splice`: blobs between plain connections go from socket to socket inside the kernel.
    pub splice: bool,
}

/// `wave.server.tls`.
#[derive(Clone, Debug)]
pub struct Tls {
    /// `bind`: the TLS listener.
    pub bind: SocketAddr,
    /// `certificate`: PEM chain, leaf first.
    pub certificate: PathBuf,
    /// `key`: PEM private key.
    pub key: PathBuf,
}

/// `wave.admin`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// `bind`: loopback unless said otherwise.
    pub bind: SocketAddr,
}

/// `wave.registries`.
#[derive(Clone, Debug)]
pub struct Registries {
    /// `default`: the registry of names without a host.
    pub default: Host,
    /// `unlisted`: may requests name registries that are not in this file?
    pub unlisted: Unlisted,
    /// `<host>`: one entry for each.
    pub listed: BTreeMap<Host, Registry>,
}

/// `wave.registries.unlisted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// Any public registry.
    Allow,
    /// Only listed ones.
    Deny,
}

/// `wave.registries.<host>`.
#[derive(Clone)]
pub struct Registry {
    /// `alias`: a short first path component and metric label.
    pub alias: Option<String>,
    /// `username` and `password`.
    pub credentials: Option<Credentials>,
    /// `url`: where it really is.
    pub url: Option<Url>,
    /// `layout`: a directory with an OCI image layout instead of a server.
    pub layout: Option<PathBuf>,
    /// `ca-file`: PEM certificates trusted for this registry besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// `insecure`: accept any certificate.
    pub insecure: bool,
    /// `trusted-hosts`: further hosts for token realms and redirects; private addresses allowed.
    pub trusted_hosts: Vec<TrustedHost>,
    /// `anonymous`: may callers without an account use the operator's access?
    pub anonymous: bool,
    /// `forward-credentials`: use the caller's own Basic credentials upstream.
    pub forward_credentials: bool,
    /// `redirect`: hand blob redirects to the client instead of following them.
    pub redirect: bool,
    /// `verify: always`: hash every blob that streams through.
    pub verify: Verify,
    /// `proxy`: the forward proxy for this registry.
    pub proxy: Option<Url>,
    /// `max-connections`: open ones to each of its hosts, where these are not [`Upstream::max_connections`].
    pub max_connections: Option<usize>,
    /// `rate`: requests to it, where these are not [`Upstream::rate`]; `Some(None)` is `off`.
    pub rate: Option<Option<Quota>>,
}

/// `wave.registries.<host>.verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The client verifies streamed blobs, as all do.
    Client,
    /// We do too, and withhold the last bytes of a wrong one.
    Always,
}

/// `wave.tokens`.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `duration`: life of a token.
    pub duration: Duration,
    /// `max-count`: live tokens.
    pub max_count: usize,
    /// `max-bytes`: recipes and inline layers of live tokens.
    pub max_bytes: u64,
}

/// `wave.cache`.
#[derive(Clone, Debug)]
pub struct Cache {
    /// `max-bytes`: rewritten documents in memory.
    pub max_bytes: u64,
    /// `max-derivations`: images that are rewritten at the same time.
    pub max_derivations: usize,
    /// `tag-ttl`: how long a tag is believed to stay where it was.
    pub tag_ttl: Duration,
    /// `max-roots`: durable roots kept.
    pub max_roots: usize,
    /// `root-ttl`: how long a root is kept after its last derivation.
    pub root_ttl: Duration,
}

/// `wave.blob-cache`.
#[derive(Clone, Debug)]
pub struct BlobCache {
    /// `dir`: the folder of the blobs; `None` when none are kept.
    pub dir: Option<PathBuf>,
    /// `max-size`: bytes of all blobs in it.
    pub max_size: u64,
    /// `finish-fill`: percent of a blob that must be there for the rest to be fetched when nobody reads on.
    pub finish_fill: u8,
    /// `max-fills`: blobs that are fetched into it at the same time.
    pub max_fills: usize,
    /// `proof-ttl`: how long what upstream lets somebody read is believed.
    pub proof_ttl: Duration,
    /// `max-proofs`: how many of these are known.
    pub max_proofs: usize,
    /// `quarantine`: how long a blob that came wrong is not asked for again.
    pub quarantine: Duration,
    /// `scrub-rate`: bytes a second that are verified in the background; 0 is off.
    pub scrub_rate: u64,
    /// `verify-reads`: hash what is served from it.
    pub verify_reads: bool,
    /// `stale-ttl`: how long after upstream's last word documents and tags are served when it is down; zero is never.
    pub stale_ttl: Duration,
    /// `documents-size`: bytes of all documents that are kept for that.
    pub documents_size: u64,
    /// `max-documents`: how many these are.
    pub max_documents: usize,
    /// `max-notes`: how many notes there are of where tags pointed and of who may read what.
    pub max_notes: usize,
}

/// `wave.upstream`.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `connect-timeout`: TCP and TLS, each.
    pub connect_timeout: Duration,
    /// `head-timeout`: to the head of a response.
    pub head_timeout: Duration,
    /// `idle-timeout`: between two bytes of a body.
    pub idle_timeout: Duration,
    /// `pool-idle`: how long an unused connection is kept.
    pub pool_idle: Duration,
    /// `max-requests`: in flight to one registry, and to all layer URLs.
    pub max_requests: usize,
    /// `max-connections`: open ones to one host of a registry, and of layer URLs.
    pub max_connections: usize,
    /// `rate`: requests to one registry.
    pub rate: Option<Quota>,
    /// `rate-wait`: how long a request waits that is beyond it.
    pub rate_wait: Duration,
    /// `breaker-failures`: failed requests in a row after which a registry is left alone; 0 is never.
    pub breaker_failures: u32,
    /// `breaker-pause`: for how long at first.
    pub breaker_pause: Duration,
    /// `breaker-longest`: for how long at most.
    pub breaker_longest: Duration,
    /// `max-redirects`: hops followed.
    pub max_redirects: usize,
    /// `attempts`: tries of one request, the first included.
    pub attempts: u32,
    /// `retry-delay`: before the second try; then growing by 1.75 with jitter.
    pub retry_delay: Duration,
    /// `document-limit`: bytes of a manifest, index or config.
    pub document_limit: usize,
    /// `list-limit`: bytes of a page of tags or referrers.
    pub list_limit: usize,
    /// `proxy`: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment.
    pub proxy: Proxy,
}

/// Forward proxies of the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// For https upstreams.
    pub https: Option<Url>,
    /// For http upstreams.
    pub http: Option<Url>,
    /// Host suffixes that are reached directly; `*` is all.
    pub none: Vec<String>,
}

/// `wave.rate-limit`.
#[derive(Clone, Debug)]
pub struct Rate {
    /// `pull.anonymous`: pulls of one address.
    pub anonymous: Option<Quota>,
    /// `pull.authenticated`: pulls of one account.
    pub authenticated: Option<Quota>,
}

/// `100 / 1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// So many.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

/// `wave.log`.
#[derive(Clone, Debug)]
pub struct Log {
    /// `level`: a filter such as `info` or `wave_registry=debug`.
    pub level: String,
    /// `format`.
    pub format: LogFormat,
    /// `access`: one line per request.
    pub access: bool,
}

/// `wave.log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

impl Default for Registries {
    fn default() -> Registries {
        Registries { default: Host::docker_hub(), unlisted: Unlisted::Allow, listed: BTreeMap::new() }
    }
}

impl Default for Registry {
    fn default() -> Registry {
        Registry {
            alias: None,
            credentials: None,
            url: None,
            layout: None,
            ca_file: None,
            insecure: false,
            trusted_hosts: Vec::new(),
            anonymous: true,
            forward_credentials: false,
            redirect: false,
            verify: Verify::Client,
            proxy: None,
            max_connections: None,
            rate: None,
        }
    }
}

#[cfg(test)]
mod tests;
