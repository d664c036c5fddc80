//! Where a list goes on: `Link: <...>; rel="next"` (RFC 8288), with our path and somebody's cursor.

use crate::pull::request::SKIP;
use crate::pull::{Place, Scoped};
use http::{HeaderMap, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write as _;

/// The next page of a list.
#[derive(Debug)]
pub(super) struct Link(String);

/// Parameters of a query, decoded.
type Query = Vec<(String, String)>;

impl Link {
    /// The page of the list at `tail` that `query` asks us for.
    pub(super) fn own(scoped: &Scoped, tail: &str, query: Query) -> Link {
        Link::at(&scoped.pull.place, tail, query)
    }

    /// The page upstream's `Link` leads to, with its query kept and its path replaced by ours: where it points is
    /// upstream's word and is never followed by us, nor handed on.
    pub(super) fn upstreams(scoped: &Scoped, tail: &str, fields: &HeaderMap) -> Option<Link> {
        let mut query = cursor(fields)?;
        if query.iter().any(|(key, _)| key == SKIP) {
            query.push((SKIP.into(), "0".into()));
        }
        Some(Link::at(&scoped.pull.place, tail, query))
    }

    /// As a header; what is too long for one is none.
    pub(super) fn header(self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.0).ok()
    }

    fn at(place: &Place, tail: &str, mut query: Query) -> Link {
        // The namespace is the caller's, never one that an upstream thinks of.
        query.retain(|(key, _)| key != "ns");
        if let Place::Mirror(registry, _) = place {
            query.push(("ns".into(), registry.text.clone()));
        }
        let mut link = format!("</v2/{}/{tail}", own_name(place));
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        for (at, (key, value)) in query.iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            write!(link, "{mark}{}={}", encode(key), encode(value)).expect("a String takes all");
        }
        Link(link + ">; rel=\"next\"")
    }
}

/// The name under which the caller knows the repository.
pub(super) fn own_name(place: &Place) -> String {
    match place {
        Place::Default(name) | Place::Mirror(_, name) => name.to_string(),
        Place::Named(registry, name) => format!("{}/{name}", registry.text),
        Place::Token(token, name) => format!("wt/{}/{name}", token.expose()),
    }
}

/// The query of the link to the next page.
fn cursor(fields: &HeaderMap) -> Option<Query> {
    let query = fields.get_all(header::LINK).iter().find_map(|line| next(line.to_str().ok()?))?;
    Some(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

fn next(mut text: &str) -> Option<&str> {
    while let Some((_, rest)) = text.split_once('<') {
        let (target, rest) = rest.split_once('>')?;
        let (relation, others) = rest.split_once(',').unwrap_or((rest, ""));
        if relation.replace(['"', ' '], "").contains("rel=next") {
            return target.split_once('?').map(|(_, query)| query);
        }
        text = others;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::Spelt;

    fn spelt(text: &str, host: &str) -> Spelt {
        Spelt { text: text.into(), host: host.parse().unwrap() }
    }

    #[test]
    fn the_cursor_of_an_upstream_is_kept_and_nothing_else() {
        let check = |lines: &[&'static str], want: Option<&str>| {
            let named = |line: &&'static str| (header::LINK, HeaderValue::from_static(line));
            let fields: HeaderMap = lines.iter().map(named).collect();
            let link = cursor(&fields).map(|query| {
                Link::at(&Place::Default("a".parse().unwrap()), "tags/list", query).header().unwrap()
            });
            assert_eq!(link.as_ref().map(|link| link.to_str().unwrap()), want, "{lines:?}");
        };
        let two = "</v2/a/tags/list?n=2&last=b>; rel=\"next\"";
        check(&["</v2/x/tags/list?n=2&last=b>; rel=\"next\""], Some(two));
        check(&["</v2/x?n=1>; rel=\"prev\", </v2/x?n=2&last=b>; rel=\"next\""], Some(two));
        check(
            &["</v2/x?n=1>; rel=\"prev\"", "<?n=2&ns=evil.example&last=b>; rel=next; title=\"<\""],
            Some(two),
        );
        check(
            &["<https://evil.example/v2/x?next_page=gAA%3D>; rel=next"],
            Some("</v2/a/tags/list?next%5Fpage=gAA%3D>; rel=\"next\""),
        );
        for none in ["</v2/x/tags/list?n=2>; rel=\"prev\"", "</v2/x>; rel=\"next\"", "nonsense", "<x"] {
            check(&[none], None);
        }
    }

    #[test]
    fn a_link_is_spelt_as_the_caller_spells_the_name() {
        let link = |place| Link::at(&place, "tags/list", vec![("n".into(), "1".into())]).0;
        let name = || "library/app".parse().unwrap();
        assert_eq!(
            link(Place::Named(spelt("quay", "quay.io"), name())),
            "</v2/quay/library/app/tags/list?n=1>; rel=\"next\""
        );
        assert_eq!(
            link(Place::Mirror(spelt("index.docker.io", "docker.io"), name())),
            "</v2/library/app/tags/list?n=1&ns=index%2Edocker%2Eio>; rel=\"next\""
        );
    }
}
