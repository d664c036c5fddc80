//! Registry hosts, normalised so that one registry has one name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// A registry as image names spell it: `host[:port]`, lower case, Docker Hub's aliases folded to `docker.io`,
/// the default port 443 dropped. It is a lookup key and never says where to dial.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Arc<str>);

/// A text that is not `host[:port]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

impl Host {
    /// Docker Hub.
    pub fn docker_hub() -> Host {
        Host("docker.io".into())
    }

    /// `host[:port]`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name or address without port and brackets.
    pub fn name(&self) -> &str {
        let text = &*self.0;
        match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
            None => text.split_once(':').map_or(text, |(name, _)| name),
        }
    }

    /// The port, when one is given.
    pub fn port(&self) -> Option<u16> {
        let tail = self.0.rsplit_once(']').map_or(&*self.0, |(_, tail)| tail);
        tail.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
    }

    /// Docker Hub, where single-word repositories live under `library/`.
    pub fn is_docker_hub(&self) -> bool {
        &*self.0 == "docker.io"
    }

    /// `localhost` or a loopback address: spoken to in http unless configured otherwise.
    pub fn is_loopback(&self) -> bool {
        let name = self.name();
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Host {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Host, Invalid> {
        let text = text.to_ascii_lowercase();
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, tail) = rest.split_once(']').ok_or(Invalid)?;
                address.parse::<std::net::Ipv6Addr>().map_err(|_| Invalid)?;
                let port = match tail {
                    "" => None,
                    tail => Some(tail.strip_prefix(':').ok_or(Invalid)?),
                };
                (format!("[{address}]"), port)
            }
            None => {
                let (name, port) = text.split_once(':').map_or((&*text, None), |(n, p)| (n, Some(p)));
                name.split('.').try_for_each(label)?;
                (name.to_string(), port)
            }
        };
        let port = port.map(parse_port).transpose()?.filter(|&port| port != 443);
        let hub = matches!(
            &*name,
            "docker.io" | "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com"
        );
        Ok(match port {
            None if hub => Host::docker_hub(),
            None => Host(name.into()),
            Some(port) => Host(format!("{name}:{port}").into()),
        })
    }
}

fn label(text: &str) -> Result<(), Invalid> {
    let good = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if good { Ok(()) } else { Err(Invalid) }
}

fn parse_port(text: &str) -> Result<u16, Invalid> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Invalid);
    }
    text.parse().ok().filter(|&port| port != 0).ok_or(Invalid)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Host {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Host {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Host, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a registry is `host[:port]`")
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_registry_has_one_name() {
        let check = |text: &str, want: &str| assert_eq!(text.parse::<Host>().unwrap().as_str(), want);
        check("Docker.IO", "docker.io");
        check("index.docker.io", "docker.io");
        check("registry-1.docker.io:443", "docker.io");
        check("QUAY.io", "quay.io");
        check("my_host:2000", "my_host:2000");
        check("[::1]:5000", "[::1]:5000");
        check("127.0.0.1:5000", "127.0.0.1:5000");
    }

    #[test]
    fn refuses_what_is_not_a_host() {
        for bad in [
            "",
            "foo.com:xywz",
            "foo.com:800o",
            "http://foo.com",
            "http:foo.com",
            "a..b",
            "-a",
            "a:0",
            "a:",
            "[::1",
            "a b",
        ] {
            assert_eq!(bad.parse::<Host>(), Err(Invalid), "{bad}");
        }
    }

    #[test]
    fn parts() {
        let host: Host = "[::1]:5000".parse().unwrap();
        assert_eq!((host.name(), host.port(), host.is_loopback()), ("::1", Some(5000), true));
        let host: Host = "quay.io".parse().unwrap();
        assert_eq!((host.name(), host.port(), host.is_loopback()), ("quay.io", None, false));
    }
}
