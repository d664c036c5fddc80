//! `wave.upstream`, and the forward proxies of the environment.

use super::super::keys::Key;
use super::super::reader::Reader;
use super::super::units::{bytes, count, count_or_zero, duration, duration_or_zero, quota};
use super::super::{Proxy, Upstream};

/// More attempts only make a registry in trouble worse.
const ATTEMPTS: usize = 20;
/// Documents are held in memory whole.
const DOCUMENT: u64 = 64 << 20;

pub(super) static KEYS: [Key; 16] = [
    Key::new(
        "wave.upstream.connect-timeout",
        "5s",
        "for TCP, for TLS, and for a connection to be free, each",
    ),
    Key::new("wave.upstream.head-timeout", "30s", "to the head of a response"),
    Key::new("wave.upstream.idle-timeout", "60s", "between two pieces of a body"),
    // Below the 60 s after which common load balancers close idle connections.
    Key::new("wave.upstream.pool-idle", "30s", "how long an unused connection is kept"),
    Key::new(
        "wave.upstream.max-requests",
        "2048",
        "requests in flight to one registry, or to all layer URLs, bodies included: half of what is admitted",
    ),
    Key::new(
        "wave.upstream.max-connections",
        "2048",
        "open connections to one host of a registry, or of layer URLs; more wait for one",
    ),
    Key::new(
        "wave.upstream.rate",
        "off",
        "requests to one registry, retries and tokens included, such as `50 / 1s`",
    ),
    // Clients that are answered 429 come back at once, some of them without heeding `Retry-After`.
    Key::new(
        "wave.upstream.rate-wait",
        "5s",
        "how long a request waits that is beyond it; longer is answered 429",
    ),
    Key::new(
        "wave.upstream.breaker-failures",
        "10",
        "requests to a registry that fail in a row, all their tries included, after which it is left alone; 0 is never",
    ),
    Key::new(
        "wave.upstream.breaker-pause",
        "1s",
        "for how long; then one request decides, and each failure of it doubles the time",
    ),
    Key::new("wave.upstream.breaker-longest", "30s", "for how long at most"),
    Key::new("wave.upstream.max-redirects", "5", "redirects that are followed"),
    Key::new("wave.upstream.attempts", "5", "tries of a request, the first included"),
    Key::new("wave.upstream.retry-delay", "500ms", "before the second try; later ones wait longer"),
    // What the distribution specification asks of registries for a manifest.
    Key::new("wave.upstream.document-limit", "4MiB", "largest manifest, index or image configuration"),
    // Of error bodies and tokens 64 KiB are read; no registry is known to send more, so that is nobody's to set.
    // Some 100 000 tags: registries that do not page send all they have.
    Key::new(
        "wave.upstream.list-limit",
        "4MiB",
        "largest page of tags or referrers that a registry may send",
    ),
];

pub(super) fn upstream(read: &mut Reader) -> Upstream {
    Upstream {
        connect_timeout: read.value("wave.upstream.connect-timeout", duration),
        head_timeout: read.value("wave.upstream.head-timeout", duration),
        idle_timeout: read.value("wave.upstream.idle-timeout", duration),
        pool_idle: read.value("wave.upstream.pool-idle", duration),
        max_requests: read.value("wave.upstream.max-requests", count),
        max_connections: read.value("wave.upstream.max-connections", connections),
        rate: read.value("wave.upstream.rate", quota),
        rate_wait: read.value("wave.upstream.rate-wait", duration_or_zero),
        breaker_failures: read.value("wave.upstream.breaker-failures", failures),
        breaker_pause: read.value("wave.upstream.breaker-pause", duration),
        breaker_longest: read.value("wave.upstream.breaker-longest", duration),
        max_redirects: read.value("wave.upstream.max-redirects", count_or_zero),
        attempts: read.value("wave.upstream.attempts", attempts),
        retry_delay: read.value("wave.upstream.retry-delay", duration_or_zero),
        document_limit: read.value("wave.upstream.document-limit", document),
        list_limit: read.value("wave.upstream.list-limit", document),
        proxy: proxy(read),
    }
}

fn attempts(text: &str) -> Result<u32, String> {
    let wrong = || format!("is more than {ATTEMPTS}");
    count(text).and_then(|n| u32::try_from(n).ok().filter(|_| n <= ATTEMPTS).ok_or_else(wrong))
}

/// As many as there can be ports of one address of ours.
pub(super) fn connections(text: &str) -> Result<usize, String> {
    count(text).and_then(|n| if n <= 65_536 { Ok(n) } else { Err("is more than 65536".into()) })
}

fn failures(text: &str) -> Result<u32, String> {
    count_or_zero(text).and_then(|n| n.try_into().map_err(|_| "is too large".into()))
}

fn document(text: &str) -> Result<usize, String> {
    let wrong = || "is more than 64MiB".to_string();
    bytes(text).and_then(|n| usize::try_from(n).ok().filter(|_| n <= DOCUMENT).ok_or_else(wrong))
}

fn proxy(read: &mut Reader) -> Proxy {
    let mut url = |name: &str| {
        let text = read.variable(name)?;
        let parsed = super::proxy_url(&text);
        parsed.map_err(|message| read.problem(name, message)).ok()
    };
    let (https, http) = (url("HTTPS_PROXY"), url("HTTP_PROXY"));
    let none = read.variable("NO_PROXY").unwrap_or_default();
    let none = none.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty());
    Proxy { https, http, none: none.collect() }
}
