//! Entries of `trusted-hosts`.

use crate::upstream::guard::bare;
use std::fmt;
use std::str::FromStr;
use url::Url;

/// A host as it is named in URLs, with one port or with any. Unlike the name of a registry it stands for nothing but
/// itself: no alias of Docker Hub is folded into another, and 443 is a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHost {
    /// As `Url::host_str` has it, without brackets.
    name: String,
    port: Option<u16>,
}

impl TrustedHost {
    /// Any port of the host of `url`.
    pub fn of(url: &Url) -> Option<TrustedHost> {
        url.host_str().map(|host| TrustedHost { name: bare(host).to_string(), port: None })
    }

    /// Is it `host`, with or without brackets, on `port`?
    pub fn is(&self, host: &str, port: u16) -> bool {
        self.name.eq_ignore_ascii_case(bare(host)) && self.port.is_none_or(|only| only == port)
    }
}

impl FromStr for TrustedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<TrustedHost, String> {
        let text = text.trim();
        let wrong = || "is not host[:port]".to_string();
        // What is a host and what a port is the same question for registries.
        text.parse::<crate::oci::Host>().map_err(|_| wrong())?;
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port.parse().map_err(|_| wrong())?)),
            _ => (text, None),
        };
        let name = url::Host::parse(name).map_err(|_| wrong())?.to_string();
        Ok(TrustedHost { name: bare(&name).to_string(), port })
    }
}

impl fmt::Display for TrustedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]", self.name)?,
            false => f.write_str(&self.name)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_itself_only() {
        let check = |entry: &str, host: &str, port, want| {
            let entry: TrustedHost = entry.parse().unwrap();
            assert_eq!(entry.is(host, port), want, "{entry} {host}:{port}");
        };
        check("registry-1.docker.io", "registry-1.docker.io", 443, true);
        check("registry-1.docker.io", "docker.io", 443, false);
        check("Auth.Corp", "auth.corp", 8443, true);
        check("auth.corp:443", "auth.corp", 443, true);
        check("auth.corp:443", "auth.corp", 8443, false);
        check("[0:0::1]:5000", "[::1]", 5000, true);
        check("[::1]", "::1", 80, true);
    }

    #[test]
    fn it_is_shown_as_it_reads() {
        for text in ["a.io", "a.io:443", "[::1]", "[::1]:5000", "10.0.0.9"] {
            assert_eq!(text.parse::<TrustedHost>().unwrap().to_string(), text);
        }
        for bad in ["", "c d", "a.io:", "a.io:x", "http://a.io", "::1", "a.io:0"] {
            assert!(bad.parse::<TrustedHost>().is_err(), "{bad}");
        }
    }
}
