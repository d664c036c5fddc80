//! The same request has the same answer.

use super::{manifest, token};
use crate::shared::edits::edits;
use crate::support::image::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use crate::support::{Image, Proxy, TinyLayer, Upstream, get};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wave_registry::oci::Digest;

/// Every document that a tag leads to, by a name for its place: index, manifests, configs, and what refers to these.
async fn snapshot(proxy: &Proxy, name: &str, tag: &str) -> BTreeMap<String, bytes::Bytes> {
    let mut all = BTreeMap::new();
    let mut next = vec![(tag.to_owned(), format!("manifests/{tag}"))];
    while let Some((place, path)) = next.pop() {
        let answer = get(&proxy.url(&format!("/v2/{name}/{path}"))).await;
        assert_eq!(answer.status, 200, "{place}: {}", String::from_utf8_lossy(&answer.body));
        let digest = Digest::sha256(&answer.body).to_string();
        assert!(path == format!("manifests/{tag}") || path.ends_with(&digest), "{place} is {digest}");
        let document: Value = serde_json::from_slice(&answer.body).unwrap();
        let mut add = |kind: &str, place: String, entry: &Value| {
            next.push((place, format!("{kind}/{}", entry["digest"].as_str().unwrap())));
        };
        for (number, entry) in document["manifests"].as_array().into_iter().flatten().enumerate() {
            add("manifests", format!("{place}/{number}"), entry);
        }
        if document["config"]["digest"].is_string() {
            add("blobs", format!("{place}/config"), &document["config"]);
        }
        if document["artifactType"] == "application/vnd.in-toto+json" {
            add("blobs", format!("{place}/statement"), &document["layers"][0]);
        } else if path.starts_with("manifests/") {
            let list = get(&proxy.url(&format!("/v2/{name}/referrers/{digest}"))).await;
            for entry in list.json()["manifests"].as_array().unwrap() {
                add("manifests", format!("{place}/referrer"), entry);
            }
        }
        all.insert(place, answer.body);
    }
    all
}

#[tokio::test]
async fn case_51_the_same_digests_on_every_replica_after_a_restart_and_without_any_data() {
    let upstream = Upstream::start().await;
    let (amd, arm) =
        (Image::push(&upstream, None, "amd64", b"x86"), Image::push(&upstream, None, "arm64", b"arm"));
    crate::support::image::index(&upstream, "v1", &[("amd64", amd), ("arm64", arm)]);
    let tiny = TinyLayer::new("foo.txt", "hello");
    let replica = async || Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    let (one, two) = (replica().await, replica().await);
    let mut snapshots = Vec::new();
    for proxy in [&one, &two] {
        let own = token(proxy, "v1", json!({})).await;
        snapshots.push((snapshot(proxy, "library/app", "v1").await, snapshot(proxy, &own, "v1").await));
    }
    // Nothing in memory; then nothing at all.
    for proxy in [one.restart().await, replica().await] {
        let own = token(&proxy, "v1", json!({})).await;
        snapshots.push((snapshot(&proxy, "library/app", "v1").await, snapshot(&proxy, &own, "v1").await));
    }
    let (default, asked) = &snapshots[0];
    // An index, its two manifests, their configs; and for each of the first three an artifact, its config and a
    // statement.
    assert_eq!((default.len(), asked.len()), (14, 14), "{:?}", default.keys());
    assert_ne!(default, asked);
    for (other, other_asked) in &snapshots[1..] {
        assert_eq!((other, other_asked), (default, asked));
    }
}

/// Writes an index over (digest, size, architecture).
type Order = fn(&[(String, String, &str)]) -> String;

/// The orders of the members of an index, of its entries, and of their platforms.
const ORDERS: [Order; 2] = [
    |entries| {
        let entries = entries.iter().map(|(digest, size, architecture)| {
            format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":{size},"platform":{{"architecture":"{architecture}","os":"linux"}}}}"#)
        });
        let entries = entries.collect::<Vec<_>>().join(",");
        format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{entries}]}}"#)
    },
    |entries| {
        let entries = entries.iter().map(|(digest, size, architecture)| {
            format!(r#"{{"platform":{{"os":"linux","architecture":"{architecture}"}},"size":{size},"digest":"{digest}","mediaType":"{OCI_MANIFEST}"}}"#)
        });
        let entries = entries.collect::<Vec<_>>().join(",");
        format!(r#"{{"manifests":[{entries}],"mediaType":"{OCI_INDEX}","schemaVersion":2}}"#)
    },
];

/// Another order of members is another base with another digest. What must not differ: all that the index refers to,
/// and where in it the new references are.
#[tokio::test]
async fn case_51_another_order_of_an_index_is_another_order_of_the_same_index() {
    let upstream = Upstream::start().await;
    let images = ["amd64", "arm64"].map(|name| (Image::push(&upstream, None, name, name.as_bytes()), name));
    let base =
        images.map(|(image, name)| (image.manifest.to_string(), image.manifest_size.to_string(), name));
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    let mut children = Vec::new();
    for (order, tag) in ORDERS.into_iter().zip(["one", "two"]) {
        upstream.manifest(Some(tag), OCI_INDEX, order(&base));
        let mut all = snapshot(&proxy, "library/app", tag).await;
        let served = all.remove(tag).unwrap();
        let entries: Value = serde_json::from_slice(&served).unwrap();
        let new = [0, 1].map(|place| {
            let entry = &entries["manifests"][place];
            (entry["digest"].as_str().unwrap().to_owned(), entry["size"].to_string(), base[place].2)
        });
        assert_ne!(new, base);
        assert_eq!(String::from_utf8_lossy(&served), order(&new));
        // The statement about the index names the base and the result, which are others.
        all.retain(|place, _| !place.starts_with(&format!("{tag}/referrer")));
        let of = |(place, body): (String, _)| (place.trim_start_matches(tag).to_owned(), body);
        children.push(all.into_iter().map(of).collect::<BTreeMap<_, _>>());
    }
    // Two manifests, their configs, and for each manifest an artifact, its config and a statement.
    assert_eq!(children[0].len(), 10, "{:?}", children[0].keys());
    assert_eq!(children[0], children[1]);
}

/// The same for a manifest: the config is the same, and the manifest differs in its order and in which base it names.
#[tokio::test]
async fn case_51_another_order_of_a_manifest_is_another_order_of_the_same_manifest() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, Some("one"), "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    let base = get(&format!("http://{}/v2/library/app/manifests/{}", upstream.address, image.manifest)).await;
    let document = base.json();
    let config = &document["config"];
    let other = format!(
        r#"{{"layers":[{{"size":1,"mediaType":"{OCI_LAYER}","digest":"{}"}}],"config":{{"size":{},"digest":{},"mediaType":"{OCI_CONFIG}"}},"schemaVersion":2,"mediaType":"{OCI_MANIFEST}"}}"#,
        image.layer, config["size"], config["digest"]
    );
    let named = upstream.manifest(Some("two"), OCI_MANIFEST, other.clone());
    let (one, two) =
        (manifest(&proxy, "library/app", "one").await, manifest(&proxy, "library/app", "two").await);
    let mut expected = one.json();
    assert_eq!(expected["config"], two.json()["config"]);
    expected["annotations"]["org.opencontainers.image.base.digest"] = json!(named);
    assert_eq!(two.json(), expected);
    let paths = |base: &[u8], new: &[u8]| {
        let mut paths: Vec<_> = edits(base, new).into_iter().map(|edit| edit.path).collect();
        paths.sort();
        paths
    };
    assert_eq!(paths(&base.body, &one.body), paths(other.as_bytes(), &two.body));
}
