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
