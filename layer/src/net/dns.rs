//! Addresses of names.
//!
//! musl's `getaddrinfo` is asked, on a thread that may block. A static glibc must never be: it loads the image's own
//! name service modules into this process. There, [`files`] and [`wire`] answer from `/etc/hosts` and by UDP from
//! the servers of `/etc/resolv.conf`.

mod files;
mod query;
mod wire;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// How long an answer is used. S3's own have 5 s to live, and its addresses serve far longer.
const KEEP: Duration = Duration::from_secs(10);

/// Names remembered at once.
const MAX_NAMES: usize = 256;

/// A name server that is slower than this has no answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// This program may not call `getaddrinfo`.
const OWN_RESOLVER: bool = cfg!(all(target_env = "gnu", target_feature = "crt-static"));

#[derive(Debug)]
struct Known {
    addresses: Vec<IpAddr>,
    since: Instant,
    /// Where the next caller's list begins, so connections spread over all addresses.
    next: usize,
}

/// Looks names up, and remembers them for some seconds.
#[derive(Debug, Default)]
pub struct Resolver(Mutex<HashMap<Box<str>, Known>>);

impl Resolver {
    /// The addresses of a host, in the order in which they are to be tried. The host is a name or an address.
    ///
    /// # Errors
    ///
    /// The name has no address, or nobody could be asked.
    pub async fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        if let Some(addresses) = literal(host) {
            return Ok(with_port(addresses, port));
        }
        if let Some(addresses) = self.known(host) {
            return Ok(with_port(addresses, port));
        }
        let found = if OWN_RESOLVER { query::lookup(host).await } else { system(host).await };
        let addresses = found.map_err(|reason| format!("{host} cannot be looked up: {reason}"))?;
        if addresses.is_empty() {
            return Err(format!("{host} has no address"));
        }
        let addresses = interleaved(addresses);
        self.remember(host, addresses.clone());
        Ok(with_port(addresses, port))
    }

    fn known(&self, host: &str) -> Option<Vec<IpAddr>> {
        let mut names = self.0.lock().expect("no panic holds the lock");
        let known = names.get_mut(host).filter(|known| known.since.elapsed() < KEEP)?;
        let mut addresses = known.addresses.clone();
        addresses.rotate_left(known.next % known.addresses.len());
        known.next = known.next.wrapping_add(1);
        Some(addresses)
    }

    fn remember(&self, host: &str, addresses: Vec<IpAddr>) {
        let mut names = self.0.lock().expect("no panic holds the lock");
        names.retain(|_, known| known.since.elapsed() < KEEP);
        if names.len() < MAX_NAMES {
            names.insert(host.into(), Known { addresses, since: Instant::now(), next: 1 });
        }
    }
}

/// What needs no question: an address, and `localhost`, which many images have no file for.
fn literal(host: &str) -> Option<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Some(vec![address]);
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (host == "localhost" || host.ends_with(".localhost"))
        .then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

async fn system(host: &str) -> Result<Vec<IpAddr>, String> {
    let answer = timeout(PATIENCE, tokio::net::lookup_host((host, 0))).await;
    let answer = answer.map_err(|_| "the name servers are silent".to_owned())?;
    Ok(answer.map_err(|error| error.to_string())?.map(|address| address.ip()).collect())
}

/// Both families by turns: where one of them leads nowhere, the other comes second and not last.
fn interleaved(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut mixed = Vec::new();
    for address in first {
        mixed.push(address);
        mixed.extend(second.next());
    }
    mixed.extend(second);
    mixed
}

fn with_port(addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_and_localhost_need_no_question() {
        let resolver = Resolver::default();
        for (host, first) in
            [("10.1.2.3", "10.1.2.3:80"), ("::1", "[::1]:80"), ("a.LocalHost.", "127.0.0.1:80")]
        {
            let found = resolver.lookup(host, 80).await.expect(host);
            assert_eq!(found[0].to_string(), first);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_used_for_ten_seconds_from_another_address_each_time() {
        let resolver = Resolver::default();
        let addresses: Vec<IpAddr> =
            ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().expect("an address")).to_vec();
        resolver.remember("s3.test", addresses.clone());
        assert_eq!(resolver.known("s3.test").expect("fresh")[0], addresses[1]);
        assert_eq!(resolver.known("s3.test").expect("fresh")[0], addresses[0]);
        tokio::time::advance(KEEP).await;
        assert_eq!(resolver.known("s3.test"), None);
    }

    #[test]
    fn families_take_turns() {
        let list = ["::1", "::2", "::3", "10.0.0.1"].map(|text| text.parse().expect("an address"));
        let mixed: Vec<String> = interleaved(list.to_vec()).iter().map(ToString::to_string).collect();
        assert_eq!(mixed, ["::1", "10.0.0.1", "::2", "::3"]);
    }
}
