//! Tag lists and referrers.

use crate::support::image::OCI_INDEX;
use crate::support::{Image, Proxy, TinyLayer, Upstream, get, respond};
use wave_registry::oci::Digest;

async fn tagged() -> Upstream {
    Upstream::scripted(|seen| {
        let last = seen.query.contains("last=b");
        let page = if last { r#"["c"]"# } else { r#"["a","b"]"# };
        let body = format!(r#"{{"name":"library/app","tags":{page}}}"#);
        let link = [("link", "</v2/library/app/tags/list?n=2&last=b>; rel=\"next\"")];
        seen.path.ends_with("/tags/list").then(|| respond(200, if last { &[] } else { &link }, body))
    })
    .await
}

#[tokio::test]
async fn tags_come_page_by_page_under_our_name() {
    let upstream = tagged().await;
    let proxy = Proxy::start(&upstream).await;
    let first = get(&proxy.url("/v2/up.test/library/app/tags/list?n=2")).await;
    assert_eq!(first.json(), serde_json::json!({"name": "up.test/library/app", "tags": ["a", "b"]}));
    let link = first.header("link").to_string();
    let next = link.strip_prefix('<').unwrap().split('>').next().unwrap();
    assert!(next.starts_with("/v2/up.test/library/app/tags/list?"), "{link}");
    let second = get(&proxy.url(next)).await;
    assert_eq!(second.json()["tags"], serde_json::json!(["c"]));
    assert_eq!(second.header("link"), "");
    assert_eq!(get(&proxy.url("/v2/library/app/tags/list?n=0")).await.json()["tags"], serde_json::json!([]));
    assert_eq!(upstream.seen("/tags/list").pop().unwrap().query, "n=1");
}

/// All pages of a list, from `path` on, as a client sees them; it follows whatever it is told to.
async fn pages(proxy: &Proxy, path: &str) -> Vec<serde_json::Value> {
    let (mut pages, mut path) = (Vec::new(), path.to_string());
    loop {
        let page = get(&proxy.url(&path)).await;
        assert_eq!(page.status, 200, "{path}");
        pages.push(page.json());
        let link = page.header("link");
        let Some(next) = link.strip_prefix('<').and_then(|link| link.split('>').next()) else { return pages };
        path = next.to_string();
        assert!(pages.len() < 20, "it goes in a circle: {path}");
    }
}

fn tags(page: &serde_json::Value) -> Vec<&str> {
    page["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect()
}

/// A registry that sends all its tags, in no order, whatever it is asked for.
async fn unpaged() -> Upstream {
    Upstream::scripted(|seen| {
        let body = r#"{"name":"library/app","tags":["d","b","a","b","e","c"]}"#;
        seen.path.ends_with("library/app/tags/list").then(|| respond(200, &[], body))
    })
    .await
}

#[tokio::test]
async fn a_registry_that_does_not_page_is_paged() {
    let upstream = unpaged().await;
    let proxy = Proxy::start(&upstream).await;
    let all = get(&proxy.url("/v2/library/app/tags/list")).await;
    assert_eq!(tags(&all.json()), ["a", "b", "c", "d", "e"]);
    let pages = pages(&proxy, "/v2/library/app/tags/list?n=2").await;
    let pages: Vec<_> = pages.iter().map(tags).collect();
    assert_eq!(pages, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    let behind = get(&proxy.url("/v2/library/app/tags/list?last=c")).await;
    assert_eq!(tags(&behind.json()), ["d", "e"]);
    get(&proxy.url("/v2/library/none/tags/list?n=0")).await.is_error(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn links_keep_to_the_name_that_was_used() {
    let upstream = unpaged().await;
    let proxy = Proxy::start(&upstream).await;
    for (first, name) in [
        ("/v2/short/library/app/tags/list?n=3", "short/library/app"),
        ("/v2/up.test/library/app/tags/list?n=3", "up.test/library/app"),
        ("/v2/library/app/tags/list?n=3&ns=up.test", "library/app"),
    ] {
        let pages = pages(&proxy, first).await;
        assert_eq!(pages.len(), 2, "{first}");
        assert!(pages.iter().all(|page| page["name"] == name), "{pages:?}");
        let link = get(&proxy.url(first)).await.header("link").to_string();
        assert!(link.starts_with(&format!("</v2/{name}/tags/list?")), "{link}");
        assert_eq!(link.contains("ns=up%2Etest"), first.contains("ns="), "{link}");
    }
}

#[tokio::test]
async fn the_largest_page_is_the_operators_to_say() {
    let upstream = Upstream::scripted(|seen| {
        let tags: Vec<_> = (0..100_000).map(|at| format!("{at:020}")).collect();
        let body = serde_json::json!({ "name": "library/app", "tags": tags }).to_string();
        seen.path.ends_with("/tags/list").then(|| respond(200, &[], body))
    })
    .await;
    let proxy = Proxy::start(&upstream).await;
    let all = get(&proxy.url("/v2/library/app/tags/list")).await;
    assert_eq!((all.status.as_u16(), all.body.len() > 2 << 20), (200, true));
    let strict = Proxy::with(&upstream, "  upstream: { list-limit: 1MiB }\n").await;
    get(&strict.url("/v2/library/app/tags/list")).await.is_error(502, "UNAVAILABLE");
}

fn digests(pages: &[serde_json::Value]) -> Vec<String> {
    let entries = pages.iter().flat_map(|page| page["manifests"].as_array().unwrap());
    entries.map(|entry| entry["digest"].as_str().unwrap().to_string()).collect()
}

/// An index of referrers that are called after the numbers.
fn index(numbers: std::ops::Range<usize>) -> String {
    let entries: Vec<_> =
        numbers.map(|at| serde_json::json!({"digest": at.to_string(), "artifactType": "a/b"})).collect();
    serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string()
}

#[tokio::test]
async fn referrers_are_paged_by_the_cursor_of_the_registry() {
    let upstream = Upstream::scripted(|seen| {
        let first = !seen.query.contains("last=");
        let link = [("link", "</v2/x/referrers/y?n=2&last=1&artifactType=a%2Fb>; rel=\"next\"")];
        let page = if first { respond(200, &link, index(0..2)) } else { respond(200, &[], index(2..3)) };
        seen.path.contains("/referrers/").then_some(page)
    })
    .await;
    let proxy = Proxy::start(&upstream).await;
    let subject = Digest::sha256("subject");
    let path = format!("/v2/library/app/referrers/{subject}?artifactType=a%2Fb");
    assert_eq!(digests(&pages(&proxy, &path).await), ["0", "1", "2"]);
    assert_eq!(upstream.seen("/referrers/")[1].query, "artifactType=a%2Fb&n=2&last=1");
}

#[tokio::test]
async fn no_referrer_is_skipped() {
    // Two pages of the registry, the first of which is three of ours; it calls its cursor as we call ours.
    let upstream = Upstream::scripted(|seen| {
        let first = !seen.query.contains("wave.skip=7");
        let link = [("link", "</v2/x?wave.skip=7>; rel=\"next\"")];
        let page =
            if first { respond(200, &link, index(0..2500)) } else { respond(200, &[], index(2500..3700)) };
        seen.path.contains("/referrers/").then_some(page)
    })
    .await;
    let proxy = Proxy::start(&upstream).await;
    let subject = Digest::sha256("subject");
    let pages = pages(&proxy, &format!("/v2/library/app/referrers/{subject}?ns=up.test")).await;
    let sizes: Vec<_> = pages.iter().map(|page| page["manifests"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1000, 1000, 500, 1000, 200]);
    let all: Vec<_> = (0..3700).map(|at| at.to_string()).collect();
    assert_eq!(digests(&pages), all);
}

#[tokio::test]
async fn referrers_come_from_upstream_from_the_tag_or_are_none() {
    let subject = Digest::sha256("subject");
    let entry = r#"{"mediaType":"m","digest":"d","size":1,"artifactType":"a/b"}"#;
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{entry}]}}"#);

    let answer = index.clone();
    let api = Upstream::scripted(move |seen| {
        seen.path
            .contains("/referrers/")
            .then(|| respond(200, &[("content-type", OCI_INDEX)], answer.clone()))
    })
    .await;
    let schema = Upstream::start().await;
    schema.manifest(Some(&format!("sha256-{}", subject.hex())), OCI_INDEX, index);
    let neither = Upstream::start().await;

    for (upstream, count) in [(api, 1), (schema, 1), (neither, 0)] {
        let proxy = Proxy::start(&upstream).await;
        let list = get(&proxy.url(&format!("/v2/library/app/referrers/{subject}"))).await;
        assert_eq!((list.status.as_u16(), list.header("content-type")), (200, OCI_INDEX));
        assert_eq!(list.json()["manifests"].as_array().unwrap().len(), count);
        let none = get(&proxy.url(&format!("/v2/library/app/referrers/{subject}?artifactType=x%2Fy"))).await;
        assert_eq!(none.json()["manifests"], serde_json::json!([]));
        assert_eq!(none.header("oci-filters-applied"), "artifactType");
    }
}

#[tokio::test]
async fn what_was_done_to_an_image_refers_to_it() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("v1"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    let ours = get(&proxy.url("/v2/library/app/manifests/v1")).await;
    let digest = ours.header("docker-content-digest").to_owned();
    let list = get(&proxy.url(&format!("/v2/library/app/referrers/{digest}"))).await;
    let entries = list.json()["manifests"].as_array().unwrap().clone();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(entry["artifactType"], "application/vnd.in-toto+json");
    let by_type = |of: &str| format!("/v2/library/app/referrers/{digest}?artifactType={of}");
    let same = get(&proxy.url(&by_type("application%2Fvnd.in-toto%2Bjson"))).await;
    assert_eq!(same.json()["manifests"], list.json()["manifests"]);
    assert_eq!(get(&proxy.url(&by_type("a%2Fb"))).await.json()["manifests"], serde_json::json!([]));
    // Nobody asked upstream, which knows nothing of our digest; and a restart changes nothing.
    assert!(upstream.seen("/referrers/").is_empty());
    let proxy = proxy.restart().await;

    let verified = async |kind: &str, descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        let found = get(&proxy.url(&format!("/v2/library/app/{kind}/{digest}"))).await;
        assert_eq!(found.status, 200);
        assert_eq!(Digest::sha256(&found.body).to_string(), digest);
        assert_eq!(descriptor["size"], found.body.len());
        found
    };
    let artifact = verified("manifests", entry).await;
    assert_eq!(artifact.header("content-type"), "application/vnd.oci.image.manifest.v1+json");
    let artifact = artifact.json();
    assert_eq!(artifact["subject"]["digest"], digest);
    assert_eq!(&verified("blobs", &artifact["config"]).await.body[..], b"{}");
    let statement = verified("blobs", &artifact["layers"][0]).await.json();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    let base = &statement["predicate"]["buildDefinition"]["resolvedDependencies"][0];
    assert_eq!(base["uri"], format!("oci://up.test/library/app@{}", image.manifest));
}
