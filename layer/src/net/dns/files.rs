//! `/etc/hosts` and `/etc/resolv.conf`, as far as they matter.

use std::net::IpAddr;
use std::time::Duration;

/// Name servers and search domains beyond these are not looked at, as in every libc.
const MAX_SERVERS: usize = 3;
const MAX_SEARCH: usize = 6;

/// Who is asked, and what for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) servers: Vec<IpAddr>,
    pub(super) search: Vec<String>,
    /// A name with fewer dots is tried below the search domains first.
    pub(super) ndots: usize,
    pub(super) timeout: Duration,
    pub(super) attempts: usize,
}

impl Settings {
    /// Reads `resolv.conf`; a file that is missing or names no server means the one on this machine.
    pub(super) fn parse(text: &str) -> Self {
        let mut settings = Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
        };
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A zone (fe80::1%eth0) cannot be said to a socket address without the interface's number.
                    let server: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
                    settings.servers.extend(server);
                }
                Some("search" | "domain") => settings.search = words.map(str::to_owned).collect(),
                Some("options") => words.for_each(|word| settings.option(word)),
                _ => {}
            }
        }
        settings.servers.truncate(MAX_SERVERS);
        settings.search.truncate(MAX_SEARCH);
        if settings.servers.is_empty() {
            settings.servers.push(IpAddr::from([127, 0, 0, 1]));
        }
        settings
    }

    fn option(&mut self, word: &str) {
        let Some((name, value)) = word.split_once(':') else { return };
        let Ok(value) = value.parse::<u8>() else { return };
        match name {
            "ndots" => self.ndots = value.min(15).into(),
            "timeout" => self.timeout = Duration::from_secs(value.clamp(1, 30).into()),
            "attempts" => self.attempts = value.clamp(1, 5).into(),
            _ => {}
        }
    }

    /// The full names that are asked for, in order.
    pub(super) fn candidates(&self, host: &str) -> Vec<String> {
        if let Some(full) = host.strip_suffix('.') {
            return vec![full.to_owned()];
        }
        let mut names: Vec<String> =
            self.search.iter().map(|domain| format!("{host}.{}", domain.trim_matches('.'))).collect();
        let dots = host.bytes().filter(|&byte| byte == b'.').count();
        let place = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(place, host.to_owned());
        names
    }
}

/// The addresses that `/etc/hosts` gives a name.
pub(super) fn hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let entry = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|name| name.eq_ignore_ascii_case(host)).then_some(address)
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_names_every_address_of_a_name() {
        let text = "127.0.0.1 localhost\n# 1.1.1.1 minio\n10.0.0.5\tstore MinIO # here\nfe80::1%eth0 minio\n::5 minio";
        let found: Vec<String> = hosts(text, "minio.").iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.5", "::5"]);
        assert!(hosts(text, "min").is_empty());
    }

    #[test]
    fn short_names_are_tried_below_the_search_domains_first() {
        let settings = Settings::parse(
            "; made by a cluster\nsearch ns.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5 timeout:2 edns0\n",
        );
        assert_eq!(settings.servers, [IpAddr::from([10, 96, 0, 10])]);
        assert_eq!(settings.timeout, Duration::from_secs(2));
        assert_eq!(
            settings.candidates("minio"),
            ["minio.ns.svc.cluster.local", "minio.svc.cluster.local", "minio"]
        );
        assert_eq!(settings.candidates("s3.amazonaws.com."), ["s3.amazonaws.com"]);
    }

    #[test]
    fn an_empty_file_means_this_machine() {
        let settings = Settings::parse("");
        assert_eq!(settings.servers, [IpAddr::from([127, 0, 0, 1])]);
        assert_eq!(settings.candidates("a.b"), ["a.b"]);
    }
}
