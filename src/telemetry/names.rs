//! Every metric: name, kind, unit, labels and meaning, in one table.
//!
//! Label values come from closed sets or are a configured registry alias (`other` for the rest). A host, a
//! repository, a digest, a token or a user agent never becomes a label.

use metrics::Unit;

/// One metric as `/metrics` explains it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// What is counted or measured.
    pub unit: Unit,
    /// The labels it carries.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution over [`BUCKETS`].
    Histogram,
}

/// Upper bounds of all histograms in seconds: from a cached manifest to a blob over a slow line.
pub const BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    1800.0,
];

macro_rules! metrics_table {
    ($($constant:ident = $name:literal, $kind:ident, $unit:ident, [$($label:literal),*], $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

        /// All metrics.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}

metrics_table! {
    REQUESTS = "wave_requests_total", Counter, Count, ["kind", "status", "code", "side"],
        "Requests answered, by what was asked for, status, error code and whose fault (`none` when there was no error).";
    REQUEST_HEAD = "wave_request_head_seconds", Histogram, Seconds, ["kind"],
        "Time from a request to the head of its response.";
    REQUEST_DURATION = "wave_request_duration_seconds", Histogram, Seconds, ["kind"],
        "Time from a request to the end of its response body.";
    REQUESTS_IN_FLIGHT = "wave_requests_in_flight", Gauge, Count, [],
        "Requests whose response body has not ended.";
    RESPONSE_BYTES = "wave_response_bytes_total", Counter, Bytes, ["kind"],
        "Payload bytes sent to clients.";
    STREAMS = "wave_response_bodies_total", Counter, Count, ["kind", "end"],
        "Response bodies by how they ended: `complete`, `failed` (the source broke) or `dropped` (the client left).";
    BROKEN = "wave_response_bodies_broken_total", Counter, Count, ["cause"],
        "Response bodies that failed, by why: `idle` (upstream sent nothing), `size`, `digest`, `connection` (to upstream), `file` or `other`.";
    REQUESTS_REJECTED = "wave_requests_rejected_total", Counter, Count, ["reason"],
        "Requests refused before they were looked at: `uri-too-long` or `unexpected-body`.";

    CONNECTIONS = "wave_connections", Gauge, Count, ["listener"],
        "Open client connections.";
    CONNECTIONS_ACCEPTED = "wave_connections_accepted_total", Counter, Count, ["listener"],
        "Client connections accepted.";
    CONNECTIONS_CLOSED = "wave_connections_closed_total", Counter, Count, ["listener", "reason"],
        "Client connections by why they ended: `done`, `silent` (no request in time), `stalled` (nothing was read), `malformed`, `too-large`, `incomplete`, `wrong-protocol`, `handshake`, `aborted` (by our end) or `error`.";
    CONNECTIONS_REFUSED = "wave_connections_refused_total", Counter, Count, ["listener"],
        "Client connections closed at once because their address had too many.";
    STALLED = "wave_client_stalls_total", Counter, Count, [],
        "HTTP/2 streams reset because the client had stopped reading; over HTTP/1 the kernel ends the connection.";
    ACCEPT_ERRORS = "wave_accept_errors_total", Counter, Count, ["listener"],
        "Connections that could not be accepted, mostly for want of file descriptors.";
    TLS_HANDSHAKES = "wave_tls_handshakes_total", Counter, Count, ["outcome"],
        "TLS handshakes: `ok`, `failed` or `timeout`.";
    TLS_RELOADS = "wave_tls_reloads_total", Counter, Count, ["outcome"],
        "Changed certificates: `ok`, or `failed`, when the old one stays.";

    ADMITTED = "wave_admission_in_flight", Gauge, Count, ["pool"],
        "Permits held, by pool.";
    REFUSED = "wave_admission_refused_total", Counter, Count, ["pool"],
        "Requests refused because their pool was exhausted.";
    PULLS = "wave_pulls_total", Counter, Count, ["caller", "outcome"],
        "Pulls as the rate limit counts them, `counted` or `limited`, of `anonymous` and `authenticated` callers.";
    LOG_LINES_DROPPED = "wave_log_lines_dropped_total", Counter, Count, [],
        "Log lines dropped because the reader of standard error was too slow.";

    CACHE_LOOKUPS = "wave_cache_lookups_total", Counter, Count, ["outcome"],
        "Lookups of derivations: `hit` (there, or being computed for another request), `leader` or `failed`.";
    CACHE_BYTES = "wave_cache_bytes", Gauge, Bytes, [],
        "Weight of the derivations in memory.";
    DERIVATION_DURATION = "wave_derivation_duration_seconds", Histogram, Seconds, ["registry"],
        "Time to derive one image, its fetches included.";
    UPSTREAM_ATTEMPTS = "wave_upstream_attempts_total", Counter, Count, ["registry", "outcome"],
        "Requests to registries, retries counted: `ok`, `refused` (4xx) or `failed` (5xx, transport).";
    UPSTREAM_TOKENS = "wave_upstream_tokens_total", Counter, Count, ["outcome"],
        "Tokens asked of registries' token services: `ok` or `failed`.";
    UPSTREAM_REDIRECTS = "wave_upstream_redirects_total", Counter, Count, [],
        "Redirects followed for registries.";
    UPSTREAM_IDLE = "wave_upstream_idle_connections", Gauge, Count, [],
        "Connections to registries that carried a blob and wait for the next one.";
    UPSTREAM_CONNECTIONS = "wave_upstream_connections", Gauge, Count, ["registry"],
        "Open connections to the hosts of registries, or of `layers` that are named by a URL.";
    UPSTREAM_CONNECTIONS_REFUSED = "wave_upstream_connections_refused_total", Counter, Count, ["registry"],
        "Requests answered 503 because no connection was free in time.";
    UPSTREAM_RATE = "wave_upstream_rate_total", Counter, Count, ["registry", "outcome"],
        "Requests beyond the rate of a registry: `delayed`, or `refused` with 429.";
    UPSTREAM_BREAKER_OPEN = "wave_upstream_breaker_open", Gauge, Count, ["registry"],
        "Registries that are left alone because they failed again and again.";
    UPSTREAM_BREAKER_REFUSED = "wave_upstream_breaker_refused_total", Counter, Count, ["registry"],
        "Requests answered 503 because their registry is left alone.";
    UPSTREAM_QUOTA_LIMIT = "wave_upstream_quota_limit", Gauge, Count, ["registry", "source"],
        "Pulls that a registry allows, as it last said, to our `address`, to an `account`, or to whom it did not say (`unknown`).";
    UPSTREAM_QUOTA_REMAINING = "wave_upstream_quota_remaining", Gauge, Count, ["registry", "source"],
        "What is left of them.";
    SPLICED_BYTES = "wave_spliced_bytes_total", Counter, Bytes, [],
        "Payload bytes that went from socket to socket inside the kernel.";
    SENDFILE_BYTES = "wave_sendfile_bytes_total", Counter, Bytes, [],
        "Payload bytes that went from a file to a client inside the kernel.";
    PIPES = "wave_pipes", Gauge, Count, [],
        "Open pipes, through which contents are spliced; each is two open files.";
    UPSTREAM_RESUMES = "wave_upstream_resumes_total", Counter, Count, ["outcome"],
        "Blobs that broke off and were asked for again: `resumed`, `refused` (no rest came), or `given-up` (the body failed).";
    BLOBS_REQUESTS = "wave_blob_cache_requests_total", Counter, Count, ["outcome"],
        "Blobs asked for with a blob cache: `hit`, `join` (read along with a fetch that runs), `miss` (begins one) or `pass` (straight from upstream).";
    BLOBS_FILLS = "wave_blob_cache_fills_total", Counter, Count, ["outcome"],
        "Fetches into the blob cache: `complete`, `refused` or `upstream` (by upstream, before or after its answer), `wrong` (size or digest), `disk`, `too-large` or `abandoned` (nobody read on).";
    BLOBS_FILLING = "wave_blob_cache_filling", Gauge, Count, [],
        "Fetches into the blob cache that run.";
    BLOBS_READERS = "wave_blob_cache_readers", Gauge, Count, [],
        "Responses that are read from the blob cache.";
    BLOBS_BYTES = "wave_blob_cache_bytes", Gauge, Bytes, [],
        "Bytes of the blob cache, those included that are being fetched.";
    BLOBS_EVICTED = "wave_blob_cache_evicted_total", Counter, Count, [],
        "Blobs removed to make room.";
    BLOBS_CORRUPT = "wave_blob_cache_corrupt_total", Counter, Count, [],
        "Blobs removed because what was on disk was not what it should be, or could not be read.";
    BLOBS_DISK_FAILURES = "wave_blob_cache_disk_failures_total", Counter, Count, [],
        "Times the disk of the blob cache refused; blobs pass through for a while then.";
    BLOBS_FALLBACKS = "wave_blob_cache_fallbacks_total", Counter, Count, [],
        "Responses that began in the blob cache and went on from upstream.";
    BLOBS_PROOFS = "wave_blob_cache_proofs_total", Counter, Count, ["outcome"],
        "Whether upstream lets somebody read a blob that another has fetched: `known`, or asked and `granted` or `refused`.";
    BLOBS_QUARANTINED = "wave_blob_cache_quarantined_total", Counter, Count, [],
        "Requests refused because the blob came wrong a moment ago.";
    STALE = "wave_stale_answers_total", Counter, Count, ["kind"],
        "Answers from disk because upstream was down or overrun: a `tag` that it has not confirmed, a `document` by digest, or the proof that somebody may read a `blob`.";
    SHELF_FILES = "wave_shelf_files", Gauge, Count, ["folder"],
        "Files that are kept for when upstream is down: `documents`, and `notes` of where tags pointed and who may read what.";
    SHELF_BYTES = "wave_shelf_bytes", Gauge, Bytes, ["folder"],
        "Bytes of these files.";
    SHELF_EVICTED = "wave_shelf_evicted_total", Counter, Count, ["folder"],
        "Such files removed to make room.";
    SHELF_CORRUPT = "wave_shelf_corrupt_total", Counter, Count, ["folder"],
        "Such files removed because they were not what had been written.";
    GRANTS = "wave_grants", Gauge, Count, [],
        "Live container tokens.";
    GRANTS_BYTES = "wave_grants_bytes", Gauge, Bytes, [],
        "Recipes and inline layers of live container tokens.";
    SPOOL_LAYERS = "wave_spool_layers", Gauge, Count, [],
        "Inline layers on disk.";
    SPOOL_BYTES = "wave_spool_bytes", Gauge, Bytes, [],
        "Bytes of the inline layers on disk, those included that are being written.";
    STATE_GRANTS = "wave_state_grants", Gauge, Count, [],
        "Grants in the state file.";
    STATE_ROOTS = "wave_state_roots", Gauge, Count, [],
        "Roots in the state file.";
    STATE_COMMITS = "wave_state_commits_total", Counter, Count, [],
        "Transactions written to the state file.";
    STATE_FAILURES = "wave_state_failures_total", Counter, Count, [],
        "Transactions that could not be written.";
}

/// Tells the current recorder what each metric means.
pub fn describe() {
    for metric in ALL {
        let Metric { name, unit, help, .. } = *metric;
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(name, unit, help),
            Kind::Histogram => metrics::describe_histogram!(name, unit, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_follow_the_conventions() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len(), "a name occurs twice");
        for metric in ALL {
            assert!(metric.name.starts_with("wave_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert_eq!(metric.name.ends_with("_seconds"), metric.kind == Kind::Histogram, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
