//! Which challenge of a response is answered.

use crate::oci::Challenge;
use http::{HeaderMap, header};

/// The challenge to answer: the first Bearer, else the first Basic. A registry that offers both wants a token where
/// one can be had. A scope is left out, since it differs with what was asked for and we compute our own.
pub(crate) fn pick(headers: &HeaderMap) -> Option<Challenge> {
    let lines = headers.get_all(header::WWW_AUTHENTICATE).iter();
    // Realms of Basic are words for people, in any language.
    let all: Vec<_> =
        lines.flat_map(|line| Challenge::parse(&String::from_utf8_lossy(line.as_bytes()))).collect();
    let bearer = all.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or(all.first()).cloned().map(|challenge| match challenge {
        Challenge::Bearer { realm, service, .. } => Challenge::Bearer { realm, service, scope: None },
        basic => basic,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn bearer_before_basic() {
        let mut headers = HeaderMap::new();
        assert_eq!(pick(&headers), None);
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"x\""));
        assert_eq!(pick(&headers), Some(Challenge::Basic { realm: "x".into() }));
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"https://a/t\""));
        assert!(matches!(pick(&headers), Some(Challenge::Bearer { .. })));
    }

    #[test]
    fn words_in_other_languages_are_no_obstacle() {
        for realm in [&b"Basic realm=\"Zugang f\xc3\xbcr alle\""[..], b"Basic realm=\"Zugang f\xfcr alle\""] {
            let mut headers = HeaderMap::new();
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_bytes(realm).unwrap());
            assert!(matches!(pick(&headers), Some(Challenge::Basic { .. })));
        }
    }
}
