//! The address guard: what we may connect to on behalf of others.
//!
//! A registry, a token realm, a redirect or a layer URL that a request or an upstream names must not lead into the
//! operator's own network. Names are resolved first and the *addresses* are judged, at dial, so that a name which
//! changes its address between check and use gains nothing.

use super::{Endpoint, Registry};
use crate::config::TrustedHost;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// May private addresses be reached whatever names them?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Private {
    /// Only public addresses, and what the operator trusts by name.
    Refused,
    /// Any address.
    Allowed,
}

/// Who may be reached at a private address.
#[derive(Clone, Debug)]
pub struct Guard {
    private: Private,
    /// Hosts the operator named.
    trusted: Vec<TrustedHost>,
}

impl Guard {
    /// For a registry. A listed one may have private addresses itself, on any port, as may its `trusted-hosts`; an
    /// unlisted one may not.
    pub fn of(registry: &Registry) -> Guard {
        let mut trusted = Vec::new();
        if let (true, Endpoint::Http(url)) = (registry.listed, &registry.endpoint) {
            trusted.extend(TrustedHost::of(url));
            trusted.extend(registry.policy.trusted_hosts.iter().cloned());
        }
        Guard { private: Private::Refused, trusted }
    }

    /// For layer URLs.
    pub fn layers(private: Private) -> Guard {
        Guard { private, trusted: Vec::new() }
    }

    /// May `host:port` have a private address?
    pub fn trusts(&self, host: &str, port: u16) -> bool {
        self.private == Private::Allowed || self.trusted.iter().any(|named| named.is(host, port))
    }

    /// May `address`, which `host` resolved to, be dialled?
    pub fn admits(&self, host: &str, port: u16, address: IpAddr) -> bool {
        is_public(address) || self.trusts(host, port)
    }

    /// May `host` be named to a forward proxy, which resolves it where we cannot see the address? Weaker than
    /// [`Guard::admits`]: it knows literals and the names that are private by convention.
    pub fn admits_name(&self, host: &str, port: u16) -> bool {
        self.trusts(host, port) || !is_private_name(host)
    }
}

/// Is this a host that is private by what it is called: a private literal in any spelling, a name without a dot, or
/// a name under a domain reserved for local use (RFC 6761, RFC 6762, RFC 8375)?
pub fn is_private_name(host: &str) -> bool {
    let host = bare(host).trim_end_matches('.');
    if let Ok(address) = host.parse::<IpAddr>() {
        return !is_public(address);
    }
    // Spellings such as `127.1` and `0x7f000001` are addresses too.
    match url::Host::parse(host) {
        Ok(url::Host::Ipv4(address)) => !is_public(address.into()),
        Ok(url::Host::Domain(name)) => {
            let local = ["localhost", "local", "internal", "intranet", "lan", "home.arpa"];
            !name.contains('.') || local.iter().any(|zone| name.ends_with(&format!(".{zone}")))
        }
        Ok(url::Host::Ipv6(_)) | Err(_) => true,
    }
}

/// Is this an address of the public internet? The tables of special-purpose addresses (RFC 6890) say what is not.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 10 | 127, ..] => true,
        [100, b, ..] => b & 0xc0 == 64,
        [169, 254, ..] => true,
        [172, b, ..] => b & 0xf0 == 16,
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [192, 168, ..] => true,
        [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match address.segments() {
        // NAT64 (RFC 6052): on networks without IPv4 every IPv4 host looks like this; what counts is the inner
        // address.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        // Teredo and protocol assignments, documentation, 6to4: global by prefix, but not hosts to talk to.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast; what lies outside is loopback, unspecified, local, multicast or not assigned.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// A host without the brackets of an IPv6 literal.
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::upstream::Registries;

    #[test]
    fn special_addresses_are_not_public() {
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in
            ["1.1.1.1", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1", "64:ff9b::808:808"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn private_names() {
        for private in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "db.internal",
            "printer.local",
            "registry",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0",
            "017700000001",
            "[::1]",
            "[fe80::1]",
            "a b",
        ] {
            assert!(is_private_name(private), "{private}");
        }
        for public in ["quay.io", "1.1.1.1", "[2606:4700::1]", "localhost.example.com"] {
            assert!(!is_private_name(public), "{public}");
        }
    }

    #[test]
    fn a_listed_registry_trusts_itself_and_what_it_names() {
        let policy = config::Registry {
            url: Some("http://reg.corp:5000".parse().unwrap()),
            trusted_hosts: vec!["minio.corp:9000".parse().unwrap(), "auth.corp".parse().unwrap()],
            ..Default::default()
        };
        let host: crate::oci::Host = "registry.example".parse().unwrap();
        let mut config = config::Registries::default();
        config.listed.insert(host.clone(), policy);
        let registries = Registries::new(&config);
        let guard = Guard::of(&registries.find(&host).unwrap());
        let check = |host: &str, port, want| assert_eq!(guard.trusts(host, port), want, "{host}:{port}");
        check("reg.corp", 5000, true);
        check("REG.corp", 5001, true);
        check("minio.corp", 9000, true);
        check("minio.corp", 9001, false);
        check("auth.corp", 8443, true);
        check("registry.example", 443, false);
        let private = "10.0.0.1".parse().unwrap();
        assert!(guard.admits("reg.corp", 5000, private) && !guard.admits("evil.example", 443, private));

        let unlisted = registries.find(&"127.0.0.1:5000".parse().unwrap()).unwrap();
        assert!(!Guard::of(&unlisted).admits("127.0.0.1", 5000, "127.0.0.1".parse().unwrap()));
        assert!(Guard::layers(Private::Allowed).admits("x", 80, private));
        assert!(!Guard::layers(Private::Refused).admits_name("10.0.0.1", 80));
    }
}
