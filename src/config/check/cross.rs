//! What no section sees alone.

use super::super::inert::LATER;
use super::super::reader::Reader;
use super::super::{Config, Registry};
use std::net::SocketAddr;

pub(super) fn check(config: &Config, read: &mut Reader) {
    listeners(config, read);
    callers(config, read);
    lifetimes(config, read);
}

fn listeners(config: &Config, read: &mut Reader) {
    let tls = config.server.tls.as_ref().map(|tls| ("wave.server.tls.bind", tls.bind));
    let all =
        [Some(("wave.server.bind", config.server.bind)), tls, Some(("wave.admin.bind", config.admin.bind))];
    let all: Vec<_> = all.into_iter().flatten().collect();
    for (at, (path, bind)) in all.iter().enumerate() {
        if let Some((other, _)) = all[..at].iter().find(|(_, other)| overlap(*bind, *other)) {
            read.problem(*path, format!("{bind} is taken by {other}"));
        }
    }
}

fn overlap(one: SocketAddr, two: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || two.ip().is_unspecified();
    one.port() != 0 && one.port() == two.port() && (everywhere || one.ip() == two.ip())
}

fn callers(config: &Config, read: &mut Reader) {
    if config.platform.is_some() {
        read.note("tower.api.endpoint", LATER);
    }
    let nobody_known = config.accounts.is_empty();
    if !config.allow_anonymous && nobody_known {
        read.problem(
            "wave.allow-anonymous",
            "is false, and there are no wave.accounts: nobody would be served",
        );
    }
    let open = config.allow_anonymous && reachable(config);
    for (host, registry) in config.registries.listed.iter().filter(|(_, r)| r.credentials.is_some()) {
        if open && registry.anonymous {
            let message = "has a password, and whoever reaches this server pulls with it: set anonymous to false, \
                           or wave.allow-anonymous to false, or listen on loopback only";
            read.note(format!("wave.registries.{host}"), message);
        }
        if !registry.anonymous && nobody_known {
            let message = "is false, and there are no wave.accounts: nobody can use it";
            read.note(format!("wave.registries.{host}.anonymous"), message);
        }
    }
    logins(config, read);
    if open && config.allow_private_layers {
        let message =
            "is true, and callers need no account: layers are fetched from private addresses for anyone";
        read.note("wave.allow-private-layers", message);
    }
}

/// What clients do with the one password that they have for this server.
fn logins(config: &Config, read: &mut Reader) {
    let forwarding: Vec<_> =
        config.registries.listed.iter().filter(|(_, registry)| registry.forward_credentials).collect();
    if let [(first, _), .., (last, _)] = &forwarding[..] {
        let message = format!(
            "forward-credentials is true for several, {first} and {last} among them: clients have one password for \
             this server, so each of these registries is shown those meant for the others"
        );
        read.note("wave.registries", message);
    }
    let unasked = |registry: &Registry| registry.forward_credentials || !registry.anonymous;
    for (host, registry) in config.registries.listed.iter().filter(|(_, registry)| unasked(registry)) {
        if config.allow_anonymous {
            let key = if registry.forward_credentials { "forward-credentials" } else { "anonymous" };
            let message = "has no effect for clients that log in only where /v2/ asks for it, podman, skopeo and \
                           crane among them: with wave.allow-anonymous it does not ask";
            read.note(format!("wave.registries.{host}.{key}"), message);
        }
    }
}

fn reachable(config: &Config) -> bool {
    let tls = config.server.tls.as_ref().map(|tls| tls.bind);
    [Some(config.server.bind), tls].into_iter().flatten().any(|bind| !bind.ip().is_loopback())
}

fn lifetimes(config: &Config, read: &mut Reader) {
    if config.cache.root_ttl < config.tokens.duration {
        let message = "is shorter than wave.tokens.duration: a token would outlive what it served";
        read.problem("wave.cache.root-ttl", message);
    }
    if config.server.head_deadline <= config.upstream.connect_timeout {
        let message = "is not longer than wave.upstream.connect-timeout: no slow registry would ever answer";
        read.problem("wave.server.head-deadline", message);
    }
    if config.upstream.breaker_longest < config.upstream.breaker_pause {
        read.problem("wave.upstream.breaker-longest", "is shorter than wave.upstream.breaker-pause");
    }
    let rates = config.registries.listed.values().map(|registry| registry.rate.flatten());
    let limited = rates.chain([config.upstream.rate]).any(|rate| rate.is_some());
    if limited && config.server.head_deadline <= config.upstream.rate_wait {
        let message = "is not shorter than wave.server.head-deadline: whoever waits so long gets no answer";
        read.problem("wave.upstream.rate-wait", message);
    }
}
