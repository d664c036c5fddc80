//! Which challenge of a response is answered.

use crate::oci::Challenge;
use http::{HeaderMap, Response, header};
use tower_http::follow_redirect::RequestUri;
use url::Url;

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

/// Is this the answer of the registry at `base`, and not of whom it redirected to? Only a registry's own challenges
/// are answered with what is meant for it.
pub(crate) fn is_from<B>(base: &Url, response: &Response<B>) -> bool {
    let Some(RequestUri(uri)) = response.extensions().get() else { return true };
    Url::parse(&uri.to_string()).is_ok_and(|url| url.origin() == base.origin())
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

    #[test]
    fn a_redirect_leads_away_from_the_registry() {
        let check = |uri: &'static str, want| {
            let mut response = Response::new(());
            response.extensions_mut().insert(RequestUri(http::Uri::from_static(uri)));
            assert_eq!(is_from(&Url::parse("https://a.example").unwrap(), &response), want, "{uri}");
        };
        check("https://a.example/v2/", true);
        check("https://A.example:443/elsewhere", true);
        check("https://a.example:8443/v2/", false);
        check("http://a.example/v2/", false);
        check("https://b.example/v2/", false);
    }
}
