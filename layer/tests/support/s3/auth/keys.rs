//! The credentials that are known.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use super::super::error::Error;

/// The key pair that every server knows.
pub const ACCESS_KEY: &str = "AKIATESTACCESSKEY000";
/// Its secret, with characters that a sloppy encoder would change.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/testsecretkey+0000";

/// Credentials by access key.
#[derive(Debug)]
pub struct Keys {
    known: Mutex<HashMap<String, Key>>,
}

#[derive(Debug, Clone)]
struct Key {
    secret: String,
    token: Option<String>,
    expired: bool,
}

impl Default for Keys {
    fn default() -> Keys {
        let keys = Keys { known: Mutex::new(HashMap::new()) };
        keys.add(ACCESS_KEY, SECRET_KEY, None);
        keys
    }
}

impl Keys {
    /// Knows a key pair, which must come with this session token if there is one.
    pub fn add(&self, access: &str, secret: &str, token: Option<&str>) {
        let key = Key { secret: secret.to_owned(), token: token.map(str::to_owned), expired: false };
        self.lock().insert(access.to_owned(), key);
    }

    /// From now on the key has expired.
    pub fn expire(&self, access: &str) {
        if let Some(key) = self.lock().get_mut(access) {
            key.expired = true;
        }
    }

    /// From now on the key is unknown.
    pub fn remove(&self, access: &str) {
        self.lock().remove(access);
    }

    /// The secret of a key that comes with this token.
    pub fn secret(&self, access: &str, token: Option<&str>) -> Result<String, Error> {
        let unknown = || {
            Error::new(
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            )
            .detail("AWSAccessKeyId", access)
        };
        let key = self.lock().get(access).cloned().ok_or_else(unknown)?;
        if key.expired {
            return Err(Error::new("ExpiredToken", "The provided token has expired."));
        }
        if key.token.as_deref() != token {
            return Err(Error::new("InvalidToken", "The provided token is malformed or otherwise invalid."));
        }
        Ok(key.secret)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Key>> {
        self.known.lock().expect("no holder of the keys' lock panics")
    }
}
