//! Who may do what: `wave.allow-*`, `wave.accounts`, `tower.api.endpoint`, `wave.rate-limit`.

use super::super::Rate;
use super::super::keys::Key;
use super::super::reader::Reader;
use super::super::relaxed::Slot;
use super::super::units::quota;
use std::collections::BTreeMap;

pub(super) static KEYS: [Key; 6] = [
    Key::new("wave.allow-anonymous", "true", "may callers without an account mint tokens and pull?"),
    Key::new("wave.allow-private-layers", "false", "may layer URLs use `http:` and private addresses?"),
    Key::secret("wave.accounts.<user>", "SHA-256 of the user's password, in hex"),
    Key::unset(
        "tower.api.endpoint",
        "the platform, by its URL; known, but not enabled in this version: access tokens are ignored",
    ),
    // Off: behind one NAT address a whole cluster is one caller, and only the operator knows.
    Key::new("wave.rate-limit.pull.anonymous", "off", "pulls of one address, such as `100 / 1h`")
        .also(&["rate-limit.pull.anonymous"]),
    Key::new("wave.rate-limit.pull.authenticated", "off", "pulls of one account, such as `100 / 1m`")
        .also(&["rate-limit.pull.authenticated"]),
];

pub(super) fn accounts(read: &mut Reader) -> BTreeMap<String, [u8; 32]> {
    let path = "wave.accounts.<user>";
    let mut accounts = BTreeMap::new();
    for user in read.names(path) {
        let slot = Slot::named(path, &user);
        if user.is_empty() || user.contains(':') {
            read.problem(slot.show(), "is not a user name: it is empty or has a colon");
        }
        // A wrong hash is a problem already, and must not make the user missing elsewhere.
        accounts.insert(user, read.optional(&slot, sha256).unwrap_or_default());
    }
    accounts
}

pub(super) fn rate(read: &mut Reader) -> Rate {
    Rate {
        anonymous: read.value("wave.rate-limit.pull.anonymous", quota),
        authenticated: read.value("wave.rate-limit.pull.authenticated", quota),
    }
}

/// 64 hexadecimal digits.
fn sha256(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "is not the SHA-256 of a password: 64 hexadecimal digits".to_string();
    let text = text.trim();
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(hash)
}
