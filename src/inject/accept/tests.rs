use super::*;
use crate::config;
use crate::inject::testing::{injector, layer_of, tar_of, zlib, zstd};
use crate::scratch::Scratch;
use crate::upstream::Registries;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use std::sync::Arc;

fn refusing(scratch: &Scratch) -> Injector {
    injector(scratch, Arc::new(Registries::new(&config::Registries::default())), Private::Refused)
}

fn request(layer: &Layer, location: impl Into<String>) -> Request {
    Request {
        location: Some(location.into()),
        gzip_digest: Some(layer.digest.to_string()),
        gzip_size: Some(layer.size),
        tar_digest: Some(layer.diff_id.to_string()),
        media_type: None,
        platforms: None,
    }
}

/// Files in the spool.
fn spooled(scratch: &Scratch) -> usize {
    std::fs::read_dir(scratch.path().join("data/layers")).unwrap().count()
}

async fn message(injector: &Injector, request: Request) -> String {
    let error = injector.accept(request).await.unwrap_err();
    assert_eq!((error.code(), error.status()), (Code::ManifestInvalid, StatusCode::BAD_REQUEST));
    error.message().into()
}

#[tokio::test]
async fn inline_layers_are_verified_and_spooled() {
    let scratch = Scratch::new();
    let injector = refusing(&scratch);
    let (content, layer) = layer_of("foo.txt", b"hello");
    let data = format!("data:{}", STANDARD.encode(&content));
    assert_eq!(injector.accept(request(&layer, &data)).await.unwrap(), layer);
    let path = scratch.path().join("data/layers").join(layer.digest.hex());
    assert_eq!(std::fs::read(path).unwrap(), content);
    let gzip = format!("gzip:{}", STANDARD.encode(zlib(&content)));
    assert_eq!(injector.accept(request(&layer, gzip)).await.unwrap(), layer);
    assert_eq!(spooled(&scratch), 1);
    // A small text layer may come as a plain tar, deflated for the way only, or as zstd.
    let tar = tar_of("foo.txt", b"text");
    for (bytes, compression) in [(tar.clone(), Compression::None), (zstd(&tar), Compression::Zstd)] {
        let (digest, size) = (Digest::sha256(&bytes), bytes.len() as u64);
        let want = Layer { digest, size, diff_id: Digest::sha256(&tar), compression, ..layer.clone() };
        let gzip = format!("gzip:{}", STANDARD.encode(zlib(&bytes)));
        assert_eq!(injector.accept(request(&want, gzip)).await.unwrap(), want);
    }
    let media_type = Some("application/vnd.oci.image.layer.v1.tar+zstd".into());
    let said = message(&injector, Request { media_type, ..request(&layer, &data) }).await;
    assert_eq!(said, "Container layer is compressed with gzip, not compressed with zstd");
}

#[tokio::test]
async fn inline_layers_that_are_not_what_they_promise() {
    let scratch = Scratch::new();
    let injector = refusing(&scratch);
    let (content, layer) = layer_of("foo.txt", b"hello");
    let data = format!("data:{}", STANDARD.encode(&content));
    let (size, other) = (content.len(), Digest::sha256("other"));
    for (layer, want) in [
        (Layer { size: 100, ..layer.clone() }, format!("has {size} bytes, not 100")),
        (Layer { digest: other, ..layer.clone() }, format!("has the digest {}, not {other}", layer.digest)),
        (
            Layer { diff_id: other, ..layer.clone() },
            format!("has the tar digest {}, not {other}", layer.diff_id),
        ),
    ] {
        assert_eq!(message(&injector, request(&layer, &data)).await, format!("Container layer {want}"));
    }
    let digest = Digest::sha256("Hello world");
    let text = Layer { digest, size: 11, ..layer.clone() };
    let said = message(&injector, request(&text, "data:SGVsbG8gd29ybGQ=")).await;
    assert_eq!(said, "Container layer is not a tar archive");
    let junk = [&content[..], b"junk"].concat();
    let digest = Digest::sha256(&junk);
    let junky = Layer { digest, size: junk.len() as u64, ..layer.clone() };
    let said = message(&injector, request(&junky, format!("data:{}", STANDARD.encode(&junk)))).await;
    assert_eq!(said, "Container layer has trailing garbage behind its compressed content");
    assert!(message(&injector, request(&layer, "data:???")).await.contains("base64"));
    assert_eq!(spooled(&scratch), 0);
}

#[tokio::test]
async fn there_is_room_for_so_many_bytes() {
    let scratch = Scratch::new();
    let injector = refusing(&scratch);
    let mut kept = 0;
    let refused = loop {
        // Names that differ, and content that does not compress.
        let mut noise = Digest::sha256(format!("{kept}"));
        let content: Vec<u8> = std::iter::repeat_with(|| {
            noise = Digest::sha256(noise.raw());
            noise.raw().to_vec()
        })
        .take(512)
        .flatten()
        .collect();
        let (content, layer) = layer_of("noise", &content);
        assert!(layer.size > 16_384);
        let data = format!("data:{}", STANDARD.encode(&content));
        match injector.accept(request(&layer, data)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((refused.code(), refused.status().as_u16()), (Code::TooManyRequests, 429));
    assert_eq!(refused.retry_after(), Some(RETRY));
    assert_eq!((kept, spooled(&scratch)), (3, 3));
    // A smaller one still fits.
    let (content, layer) = layer_of("foo.txt", b"hello");
    injector.accept(request(&layer, format!("data:{}", STANDARD.encode(&content)))).await.unwrap();
}

#[tokio::test]
async fn inline_layers_take_turns_and_others_do_not_wait() {
    let scratch = Scratch::new();
    let injector = refusing(&scratch);
    let (content, layer) = layer_of("foo.txt", b"hello");
    let inline = request(&layer, format!("data:{}", STANDARD.encode(&content)));
    let turns = [injector.measures().turn().await, injector.measures().turn().await];
    let mut waiting = std::pin::pin!(injector.accept(inline));
    let soon = Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, waiting.as_mut()).await.is_err());
    injector.accept(request(&layer, "https://example.com/x")).await.unwrap();
    drop(turns);
    assert_eq!(waiting.await.unwrap(), layer);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let scratch = Scratch::new();
    let injector = refusing(&scratch);
    let (_, layer) = layer_of("foo.txt", b"hello");
    let good = request(&layer, "https://example.com/x");
    let prefix = "should start with the 'sha256:' prefix -- offending value: abc";
    for (request, want) in [
        (Request { location: None, ..good.clone() }, "Missing layer location".to_string()),
        (Request { location: Some("".into()), ..good.clone() }, "Missing layer location".into()),
        (Request { gzip_digest: None, ..good.clone() }, "Missing layer gzip digest".into()),
        (Request { gzip_size: None, ..good.clone() }, "Missing layer gzip size".into()),
        (Request { gzip_size: Some(0), ..good.clone() }, "Missing layer gzip size".into()),
        (
            Request { gzip_size: Some(MAX_SIZE + 1), ..good.clone() },
            "Layer gzip size is too large -- offending value: 9223372036854775808".into(),
        ),
        (Request { tar_digest: None, ..good.clone() }, "Missing layer tar digest".into()),
        (Request { gzip_digest: Some("abc".into()), ..good.clone() }, format!("Layer gzip digest {prefix}")),
        (Request { tar_digest: Some("abc".into()), ..good.clone() }, format!("Layer tar digest {prefix}")),
        (
            Request { location: Some("/etc/passwd".into()), ..good.clone() },
            "Unsupported location type -- offending value: /etc/passwd".into(),
        ),
    ] {
        assert_eq!(message(&injector, request).await, want);
    }
    let media_type = Some("application/vnd.cncf.helm.chart.content.v1.tar+gzip".into());
    let said = message(&injector, Request { media_type, ..good.clone() }).await;
    assert!(
        said.starts_with("Unsupported layer media type -- offending value: application/vnd.cncf"),
        "{said}"
    );
    let platforms = |texts: &[&str]| Some(texts.iter().copied().map(String::from).collect());
    let said = message(&injector, Request { platforms: platforms(&["vax\n"]), ..good.clone() }).await;
    assert_eq!(said, "'vax' is not a platform");
    let said = message(&injector, Request { platforms: platforms(&["amd64"; 33]), ..good.clone() }).await;
    assert_eq!(said, "a layer is for at most 32 platforms, or for all");
    let parsed: Request =
        serde_json::from_str(r#"{"location":"x","gzipSize":null,"skipHashing":true,"tarDigest":"y"}"#)
            .unwrap();
    assert_eq!((parsed.location, parsed.gzip_size), (Some("x".into()), None));
}

#[tokio::test]
async fn remote_layers_are_taken_on_trust() {
    let scratch = Scratch::new();
    let injector = refusing(&scratch);
    let (_, layer) = layer_of("foo.txt", b"hello");
    let url = "https://example.com/v2/fusion-arm64.tar.gz?sig=x";
    let accepted = injector.accept(request(&layer, url)).await.unwrap();
    let platforms = vec!["linux/arm64".parse().unwrap()];
    assert_eq!(accepted, Layer { platforms, source: Source::Url(url.into()), ..layer.clone() });
    let stated = Request { platforms: Some(vec!["amd64".into()]), ..request(&layer, url) };
    assert_eq!(injector.accept(stated).await.unwrap().platforms, [Platform::linux_amd64()]);
    let large = Layer { size: MAX_SIZE, ..layer.clone() };
    assert_eq!(injector.accept(request(&large, url)).await.unwrap().size, MAX_SIZE);
    let oci = |tail: &str| Some(format!("application/vnd.oci.image.layer.v1.tar{tail}"));
    let docker = |tail: &str| Some(format!("application/vnd.docker.image.rootfs.diff.tar{tail}"));
    for (name, media_type, want) in [
        ("x.tar.zst", None, Compression::Zstd),
        ("x.tzst?a=b.tar", None, Compression::Zstd),
        ("x.tar", None, Compression::None),
        ("x.tar.gz", Some(String::new()), Compression::Gzip),
        ("x", None, Compression::Gzip),
        ("x.tar.zst", oci("+gzip"), Compression::Gzip),
        ("x", oci("+zstd"), Compression::Zstd),
        ("x.tar.gz", oci(""), Compression::None),
        ("x.tar", docker(".gzip"), Compression::Gzip),
        ("x.tar.gz", docker("; a=b"), Compression::None),
    ] {
        let request = Request { media_type, ..request(&layer, format!("https://example.com/{name}")) };
        assert_eq!(injector.accept(request).await.unwrap().compression, want, "{name}");
    }

    let docker = |host: &str, digest: &Digest| format!("docker://{host}/v2/nextflow/bash/blobs/{digest}");
    let accepted = injector.accept(request(&layer, docker("quay.io", &layer.digest))).await.unwrap();
    let source = Source::Registry("quay.io".parse().unwrap(), "nextflow/bash".parse().unwrap());
    assert_eq!(accepted, Layer { source, ..layer.clone() });
    let other = Digest::sha256("other");
    let said = message(&injector, request(&layer, docker("quay.io", &other))).await;
    assert!(said.starts_with(&format!("Layer location names {other}")), "{said}");
    for host in ["localhost:5000", "10.0.0.1", "[::1]:5000"] {
        let said = message(&injector, request(&layer, docker(host, &layer.digest))).await;
        assert!(said.starts_with("Layer location must be a public address"), "{said}");
    }
}
