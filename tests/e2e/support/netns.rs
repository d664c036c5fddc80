//! Another machine: a network namespace joined to this one by a pair of virtual interfaces.
//!
//! docker does not verify certificates of 127.0.0.0/8; a namespace of its own reaches us by another address.

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use super::{run, tools};

/// A namespace; dropped, it goes away with its interfaces.
pub(crate) struct Namespace {
    name: String,
    here: String,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU8 = AtomicU8::new(0);
        let (pid, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let name = format!("wave-{pid}-{count}");
        // 198.18.0.0/15 is for tests of network devices (RFC 2544) and is used by no network.
        let block = 4 * u32::from(count) + 256 * (pid % 250);
        let address = |host: u32| format!("198.18.{}.{}", (block + host) / 256, (block + host) % 256);
        let (here, there) = (address(1), address(2));
        // Names of interfaces have at most 15 characters.
        let (near, far) = (format!("wv{pid}.{count}a"), format!("wv{pid}.{count}b"));
        let namespace = Self { name, here };
        let ip = |arguments: &str| run::run(tools::command("ip").args(arguments.split(' '))).ok();
        ip(&format!("netns add {}", namespace.name));
        ip(&format!("link add {near} type veth peer name {far} netns {}", namespace.name));
        ip(&format!("addr add {}/30 dev {near}", namespace.here));
        ip(&format!("link set {near} up"));
        ip(&format!("-n {} addr add {there}/30 dev {far}", namespace.name));
        ip(&format!("-n {} link set {far} up", namespace.name));
        ip(&format!("-n {} link set lo up", namespace.name));
        namespace
    }

    /// The address under which the namespace reaches us.
    pub(crate) fn here(&self) -> &str {
        &self.here
    }

    /// A command that runs a shell script within the namespace, with mounts of its own; `arguments` are `$1`, ...
    pub(crate) fn shell(&self, script: &str) -> Command {
        // `ip netns exec` would mount a /sys without the control groups that docker wants.
        let mut command = tools::command("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg("--").arg(tools::find("unshare"));
        command.args(["--mount", "--propagation", "private", "--"]);
        command.arg(tools::find("sh")).args(["-euc", script, "sh"]);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The interfaces go with it.
        let _ = tools::command("ip").args(["netns", "delete", &self.name]).status();
    }
}
