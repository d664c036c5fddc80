//! Forward proxies: which one, if any, and the tunnel through it.

use super::guard::bare;
use crate::auth::Credentials;
use crate::config;
use crate::secret::Secret;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// What may come between the request and the tunnel.
const HEAD_LIMIT: usize = 16 * 1024;

/// The forward proxies of one registry.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    own: Option<Url>,
    environment: config::Proxy,
}

/// Why there is no tunnel.
#[derive(Debug)]
pub(crate) enum Untunnelled {
    /// The proxy refuses, and would again: its 4xx, but for those that time may heal.
    Refused(u16),
    /// Anything else.
    Io(io::Error),
}

impl Proxies {
    /// `own` is the registry's and is used for everything; the environment's depend on scheme and host.
    pub(crate) fn new(own: Option<Url>, environment: config::Proxy) -> Proxies {
        Proxies { own, environment }
    }

    /// The proxy on the way to `host:port`. Loopback is always reached directly, unless the registry has a proxy
    /// of its own.
    pub(crate) fn choose(&self, scheme: &str, host: &str, port: u16) -> Option<&Url> {
        if self.own.is_some() {
            return self.own.as_ref();
        }
        let host = bare(host).trim_end_matches('.');
        let loopback = host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if loopback || self.environment.none.iter().any(|entry| exempts(entry, host, port)) {
            return None;
        }
        match scheme {
            "https" => self.environment.https.as_ref(),
            _ => self.environment.http.as_ref(),
        }
    }
}

/// Without the credentials in URLs.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.own.as_ref().map(|url| (url.host_str(), url.port_or_known_default()));
        f.debug_struct("Proxies").field("own", &own).field("environment", &self.environment).finish()
    }
}

impl From<io::Error> for Untunnelled {
    fn from(error: io::Error) -> Untunnelled {
        Untunnelled::Io(error)
    }
}

/// Does this entry of `NO_PROXY` exempt the host? `*`, a domain with all below it, an address or a CIDR block; each
/// but the block may carry a port.
fn exempts(entry: &str, host: &str, port: u16) -> bool {
    let entry = entry.trim().to_ascii_lowercase();
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        return within(host, network, bits).unwrap_or(false);
    }
    let (name, only) = match entry.rsplit_once(':') {
        Some((name, only)) if !name.contains(':') || name.ends_with(']') => (name, only.parse().ok()),
        _ => (&*entry, None),
    };
    let name = bare(name).trim_start_matches("*.").trim_start_matches('.');
    let host = host.to_ascii_lowercase();
    let below = host.strip_suffix(name).is_some_and(|head| head.is_empty() || head.ends_with('.'));
    !name.is_empty() && below && only.is_none_or(|only: u16| only == port)
}

fn within(host: &str, network: &str, bits: &str) -> Option<bool> {
    let (host, network, bits): (IpAddr, IpAddr, u32) =
        (host.parse().ok()?, network.parse().ok()?, bits.parse().ok()?);
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    let mask = if bits == 0 { 0 } else { u128::MAX.checked_shl(128_u32.checked_sub(bits)?)? };
    Some(host.is_ipv4() == network.is_ipv4() && number(host) & mask == number(network) & mask)
}

/// Opens a tunnel to `host:port` by CONNECT (RFC 9110, 9.3.6). `host` has its brackets.
pub(crate) async fn tunnel(
    stream: &mut TcpStream,
    proxy: &Url,
    host: &str,
    port: u16,
) -> Result<(), Untunnelled> {
    let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some(credentials) = credentials(proxy) {
        let value = credentials.header();
        let value = value.to_str().expect("a Basic header is ASCII");
        head.push_str(&format!("Proxy-Authorization: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    // By the byte: what follows the head belongs to the tunnel.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= HEAD_LIMIT {
            return Err(io::Error::other("the forward proxy sends an endless head").into());
        }
        answer.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&answer);
    let words = head.starts_with("HTTP/1.").then(|| head.split_ascii_whitespace());
    let status: Option<u16> = words.and_then(|mut words| words.nth(1)?.parse().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(408 | 425 | 429) | None | Some(..=399 | 500..) => {
            let said = status.map_or_else(|| "no HTTP".into(), |status| status.to_string());
            Err(io::Error::other(format!("the forward proxy answered {said}")).into())
        }
        Some(status) => Err(Untunnelled::Refused(status)),
    }
}

fn credentials(proxy: &Url) -> Option<Credentials> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (username, password) = (proxy.username(), proxy.password().unwrap_or_default());
    (!username.is_empty())
        .then(|| Credentials { username: decode(username), password: Secret::new(decode(password)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exemptions() {
        let check =
            |entry: &str, host: &str, want| assert_eq!(exempts(entry, host, 443), want, "{entry} {host}");
        check("*", "quay.io", true);
        check("quay.io", "quay.io", true);
        check("quay.io", "cdn.QUAY.io", true);
        check(".quay.io", "cdn.quay.io", true);
        check("*.quay.io", "cdn.quay.io", true);
        check("quay.io", "notquay.io", false);
        check("quay.io:443", "quay.io", true);
        check("quay.io:80", "quay.io", false);
        check("10.0.0.0/8", "10.1.2.3", true);
        check("10.0.0.0/8", "11.1.2.3", false);
        check("0.0.0.0/0", "11.1.2.3", true);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "10.0.0.1", false);
        check("10.0.0.0/33", "10.1.2.3", false);
        check("10.0.0.0/x", "10.1.2.3", false);
        check("10.0.0.1", "10.0.0.1", true);
        check("[fd12::1]:443", "fd12::1", true);
        check("", "quay.io", false);
    }

    #[test]
    fn choice() {
        let url = |text: &str| Some(Url::parse(text).unwrap());
        let environment =
            config::Proxy { https: url("http://s:1"), http: url("http://p:1"), none: vec!["corp".into()] };
        let proxies = Proxies::new(None, environment.clone());
        let choose = |scheme, host| proxies.choose(scheme, host, 443).map(Url::as_str);
        assert_eq!(choose("https", "quay.io"), Some("http://s:1/"));
        assert_eq!(choose("http", "quay.io"), Some("http://p:1/"));
        assert_eq!(choose("https", "reg.corp"), None);
        assert_eq!(choose("http", "127.0.0.1"), None);
        assert_eq!(choose("http", "[::1]"), None);
        let own = Proxies::new(url("http://own:1"), environment);
        assert_eq!(own.choose("https", "reg.corp", 443).map(Url::as_str), Some("http://own:1/"));
        assert!(Proxies::default().choose("https", "quay.io", 443).is_none());
    }

    #[test]
    fn passwords_are_not_shown() {
        let url = |text: &str| Some(Url::parse(text).unwrap());
        let environment = config::Proxy { https: url("http://u:hunter2@s:1"), http: None, none: Vec::new() };
        let shown = format!("{:?}", Proxies::new(url("http://u:hunter3@own:1"), environment));
        assert!(shown.contains("own") && !shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn credentials_of_a_proxy() {
        let found = credentials(&Url::parse("http://al%40ice:p%3Aw@proxy:3128").unwrap()).unwrap();
        assert_eq!((&*found.username, found.password.expose()), ("al@ice", "p:w"));
        assert_eq!(credentials(&Url::parse("http://proxy:3128").unwrap()), None);
    }
}
