//! Documents that are refused, or left as they are.

use super::{manifest, token};
use crate::support::image::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use crate::support::{Image, Proxy, TinyLayer, Upstream};
use serde_json::json;
use wave_registry::oci::Digest;

/// A manifest with this size of its config, and with more members.
fn text(image: &Image, size: &str, more: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"{OCI_CONFIG}","digest":"{0}","size":{size}}},"layers":[{{"mediaType":"{OCI_LAYER}","digest":"{0}","size":1}}]{more}}}"#,
        image.layer
    )
}

/// What nobody asked to change passes, byte by byte; who asked is told why not.
#[tokio::test]
async fn case_32_documents_that_could_be_read_differently_are_never_changed() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, None, "amd64", b"x");
    let latin1 = [text(&image, "1", r#","x":""#).trim_end_matches('}').as_bytes(), b"\xe9\"}"].concat();
    let deep = format!(r#","x":{}{}"#, "[".repeat(64), "]".repeat(64));
    let documents = [
        ("deep", text(&image, "1", &deep).into_bytes(), "nested too deep"),
        ("twice", text(&image, "1", r#","config":{}"#).into_bytes(), "'config' occurs twice"),
        ("case", text(&image, "1", r#","Layers":[]"#).into_bytes(), "looks like 'layers'"),
        ("escaped", text(&image, "1", r#","l\u0061yers":[]"#).into_bytes(), "looks like 'layers'"),
        ("both", text(&image, "1", r#","manifests":[]"#).into_bytes(), "both 'layers' and 'manifests'"),
        ("negative", text(&image, "-1", "").into_bytes(), "'size' is malformed"),
        ("beyond-64-bits", text(&image, "9223372036854775808", "").into_bytes(), "'size' is malformed"),
        ("exponent", text(&image, "1e3", "").into_bytes(), "'size' is malformed"),
        ("latin1", latin1, "not UTF-8"),
    ];
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    for (tag, document, why) in documents {
        upstream.manifest(Some(tag), OCI_MANIFEST, document.clone());
        let plain = manifest(&proxy, "library/app", tag).await;
        assert_eq!((plain.status.as_u16(), &plain.body[..]), (200, &document[..]), "{tag}");
        let refused = manifest(&proxy, &token(&proxy, tag, json!({})).await, tag).await;
        refused.is_error(400, "MANIFEST_INVALID");
        let message = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(why), "{tag}: {message}");
    }
}

/// What cannot be a manifest is no manifest, whoever asks.
#[tokio::test]
async fn case_32_what_is_no_manifest_is_upstreams_failure() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, None, "amd64", b"x");
    let plain = text(&image, "1", "");
    let large = text(&image, "1", &format!(r#","x":"{}""#, " ".repeat(4 << 20)));
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    for (tag, media, document, asked) in [
        ("bom", OCI_MANIFEST, format!("\u{feff}{plain}"), (400, "MANIFEST_INVALID")),
        ("followed", OCI_MANIFEST, format!("{plain}{{}}"), (400, "MANIFEST_INVALID")),
        ("large", OCI_MANIFEST, large, (502, "UNAVAILABLE")),
        ("other-type", OCI_INDEX, plain.clone(), (502, "UNAVAILABLE")),
    ] {
        upstream.manifest(Some(tag), media, document);
        manifest(&proxy, "library/app", tag).await.is_error(502, "UNAVAILABLE");
        let (status, code) = asked;
        manifest(&proxy, &token(&proxy, tag, json!({})).await, tag).await.is_error(status, code);
    }
}

/// An index over (digest, size, architecture).
fn index(entries: impl Iterator<Item = (Digest, usize, String)>) -> String {
    let entries = entries.map(|(digest, size, architecture)| {
        format!(
            r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":{size},"platform":{{"os":"linux","architecture":"{architecture}"}}}}"#
        )
    });
    let entries = entries.collect::<Vec<_>>().join(",");
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{entries}]}}"#)
}

#[tokio::test]
async fn case_33_of_many_entries_only_the_wanted_are_fetched() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, None, "amd64", b"x");
    let entry = |number: usize| match number {
        250 => (image.manifest, image.manifest_size, "amd64".to_owned()),
        // These are nowhere.
        _ => (Digest::sha256(number.to_string()), 500, format!("made-up-{number}")),
    };
    let text = index((0..500).map(entry));
    let base = upstream.manifest(Some("many"), OCI_INDEX, text.clone());
    let proxy = Proxy::start(&upstream).await;
    let name = token(&proxy, "many", json!({"containerPlatform": "linux/amd64"})).await;
    let served = manifest(&proxy, &name, "many").await;
    assert_eq!(served.status, 200, "{}", String::from_utf8_lossy(&served.body));
    crate::shared::changes::of_an_index(text.as_bytes(), &served.body, &[250], &[]);
    let asked = upstream.seen("/manifests/").into_iter().map(|seen| seen.path);
    let ends = [base.to_string(), image.manifest.to_string(), "many".into()];
    for path in asked {
        assert!(ends.iter().any(|end| path.ends_with(end)), "{path}");
    }
    assert_eq!(upstream.seen("/blobs/").len(), 1, "the config");

    // Without a platform all of them would have to be changed.
    let name = token(&proxy, "many", json!({})).await;
    let refused = manifest(&proxy, &name, "many").await;
    refused.is_error(400, "MANIFEST_INVALID");
    assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("too many images"));
}

#[tokio::test]
async fn case_33_entries_that_are_missing_or_something_else_are_told() {
    let upstream = Upstream::start().await;
    let image = Image::push(&upstream, None, "amd64", b"x");
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    let push = |tag: &str, entries: Vec<(Digest, usize, &str)>| {
        let entries = entries.into_iter().map(|(digest, size, name)| (digest, size, name.to_owned()));
        upstream.manifest(Some(tag), OCI_INDEX, index(entries));
    };
    let good = (image.manifest, image.manifest_size, "amd64");
    push("missing", vec![good, (Digest::sha256("nowhere"), 500, "arm64")]);
    push("longer", vec![(image.manifest, image.manifest_size + 1, "amd64")]);
    manifest(&proxy, "library/app", "missing").await.is_error(404, "MANIFEST_UNKNOWN");
    manifest(&proxy, "library/app", "longer").await.is_error(502, "UNAVAILABLE");
    // The one that is there can be had.
    let name = token(&proxy, "missing", json!({"containerPlatform": "linux/amd64"})).await;
    assert_eq!(manifest(&proxy, &name, "missing").await.status, 200);
}

/// A digest cannot be in what it is the digest of: only a registry that lies has circles.
#[tokio::test]
async fn case_33_a_circle_of_indexes_ends() {
    let own = Digest::sha256("the digest of an index that refers to itself");
    let entry = format!(r#"{{"mediaType":"{OCI_INDEX}","digest":"{own}","size":1000}}"#);
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{entry}]}}"#);
    let text = format!("{text}{}", " ".repeat(1000 - text.len()));
    let upstream = Upstream::start().await;
    upstream.manifest(Some("circle"), OCI_INDEX, text.clone());
    upstream.manifest_as(&own.to_string(), OCI_INDEX, text);
    let tiny = TinyLayer::new("foo.txt", "hello");
    let proxy = Proxy::augmenting(&upstream, &tiny, &["/entry"]).await;
    manifest(&proxy, "library/app", "circle").await.is_error(502, "UNAVAILABLE");
    assert_eq!(upstream.seen(&own.to_string()).len(), 1);
}
