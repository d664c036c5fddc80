//! User names and passwords, in and out.

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// A user name and a password or token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// What proves it.
    pub password: Secret,
}

impl Credentials {
    /// The `Authorization` header (RFC 7617), marked sensitive.
    pub fn header(&self) -> HeaderValue {
        let pair = STANDARD.encode(format!("{}:{}", self.username, self.password.expose()));
        let mut value = HeaderValue::try_from(format!("Basic {pair}")).expect("base64 is ASCII");
        value.set_sensitive(true);
        value
    }
}

/// The credentials of a Basic `Authorization` header; `None` when it is none. An empty user name without a
/// password is what some clients send when they have none, and counts as none.
pub fn basic(value: &HeaderValue) -> Option<Credentials> {
    let (scheme, pair) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
    let (username, password) = pair.split_once(':')?;
    if username.is_empty() && password.is_empty() {
        return None;
    }
    Some(Credentials { username: username.into(), password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let credentials = Credentials { username: "alice".into(), password: Secret::new("s3:cret") };
        assert_eq!(basic(&credentials.header()), Some(credentials.clone()));
        assert!(credentials.header().is_sensitive());
        for none in ["Basic Og==", "Bearer abc", "Basic", "Basic !!", "Basic YWJj"] {
            assert_eq!(basic(&HeaderValue::from_static(none)), None, "{none}");
        }
    }
}
