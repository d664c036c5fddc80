//! `tags/list`.

use super::link::{Link, own_name};
use super::list;
use crate::body::{Body, bounded};
use crate::error::Error;
use crate::oci::headers;
use crate::pull::stream::fetch;
use crate::pull::{Scoped, Verb, What};
use crate::upstream::Upstream;
use http::{HeaderMap, Response, header};
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

#[derive(Serialize)]
struct OwnPage<'a> {
    name: &'a str,
    tags: Vec<String>,
}

/// `tags/list` (distribution-spec, "Listing tags"): upstream's, in order, with `name` and `Link` under the name the
/// caller used. `limit` is the largest page of an upstream, in bytes.
pub(in crate::pull) async fn tags(
    upstream: &Upstream,
    scoped: &Scoped,
    limit: usize,
) -> Result<Response<Body>, Error> {
    let What::Tags { n, last, more } = &scoped.pull.wish else {
        return Err(Error::internal("tags were expected"));
    };
    // Whether there is such a repository is upstream's to say, and some take `n=0` for no limit.
    let what = What::Tags { n: n.map(|n| n.max(1)), last: last.clone(), more: more.clone() };
    let mut accept = HeaderMap::new();
    accept.insert(header::ACCEPT, headers::JSON);
    let (parts, body) = upstream.clone().oneshot(fetch(scoped, what, Verb::Get, accept)).await?.into_parts();
    let page: Page = serde_json::from_slice(&bounded(body, limit).await?)
        .map_err(|error| Error::bad_gateway("upstream's tag list is not one").with_source(error))?;
    let name = own_name(&scoped.pull.place);
    if *n == Some(0) {
        return Ok(list(&OwnPage { name: &name, tags: Vec::new() }, headers::JSON, None));
    }
    let mut tags = page.tags.unwrap_or_default();
    tags.sort_unstable();
    tags.dedup();
    let next = Link::upstreams(scoped, "tags/list", &parts.headers).or_else(|| {
        let last = cut(&mut tags, n.map(|n| n as usize), last.as_deref())?;
        let n = tags.len().to_string();
        Some(Link::own(scoped, "tags/list", vec![("n".into(), n), ("last".into(), last)]))
    });
    Ok(list(&OwnPage { name: &name, tags }, headers::JSON, next))
}

/// Makes the page that was asked for of the answer of a registry that does not page; where the next one starts, if
/// there is one.
///
/// Such a registry is known by an answer with more than `n` tags, or with `last` itself. Nothing is taken away from
/// any other answer: the last page of a registry that pages in an order of its own holds tags that sort before `last`.
fn cut(tags: &mut Vec<String>, n: Option<usize>, last: Option<&str>) -> Option<String> {
    let too_many = n.is_some_and(|n| tags.len() > n);
    let has_last = last.is_some_and(|last| tags.binary_search_by(|tag| tag.as_str().cmp(last)).is_ok());
    if !too_many && !has_last {
        return None;
    }
    tags.retain(|tag| last.is_none_or(|last| tag.as_str() > last));
    let n = n.filter(|n| tags.len() > *n)?;
    tags.truncate(n);
    tags.last().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_made_where_the_registry_makes_none() {
        let check = |n, last, want: &[&str], next: Option<&str>| {
            let mut tags = ["a", "b", "c", "d"].map(String::from).to_vec();
            assert_eq!(cut(&mut tags, n, last).as_deref(), next, "{n:?} {last:?}");
            assert_eq!(tags, want, "{n:?} {last:?}");
        };
        check(None, None, &["a", "b", "c", "d"], None);
        check(Some(4), None, &["a", "b", "c", "d"], None);
        check(Some(3), None, &["a", "b", "c"], Some("c"));
        check(Some(1), Some("a"), &["b"], Some("b"));
        check(Some(2), Some("b"), &["c", "d"], None);
        check(Some(1), Some("bb"), &["c"], Some("c"));
        check(Some(9), Some("d"), &[], None);
        check(None, Some("c"), &["d"], None);
        // Neither is here: the end of a list in another order.
        check(Some(9), Some("x"), &["a", "b", "c", "d"], None);
    }
}
