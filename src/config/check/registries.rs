//! `wave.registries`.

use super::super::keys::Key;
use super::super::reader::{Reader, path};
use super::super::relaxed::Slot;
use super::super::units::{quota, truth};
use super::super::{Registries, Registry, Unlisted, Verify};
use crate::auth::Credentials;
use crate::oci::Host;
use std::collections::BTreeMap;
use url::Url;

pub(super) static KEYS: [Key; 17] = [
    Key::new("wave.registries.default", "docker.io", "the registry of image names without a host"),
    Key::new(
        "wave.registries.unlisted",
        "allow",
        "may requests name registries that are not in this file? `allow` or `deny`",
    ),
    Key::unset("wave.registries.<host>.username", "the operator's user at this registry"),
    Key::secret("wave.registries.<host>.password", "and password or token; may be `{file: PATH}`"),
    Key::unset(
        "wave.registries.<host>.alias",
        "a short first path component, and the label in metrics (`other` without one)",
    ),
    Key::told(
        "wave.registries.<host>.url",
        "`https://<host>`, http for loopback",
        "where the registry really is",
    ),
    Key::unset(
        "wave.registries.<host>.layout",
        "a directory with an OCI image layout to serve instead of a server",
    ),
    Key::unset("wave.registries.<host>.ca-file", "PEM certificates trusted for it besides the public ones"),
    Key::new("wave.registries.<host>.insecure", "false", "accept any certificate"),
    Key::unset(
        "wave.registries.<host>.trusted-hosts",
        "list of further hosts for its token realms and redirects, private ones too",
    ),
    Key::new(
        "wave.registries.<host>.anonymous",
        "true",
        "may callers without an account use the operator's access?",
    ),
    Key::new(
        "wave.registries.<host>.forward-credentials",
        "false",
        "use the caller's own user and password at this registry",
    ),
    Key::new(
        "wave.registries.<host>.redirect",
        "false",
        "hand redirects of blobs to the client instead of following them",
    ),
    Key::new(
        "wave.registries.<host>.verify",
        "client",
        "`always`: hash blobs that stream through, and withhold the end of wrong ones",
    ),
    Key::told(
        "wave.registries.<host>.proxy",
        "`HTTPS_PROXY`, `HTTP_PROXY`",
        "forward proxy for this registry",
    ),
    Key::told(
        "wave.registries.<host>.max-connections",
        "`wave.upstream.max-connections`",
        "open connections to each of its hosts",
    ),
    Key::told(
        "wave.registries.<host>.rate",
        "`wave.upstream.rate`",
        "requests to it, such as `50 / 1s`, or `off`",
    ),
];

pub(super) fn registries(read: &mut Reader) -> Registries {
    let default = read.value("wave.registries.default", host);
    let unlisted = read.value("wave.registries.unlisted", |text| match text {
        "allow" => Ok(Unlisted::Allow),
        "deny" => Ok(Unlisted::Deny),
        _ => Err("is neither allow nor deny".into()),
    });
    let mut listed = BTreeMap::new();
    for name in read.hosts() {
        let registry = registry(read, &name);
        listed.insert(name.parse().expect("stage one keeps names of hosts only"), registry);
    }
    aliases(read, &listed);
    Registries { default, unlisted, listed }
}

fn registry(read: &mut Reader, host_name: &str) -> Registry {
    let at = |path: &'static str| Slot::named(path, host_name);
    let url = at("wave.registries.<host>.url");
    let layout = at("wave.registries.<host>.layout");
    let ca_file = at("wave.registries.<host>.ca-file");
    let forward = at("wave.registries.<host>.forward-credentials");
    let registry = Registry {
        alias: read.optional(&at("wave.registries.<host>.alias"), alias),
        credentials: credentials(read, host_name),
        url: read.optional(&url, super::origin_url),
        layout: read.optional(&layout, path),
        ca_file: read.optional(&ca_file, path),
        insecure: read.of(&at("wave.registries.<host>.insecure"), truth),
        trusted_hosts: read.list(&at("wave.registries.<host>.trusted-hosts"), str::parse),
        anonymous: read.of(&at("wave.registries.<host>.anonymous"), truth),
        forward_credentials: read.of(&forward, truth),
        redirect: read.of(&at("wave.registries.<host>.redirect"), truth),
        verify: read.of(&at("wave.registries.<host>.verify"), verify),
        proxy: read.optional(&at("wave.registries.<host>.proxy"), super::proxy_url),
        max_connections: read
            .optional(&at("wave.registries.<host>.max-connections"), super::upstream::connections),
        rate: read.optional(&at("wave.registries.<host>.rate"), quota),
    };
    if let Some(dir) = &registry.layout {
        if let Err(error) = read.files.can_list(dir) {
            read.problem(layout.show(), format!("{} cannot be listed: {error}", dir.display()));
        }
        if registry.url.is_some() || registry.credentials.is_some() || registry.proxy.is_some() {
            read.problem(layout.show(), "is a directory: it takes no url, user, password or proxy");
        }
    }
    if let Some(file) = &registry.ca_file
        && let Err(why) = read.files.can_trust(file)
    {
        read.problem(ca_file.show(), format!("{} {why}", file.display()));
    }
    if registry.forward_credentials && registry.credentials.is_some() {
        read.problem(forward.show(), "is true and there is a username: it is either the caller's or yours");
    }
    if registry.insecure && registry.ca_file.is_some() {
        read.problem(ca_file.show(), "is of no use: insecure accepts any certificate");
    }
    if registry.insecure {
        let path = at("wave.registries.<host>.insecure").show();
        read.note(path, "is true: whoever is in between reads and changes what is pulled");
    }
    if registry.credentials.is_some() && registry.url.as_ref().is_some_and(sends_in_clear) {
        read.note(url.show(), "is http: the password is sent in clear");
    }
    registry
}

fn credentials(read: &mut Reader, host: &str) -> Option<Credentials> {
    let username = Slot::named("wave.registries.<host>.username", host);
    let password = Slot::named("wave.registries.<host>.password", host);
    let (has_username, has_password) = (read.is_set(&username), read.is_set(&password));
    match (read.optional(&username, user), read.secret(&password)) {
        (Some(user), Some(secret)) => match (user.is_empty(), secret.expose().is_empty()) {
            (false, false) => return Some(Credentials { username: user, password: secret }),
            // As `${DOCKER_USER:}` and `${DOCKER_PAT:}` leave them.
            (true, true) => {}
            (true, false) => read.problem(username.show(), "is empty, and there is a password"),
            (false, true) => read.problem(password.show(), "is empty, and there is a username"),
        },
        (Some(user), None) if !has_password && !user.is_empty() => {
            read.problem(password.show(), "is missing, and there is a username");
        }
        (None, Some(secret)) if !has_username && !secret.expose().is_empty() => {
            read.problem(username.show(), "is missing, and there is a password");
        }
        _ => {}
    }
    None
}

fn aliases(read: &mut Reader, listed: &BTreeMap<Host, Registry>) {
    let mut seen: BTreeMap<&str, &Host> = BTreeMap::new();
    for (host, registry) in listed {
        let Some(alias) = registry.alias.as_deref() else { continue };
        if let Some(first) = seen.insert(alias, host) {
            read.problem(
                format!("wave.registries.{host}.alias"),
                format!("'{alias}' is the alias of {first} already"),
            );
        }
    }
}

fn host(text: &str) -> Result<Host, String> {
    text.trim().parse().map_err(|_| "is not host[:port]".to_string())
}

fn user(text: &str) -> Result<String, String> {
    if text.contains(':') {
        Err("has a colon, which a user name cannot have".into())
    } else {
        Ok(text.into())
    }
}

/// One path component that is neither a host nor one of ours.
fn alias(text: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if text.is_empty() || text.len() > 63 || !text.bytes().all(good) {
        return Err("is not an alias: lower-case letters, digits, `-` and `_`".into());
    }
    if matches!(text, "wt" | "other" | "localhost" | "library") {
        return Err("is taken".into());
    }
    Ok(text.to_string())
}

fn verify(text: &str) -> Result<Verify, String> {
    match text {
        "client" => Ok(Verify::Client),
        "always" => Ok(Verify::Always),
        _ => Err("is neither client nor always".into()),
    }
}

fn sends_in_clear(url: &Url) -> bool {
    let loopback =
        url.host_str().and_then(|host| host.parse::<Host>().ok()).is_some_and(|host| host.is_loopback());
    url.scheme() == "http" && !loopback
}
