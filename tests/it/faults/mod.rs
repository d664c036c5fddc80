//! What a registry does wrong, and what comes of it. The numbers are those of the fault plan; where a case has a test
//! of another name, it is named here:
//!
//! - 19, nobody listens: `errors::upstream_is_not_there`; nothing is answered: `errors::upstream_takes_too_long`.
//! - 20, a name that does not resolve: `failures_have_their_status` of the stack; behind a proxy:
//!   `behind_a_proxy_names_are_guarded`.
//! - 21, failures to the end: `errors::upstream_fails`.
//! - 22, a quota: `errors::upstream_is_over_its_rate`.
//! - 30, from https to http: `rules` of the redirects; handed out: `redirects_are_handed_out_and_never_go_in_circles`.
//! - 31, a captive portal: `pull::a_manifest_has_the_type_of_a_manifest`.
//! - 32, schema 1: `errors::schema_1_is_only_an_error_when_asked_for`; unknown members: the corpus of the rewriter.
//! - 33, nested and in a circle: `nested_indexes` of the derivation.
//! - 34, HEAD refused: `upstreams::registries_without_head_are_asked_for_the_content`.
//! - 35, by tag: `pull::an_upstream_that_lies_about_a_digest_is_refused`.
//! - 37: registries are never spoken to in HTTP/2, as the test of this number of the stack shows.
//! - 39, without a quota: tags are looked at with HEAD, which costs none.
//! - 40, over a restart: `restart::a_restart_between_two_requests_changes_nothing`.

mod blobs;
mod documents;
mod fixture;
mod limits;
mod outage;
mod reach;
mod redirects;
mod refusals;
mod tenants;
mod tokens;

use crate::support::Proxy;

/// Tries twice, and waits for nothing long.
const FAST: &str = "  upstream: { attempts: 2, retry-delay: 1ms, connect-timeout: 1s, head-timeout: 3s, idle-timeout: 1s }\n";

/// `alice` and her password.
const ALICE: &str = "Basic YWxpY2U6czNjcmV0";
const AS_ALICE: &str = "username: alice, password: s3cret";

fn manifest(proxy: &Proxy, reference: &str) -> String {
    proxy.url(&format!("/v2/library/app/manifests/{reference}"))
}

fn blob(proxy: &Proxy, digest: impl std::fmt::Display) -> String {
    proxy.url(&format!("/v2/library/app/blobs/{digest}"))
}
