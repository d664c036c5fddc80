//! Layers that a token may not bring.

use crate::support::{Answer, Proxy, TinyLayer, Upstream, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::Write as _;
use wave_registry::oci::Digest;

async fn ask(proxy: &Proxy, layer: Value) -> Answer {
    let request = json!({"containerImage": "up.test/library/app:v1", "containerConfig": {"layers": [layer]}});
    post(&proxy.url("/container-token"), &request).await
}

#[tokio::test]
async fn case_49_locations_that_lead_inside_are_refused() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    let layer = TinyLayer::new("foo.txt", "x");
    let large = format!("data:{}", "A".repeat(14_000_001));
    for location in [
        "http://169.254.169.254/x",
        "https://169.254.169.254/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://0/x",
        "https://0.0.0.0/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://0177.0.0.1/x",
        "https://0x7f.1/x",
        "https://10.0.0.1/x",
        "https://user:hunter2@example.com/x",
        "http://example.com/x",
        "file:///etc/passwd",
        "/etc/passwd",
        "ftp://example.com/x",
        &large,
    ] {
        let shown = &location[..location.len().min(40)];
        let refused = ask(&proxy, layer.json(location)).await;
        assert_eq!(refused.status, 400, "{shown}");
        let message = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(!message.is_empty() && !message.contains("hunter2"), "{shown}: {message}");
    }
    assert!(upstream.seen("/").is_empty());
}

#[tokio::test]
async fn case_50_layers_that_are_not_what_they_promise_are_refused() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream).await;
    let layer = TinyLayer::new("foo.txt", "x");
    let other = Digest::sha256("other");
    let promised = |key: &str, value: Value| {
        let mut promise = layer.json(&layer.data());
        promise[key] = value;
        promise
    };
    // Bytes with their own digest and size, whatever is in them.
    let of = |bytes: &[u8]| {
        json!({
            "location": format!("data:{}", STANDARD.encode(bytes)), "gzipDigest": Digest::sha256(bytes),
            "gzipSize": bytes.len(), "tarDigest": layer.diff_id,
        })
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let trailing = [&layer.gzip[..], b"garbage"].concat();
    let cut = &layer.gzip[..layer.gzip.len() - 5];
    for (promise, why) in [
        (promised("gzipDigest", json!(other)), "has the digest"),
        (promised("gzipSize", json!(layer.gzip.len() + 1)), "bytes, not"),
        (promised("tarDigest", json!(other)), "has the tar digest"),
        (of(&trailing), "trailing garbage"),
        (of(cut), "Container layer"),
        (of(&gzip(b"no tar at all")), "is not a tar archive"),
        // 80 MB of nothing: 1 : 1000.
        (of(&gzip(&vec![0; 80 << 20])), "Container layer"),
    ] {
        let refused = ask(&proxy, promise).await;
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert_eq!(refused.status, 400, "{why}: {text}");
        assert!(refused.json()["message"].as_str().unwrap().contains(why), "{why}: {text}");
    }
    // Several members are one gzip file (RFC 1952, 2.2).
    let members = [gzip(b""), layer.gzip.clone()].concat();
    let taken = ask(&proxy, of(&members)).await;
    assert_eq!(taken.status, 200, "{}", String::from_utf8_lossy(&taken.body));
}
