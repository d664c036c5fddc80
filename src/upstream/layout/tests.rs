use super::*;
use crate::config;
use crate::oci::{Digest, headers};
use crate::pull::Verb;
use crate::upstream::script::{fetch, listed, only, text};
use http::HeaderValue;
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A layout directory that goes away with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("wave-layout-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        Dir(path)
    }

    fn blob(&self, content: impl AsRef<[u8]>) -> Digest {
        let digest = Digest::sha256(content.as_ref());
        std::fs::write(self.0.join("blobs/sha256").join(digest.hex()), content).unwrap();
        digest
    }

    /// A manifest with `extra` fields, of which `names` are reference names.
    fn index(&self, entries: &[(Digest, Option<&str>)]) {
        let entry = |(digest, name): &(Digest, Option<&str>)| match name {
            None => json!({ "digest": digest.to_string(), "size": 1 }),
            Some(name) => json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest.to_string(),
                "size": 1,
                "annotations": { "org.opencontainers.image.ref.name": name },
            }),
        };
        let mut manifests: Vec<_> = entries.iter().map(entry).collect();
        manifests.push(json!({ "digest": "md5:strange" }));
        let index = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        std::fs::write(self.0.join("index.json"), index).unwrap();
    }

    async fn ask(&self, change: impl FnOnce(&mut Fetch)) -> Result<Response<Body>, Error> {
        let policy = config::Registry { layout: Some(self.0.clone()), ..Default::default() };
        let mut fetch = fetch(&only(&listed("local.example", policy)), tags(None, None));
        change(&mut fetch);
        answer(&self.0, &fetch, 4096).await
    }

    async fn get(&self, what: What) -> Result<Response<Body>, Error> {
        self.ask(|fetch| fetch.what = what).await
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tags(n: Option<u32>, last: Option<&str>) -> What {
    What::Tags { n, last: last.map(Into::into), more: vec![] }
}

fn manifest(reference: &str) -> What {
    What::Manifest(reference.parse().unwrap())
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn manifests_by_tag_and_digest() {
    let dir = Dir::new();
    let content = r#"{"schemaVersion":2,"layers":[]}"#;
    let digest = dir.blob(content);
    let index = dir.blob(r#"{"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json"}"#);
    dir.index(&[(digest, Some("latest")), (digest, Some("library/x:1.0")), (digest, Some("other:2.0"))]);

    for reference in ["latest", "1.0", &digest.to_string()] {
        let response = dir.get(manifest(reference)).await.unwrap();
        assert_eq!(header(&response, "content-type"), "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(header(&response, "docker-content-digest"), digest.to_string());
        assert_eq!(header(&response, "etag"), format!("\"{digest}\""));
        assert_eq!(header(&response, "content-length"), content.len().to_string());
        assert_eq!(text(response).await, content);
    }
    let list = dir.get(manifest(&index.to_string())).await.unwrap();
    assert_eq!(header(&list, "content-type"), "application/vnd.docker.distribution.manifest.list.v2+json");
    let head = dir.ask(|fetch| (fetch.what, fetch.verb) = (manifest("latest"), Verb::Head)).await.unwrap();
    assert_eq!(header(&head, "content-length"), content.len().to_string());
    assert_eq!(text(head).await, "");

    let none = Digest::sha256("none").to_string();
    for reference in ["2.0", "nothing", &none] {
        let error = dir.get(manifest(reference)).await.unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), (Code::ManifestUnknown, 404));
    }
}

#[tokio::test]
async fn blobs_in_whole_and_in_part() {
    let dir = Dir::new();
    dir.index(&[]);
    let digest = dir.blob("0123456789");
    let ask = async |name: &'static str, value: &str| {
        let value = HeaderValue::try_from(value).unwrap();
        dir.ask(|fetch| {
            fetch.what = What::Blob(digest);
            fetch.headers.insert(name, value);
        })
        .await
        .unwrap()
    };
    let whole = ask("accept", "*/*").await;
    assert_eq!((whole.status().as_u16(), header(&whole, "content-length")), (200, "10"));
    assert_eq!(header(&whole, "content-type"), "application/octet-stream");
    assert_eq!(text(whole).await, "0123456789");
    let part = ask("range", "bytes=2-4").await;
    assert_eq!((part.status().as_u16(), header(&part, "content-range")), (206, "bytes 2-4/10"));
    assert_eq!(header(&part, "content-length"), "3");
    assert_eq!(text(part).await, "234");
    assert_eq!(text(ask("range", "bytes=-3").await).await, "789");
    let beyond = ask("range", "bytes=10-").await;
    assert_eq!((beyond.status().as_u16(), header(&beyond, "content-range")), (416, "bytes */10"));
    let missing = dir.get(What::Blob(Digest::sha256("none"))).await.unwrap_err();
    assert_eq!((missing.code(), missing.status().as_u16()), (Code::BlobUnknown, 404));
}

#[tokio::test]
async fn tags_come_in_pages() {
    let dir = Dir::new();
    let digest = dir.blob("{}");
    let names = ["b", "library/x:c", "a", "a", "other:d", "not/a:tag!", "library/x:-bad"];
    dir.index(&names.map(|name| (digest, Some(name))));
    let page = async |n, last| {
        let response = dir.get(tags(n, last)).await.unwrap();
        (header(&response, "link").to_string(), text(response).await)
    };
    let next = |last: &str| format!("</v2/library/x/tags/list?n=1&last={last}>; rel=\"next\"");
    let list = |tags: &str| format!(r#"{{"name":"library/x","tags":[{tags}]}}"#);
    assert_eq!(page(None, None).await, (String::new(), list(r#""a","b","c""#)));
    assert_eq!(page(Some(1), None).await, (next("a"), list(r#""a""#)));
    assert_eq!(page(Some(1), Some("a")).await, (next("b"), list(r#""b""#)));
    assert_eq!(page(Some(1), Some("b")).await, (String::new(), list(r#""c""#)));
    assert_eq!(page(Some(0), None).await, (String::new(), list("")));
    dir.index(&[(digest, Some("other:d"))]);
    assert_eq!(dir.get(tags(None, None)).await.unwrap_err().code(), Code::NameUnknown);
}

#[tokio::test]
async fn referrers_of_a_subject() {
    let dir = Dir::new();
    let subject = dir.blob("{}");
    let refers = |kind: &str| {
        let subject = json!({ "digest": subject.to_string(), "size": 2, "mediaType": "x/y" });
        json!({ "layers": [], "subject": subject, "config": { "mediaType": kind }, "annotations": { "k": "v" } })
    };
    let (one, two) = (dir.blob(refers("a/one").to_string()), dir.blob(refers("a/two").to_string()));
    dir.index(&[(subject, None), (one, None), (two, None)]);
    let ask = async |kind: Option<&str>| {
        let what = What::Referrers { subject, artifact_type: kind.map(Into::into), skip: 0, more: vec![] };
        let response = dir.get(what).await.unwrap();
        assert_eq!(header(&response, "content-type"), "application/vnd.oci.image.index.v1+json");
        let filters = response.headers().contains_key(headers::FILTERS_APPLIED);
        let index: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
        (filters, index["manifests"].as_array().unwrap().clone())
    };
    let (filtered, all) = ask(None).await;
    assert_eq!((filtered, all.len()), (false, 2));
    assert_eq!((&all[0]["artifactType"], &all[0]["annotations"]["k"]), (&json!("a/one"), &json!("v")));
    let (filtered, some) = ask(Some("a/two")).await;
    assert_eq!((filtered, some.len(), &some[0]["digest"]), (true, 1, &json!(two.to_string())));
    assert_eq!(ask(Some("a/three")).await.1.len(), 0);
}

#[tokio::test]
async fn a_repository_may_have_its_own_layout() {
    let dir = Dir::new();
    dir.index(&[(dir.blob(r#"{"layers":["outer"]}"#), Some("latest"))]);
    let inner = Dir(dir.0.join("library/x"));
    std::fs::create_dir_all(inner.0.join("blobs/sha256")).unwrap();
    inner.index(&[(inner.blob(r#"{"layers":["inner"]}"#), Some("latest"))]);
    assert_eq!(text(dir.get(manifest("latest")).await.unwrap()).await, r#"{"layers":["inner"]}"#);
    let other = dir.ask(|fetch| {
        fetch.repository = "library/y".parse().unwrap();
        fetch.what = manifest("latest");
    });
    assert_eq!(text(other.await.unwrap()).await, r#"{"layers":["outer"]}"#);
}

#[tokio::test]
async fn what_is_broken_is_not_served() {
    let dir = Dir::new();
    let absent = dir.get(manifest("latest")).await.unwrap_err();
    assert_eq!((absent.code(), absent.status().as_u16()), (Code::Unavailable, 502));
    let digest = dir.blob("{\"layers\":[]}");
    dir.index(&[(digest, Some("latest"))]);
    std::fs::write(dir.0.join("blobs/sha256").join(digest.hex()), "{\"layers\":[1]}").unwrap();
    assert_eq!(dir.get(manifest("latest")).await.unwrap_err().status(), 502);
    let large = dir.blob(vec![b' '; 5000]);
    assert_eq!(dir.get(manifest(&large.to_string())).await.unwrap_err().status(), 502);
    let blob = dir.blob("no manifest");
    assert_eq!(dir.get(manifest(&blob.to_string())).await.unwrap_err().status(), 404);
    std::fs::write(dir.0.join("index.json"), "<html>").unwrap();
    assert_eq!(dir.get(manifest("latest")).await.unwrap_err().status(), 502);
}
