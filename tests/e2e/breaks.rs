//! Registries that break off or fall silent in the middle of a blob: what clients make of it alone, and with the product
//! between, with a cache and without.

use serde_json::json;
use std::time::{Duration, Instant};

use crate::support::clients::{Client, Containerd, Docker, Podman, Via};
use crate::support::registry::Registry;
use crate::support::relay::{Breaks, Relay};
use crate::support::run::run;
use crate::support::scratch;
use crate::support::tools;
use crate::support::wave::Wave;

/// Six layers of 50 MB.
const IMAGE: &str = "library/large:oci";
const SIZE: u64 = 300_000_000;
/// Most of one layer has come.
const AFTER: u64 = 40_000_000;

/// Pulls from `registry` through the product, whose way to it breaks once.
fn pulls(client: &dyn Client, registry: &Registry, how: Breaks, cached: bool) -> Relay {
    let relay = Relay::before(registry, how, 1, AFTER);
    let cache = scratch::large();
    let mut wave = Wave::before(registry)
        .registry(&registry.authority(), json!({"url": format!("http://{}", relay.authority())}))
        .set(&["upstream"], json!({"idle-timeout": "3s"}));
    if cached {
        wave = wave.set(&["blob-cache"], json!({"dir": cache.path()}));
    }
    let wave = wave.start();
    client.pull(&format!("{}/{IMAGE}", wave.plain()), Via::Http).ok();
    assert!(relay.is_spent(), "nothing broke");
    relay
}

/// The same without the product.
fn direct(registry: &Registry, how: Breaks) -> (Relay, String) {
    let relay = Relay::before(registry, how, 1, AFTER);
    let reference = format!("{}/{IMAGE}", relay.authority());
    (relay, reference)
}

#[test]
fn containerd_survives_a_reset() {
    let registry = Registry::plain();
    let (relay, reference) = direct(&registry, Breaks::Reset);
    Containerd::start().pull(&reference, Via::Http).fails();
    assert!(relay.is_spent(), "nothing broke");
    for cached in [false, true] {
        pulls(&Containerd::start(), &registry, Breaks::Reset, cached);
    }
}

#[test]
fn docker_survives_a_stall() {
    let registry = Registry::plain();
    let (relay, reference) = direct(&registry, Breaks::Stall);
    let docker = Docker::start();
    let started = Instant::now();
    let pull = docker.command();
    let mut hung = tools::command("timeout");
    hung.arg("60").arg(pull.get_program()).args(pull.get_args()).args(["pull", "--quiet", &reference]);
    for (name, value) in pull.get_envs() {
        hung.env(name, value.unwrap_or_default());
    }
    run(&hung).fails();
    assert!(relay.is_spent() && started.elapsed() > Duration::from_secs(59), "it gave up by itself");
    drop(docker);
    for cached in [false, true] {
        pulls(&Docker::start(), &registry, Breaks::Stall, cached);
    }
}

#[test]
fn podman_does_not_begin_again() {
    let registry = Registry::plain();
    let (relay, reference) = direct(&registry, Breaks::Reset);
    Podman::new().pull(&reference, Via::Http).ok();
    assert!(relay.is_spent() && relay.sent() > SIZE + AFTER * 9 / 10, "{} bytes", relay.sent());
    for cached in [false, true] {
        let relay = pulls(&Podman::new(), &registry, Breaks::Reset, cached);
        assert!(relay.sent() < SIZE * 105 / 100, "{} bytes", relay.sent());
    }
}
