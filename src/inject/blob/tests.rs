//! What every source has in common, and the local ones.

mod remote;

use super::*;
use crate::body::bounded;
use crate::config;
use crate::inject::testing::{injector, layer_of};
use crate::oci::headers;
use crate::scratch::Scratch;
use http::{HeaderMap, HeaderValue, header};

fn local(scratch: &Scratch) -> Injector {
    injector(scratch, Arc::new(Registries::new(&config::Registries::default())), Private::Refused)
}

/// A layer that does not compress, larger than what is held in memory.
fn large(scratch: &Scratch) -> (Vec<u8>, Layer) {
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    })
    .take(3 << 20)
    .collect();
    let (content, layer) = layer_of("noise", &noise);
    assert!(layer.size > SMALL);
    let path = scratch.write("large.gz", &content);
    (content, Layer { source: Source::File(path), ..layer })
}

fn small(scratch: &Scratch) -> (Vec<u8>, Layer) {
    let (content, layer) = layer_of("foo.txt", b"hello");
    let path = scratch.write("small.gz", &content);
    (content, Layer { source: Source::File(path), ..layer })
}

fn range(text: &str) -> Conditions {
    Conditions { range: Some(HeaderValue::from_str(text).unwrap()), ..Conditions::default() }
}

async fn get(injector: &Injector, layer: &Layer, conditions: &Conditions) -> Result<Response<Body>, Error> {
    injector.serve(layer, &Access::anonymous(), Verb::Get, conditions).await
}

/// Status, headers, content.
async fn taken(response: Response<Body>) -> (u16, HeaderMap, Bytes) {
    let (parts, body) = response.into_parts();
    (parts.status.as_u16(), parts.headers, bounded(body, 64 << 20).await.unwrap())
}

fn check_headers(fields: &HeaderMap, layer: &Layer, length: usize) {
    assert_eq!(fields[headers::CONTENT_DIGEST], layer.digest.to_string());
    assert_eq!(fields[header::ETAG], format!("\"{}\"", layer.digest));
    assert_eq!(fields[header::ACCEPT_RANGES], "bytes");
    assert_eq!(fields[header::CONTENT_TYPE], "application/octet-stream");
    assert_eq!(fields[header::CONTENT_LENGTH], length.to_string());
}

#[tokio::test]
async fn files_large_and_small() {
    let scratch = Scratch::new();
    let injector = local(&scratch);
    for (content, layer) in [large(&scratch), small(&scratch)] {
        let (status, fields, body) =
            taken(get(&injector, &layer, &Conditions::default()).await.unwrap()).await;
        assert_eq!(status, 200);
        assert_eq!(body, content);
        check_headers(&fields, &layer, content.len());
        let total = content.len();
        for (asked, start, end) in [
            ("bytes=0-0".to_string(), 0, 1),
            ("bytes=7-".into(), 7, total),
            ("bytes=-20".into(), total - 20, total),
            (format!("bytes={}-99999999", total / 2), total / 2, total),
        ] {
            let (status, fields, body) = taken(get(&injector, &layer, &range(&asked)).await.unwrap()).await;
            assert_eq!(status, 206);
            assert_eq!(body, content[start..end]);
            check_headers(&fields, &layer, end - start);
            assert_eq!(fields[header::CONTENT_RANGE], format!("bytes {start}-{}/{total}", end - 1));
        }
        let head =
            injector.serve(&layer, &Access::anonymous(), Verb::Head, &range("bytes=0-0")).await.unwrap();
        let (status, fields, body) = taken(head).await;
        assert_eq!((status, body.len()), (200, 0));
        check_headers(&fields, &layer, total);
    }
}

#[tokio::test]
async fn conditions() {
    let scratch = Scratch::new();
    let injector = local(&scratch);
    let (content, layer) = small(&scratch);
    let (status, fields, body) = taken(get(&injector, &layer, &range("bytes=99999-")).await.unwrap()).await;
    assert_eq!((status, &fields[header::CONTENT_RANGE]), (416, &unsatisfied(&content)));
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["errors"][0]["code"], "SIZE_INVALID");
    for known in [format!("\"{}\"", layer.digest), format!("\"x\", W/\"{}\"", layer.digest), "*".into()] {
        let known = Some(HeaderValue::try_from(known).unwrap());
        let conditions = Conditions { if_none_match: known, ..range("bytes=0-1") };
        let (status, fields, body) = taken(get(&injector, &layer, &conditions).await.unwrap()).await;
        assert_eq!((status, body.len()), (304, 0));
        assert_eq!(fields[header::ETAG], format!("\"{}\"", layer.digest));
        assert!(!fields.contains_key(header::CONTENT_LENGTH));
    }
    let other = Some(HeaderValue::from_static("\"x\""));
    let conditions = Conditions { if_range: other.clone(), if_none_match: other, ..range("bytes=0-1") };
    assert_eq!(get(&injector, &layer, &conditions).await.unwrap().status(), 200);
}

fn unsatisfied(content: &[u8]) -> HeaderValue {
    HeaderValue::try_from(format!("bytes */{}", content.len())).unwrap()
}

#[tokio::test]
async fn a_file_that_went_away_or_changed_is_our_fault() {
    let scratch = Scratch::new();
    let injector = local(&scratch);
    for (content, layer) in [large(&scratch), small(&scratch)] {
        let Source::File(path) = &layer.source else { panic!("a file") };
        let ours = async |want: &str| {
            let error = get(&injector, &layer, &Conditions::default()).await.unwrap_err();
            assert_eq!((error.status().as_u16(), error.code().as_str()), (500, "UNKNOWN"));
            assert!(error.message().ends_with(want), "{error}");
        };
        std::fs::remove_file(path).unwrap();
        ours("cannot be read").await;
        std::fs::write(path, layer_of("other", b"other").0).unwrap();
        ours("has changed").await;
        std::fs::write(path, &content[1..]).unwrap();
        ours("has changed").await;
        std::fs::write(path, &content).unwrap();
        assert_eq!(get(&injector, &layer, &Conditions::default()).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_file_that_was_kept_is_served_whatever_takes_its_place() {
    let scratch = Scratch::new();
    let injector = local(&scratch);
    for (content, layer) in [large(&scratch), small(&scratch)] {
        let Source::File(path) = &layer.source else { panic!("a file") };
        injector.parts.kept.take(path).unwrap().keep(layer.digest).unwrap();
        std::fs::rename(scratch.write("new", "another layer"), path).unwrap();
        let (status, _, body) = taken(get(&injector, &layer, &Conditions::default()).await.unwrap()).await;
        assert_eq!((status, body), (200, Bytes::from(content)));
    }
}

#[tokio::test]
async fn a_file_cut_while_it_streams_breaks_the_body() {
    let scratch = Scratch::new();
    let injector = local(&scratch);
    let (_, layer) = large(&scratch);
    let Source::File(path) = &layer.source else { panic!("a file") };
    let response = get(&injector, &layer, &Conditions::default()).await.unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 20).unwrap();
    assert!(bounded(response.into_body(), 64 << 20).await.is_err());
}

#[tokio::test]
async fn spooled_layers_survive_a_restart() {
    use base64::Engine as _;
    let scratch = Scratch::new();
    let (content, layer) = layer_of("foo.txt", b"hello");
    let data = base64::engine::general_purpose::STANDARD.encode(&content);
    let request = crate::inject::Request {
        location: Some(format!("data:{data}")),
        gzip_digest: Some(layer.digest.to_string()),
        gzip_size: Some(layer.size),
        tar_digest: Some(layer.diff_id.to_string()),
        media_type: None,
        platforms: None,
    };
    local(&scratch).accept(request).await.unwrap();
    let (status, _, body) = taken(get(&local(&scratch), &layer, &Conditions::default()).await.unwrap()).await;
    assert_eq!((status, &body[..]), (200, &content[..]));
}
