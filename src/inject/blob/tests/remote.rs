//! Layers behind URLs and in registries, over loopback.

use super::*;
use crate::inject::testing::gzip;
use crate::oci::{Compression, Digest};
use crate::upstream::script::{Script, answer, limits};
use crate::{config, stack};
use std::time::Duration;

/// A server of `content`, single ranges included.
async fn server(content: Vec<u8>) -> Script {
    Script::start(move |seen| {
        let content = content.clone();
        let Some(asked) = seen.headers.get(header::RANGE) else { return answer(200, &[], content) };
        let (start, end) = asked.to_str().unwrap()[6..].split_once('-').unwrap();
        let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
        let stated = format!("bytes {start}-{end}/{}", content.len());
        answer(206, &[("content-range", &stated)], content[start..=end].to_vec())
    })
    .await
}

fn at(script: &Script, layer: Layer) -> Layer {
    Layer { source: Source::Url(format!("http://{}/x.tar.gz?sig=1", script.address)), ..layer }
}

fn open(scratch: &Scratch) -> Injector {
    injector(scratch, Arc::new(Registries::new(&config::Registries::default())), Private::Allowed)
}

async fn reason(injector: &Injector, layer: &Layer) -> String {
    let response = get(injector, layer, &Conditions::default()).await.unwrap();
    let mut error: &dyn std::error::Error = &bounded(response.into_body(), 64 << 20).await.unwrap_err();
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[tokio::test]
async fn a_url_streams_through_and_is_measured_once() {
    let scratch = Scratch::new();
    let (content, layer) = large(&scratch);
    let script = server(content.clone()).await;
    let (injector, layer) = (open(&scratch), at(&script, layer));
    assert_eq!(injector.measures().known(&layer.digest).await, None);
    for _ in 0..2 {
        let (status, fields, body) =
            taken(get(&injector, &layer, &Conditions::default()).await.unwrap()).await;
        assert_eq!(status, 200);
        assert_eq!(body, content);
        check_headers(&fields, &layer, content.len());
        let measured = injector.measures().known(&layer.digest).await.unwrap().unwrap();
        measured.keeps(&layer).unwrap();
    }
    let (status, fields, body) = taken(get(&injector, &layer, &range("bytes=10-19")).await.unwrap()).await;
    assert_eq!((status, &body[..]), (206, &content[10..20]));
    check_headers(&fields, &layer, 10);
    assert_eq!(script.seen()[2].headers["range"], "bytes=10-19");
    assert_eq!(script.lines(), ["GET /x.tar.gz?sig=1"; 3]);
    // Nobody is asked for what the promise answers.
    let head =
        injector.serve(&layer, &Access::anonymous(), Verb::Head, &Conditions::default()).await.unwrap();
    check_headers(head.headers(), &layer, content.len());
    assert_eq!(get(&injector, &layer, &range("bytes=99999999-")).await.unwrap().status(), 416);
    assert_eq!(script.lines().len(), 3);
}

#[tokio::test]
async fn wrong_bytes_never_arrive_whole() {
    let scratch = Scratch::new();
    let (content, layer) = large(&scratch);
    let mut wrong = content.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let script = server(wrong.clone()).await;
    let (injector, layer) = (open(&scratch), at(&script, layer));
    let said = reason(&injector, &layer).await;
    assert_eq!(said, format!("the layer has the digest {}, not {}", Digest::sha256(&wrong), layer.digest));
    // That says nothing of the content with the right digest.
    assert_eq!(injector.measures().known(&layer.digest).await, None);
    let script = server(content.clone()).await;
    let layer = at(&script, layer);
    assert_eq!(taken(get(&injector, &layer, &Conditions::default()).await.unwrap()).await.2, content);
}

#[tokio::test]
async fn a_wrong_tar_digest_breaks_the_first_stream_and_refuses_the_next() {
    let scratch = Scratch::new();
    let (content, layer) = small(&scratch);
    let other = Digest::sha256("other");
    let bomb = gzip(b"no tar at all");
    let zstd = Layer { compression: Compression::Zstd, ..layer.clone() };
    let no_tar = Layer { digest: Digest::sha256(&bomb), size: bomb.len() as u64, ..layer.clone() };
    for (content, layer, want) in [
        (
            content.clone(),
            Layer { diff_id: other, ..layer.clone() },
            format!("has the tar digest {}, not {other}", layer.diff_id),
        ),
        (content, zstd, "is compressed with gzip, not compressed with zstd".into()),
        (bomb, no_tar, "is not a tar archive".into()),
    ] {
        let script = server(content).await;
        let (injector, layer) = (open(&scratch), at(&script, layer));
        assert_eq!(reason(&injector, &layer).await, format!("the layer {want}"));
        let again = get(&injector, &layer, &range("bytes=0-1")).await.unwrap_err();
        assert_eq!((again.status().as_u16(), again.message()), (502, &*format!("the injected layer {want}")));
        assert_eq!(script.lines().len(), 1);
    }
}

#[tokio::test]
async fn answers_that_cannot_be_the_layer() {
    let scratch = Scratch::new();
    let (content, layer) = small(&scratch);
    let injector = open(&scratch);
    let total = content.len();
    let check = async |status: u16, fields: &'static [(&str, &str)], body: Vec<u8>, want: (u16, &str)| {
        let script = Script::start(move |_| answer(status, fields, body.clone())).await;
        let error = get(&injector, &at(&script, layer.clone()), &range("bytes=2-3")).await.unwrap_err();
        assert_eq!(error.status().as_u16(), want.0);
        assert!(error.message().ends_with(want.1) && !error.message().contains("sig"), "{error}");
    };
    let encoded: &[_] = &[("content-encoding", "gzip")];
    check(200, encoded, content.clone(), (502, "encoded the layer")).await;
    let short = format!("has 5 bytes, not {total}");
    check(200, &[], vec![0; 5], (502, &short)).await;
    let elsewhere: &[_] = &[("content-range", "bytes 0-1/5")];
    check(206, elsewhere, vec![0; 2], (502, "in another range than asked for")).await;
    check(416, &[], vec![], (502, "came with status 416")).await;
    check(404, &[], vec![], (404, "has no such layer")).await;
    check(500, &[], vec![], (502, "500 to the request for a layer")).await;
    // A server without ranges: all of it.
    let whole = content.clone();
    let script = Script::start(move |_| answer(200, &[], whole.clone())).await;
    let (status, _, body) =
        taken(get(&injector, &at(&script, layer.clone()), &range("bytes=2-3")).await.unwrap()).await;
    assert_eq!((status, &body[..]), (200, &content[..]));
}

#[tokio::test]
async fn private_urls_are_refused_at_dial() {
    let scratch = Scratch::new();
    let (content, layer) = small(&scratch);
    let script = server(content).await;
    let error = get(&local(&scratch), &at(&script, layer), &Conditions::default()).await.unwrap_err();
    assert_eq!(error.code().as_str(), "DENIED");
    assert!(script.lines().is_empty());
}

#[tokio::test]
async fn blobs_of_registries_use_their_own_access() {
    let scratch = Scratch::new();
    let (content, layer) = small(&scratch);
    let blob = content.clone();
    let script = Script::start(move |seen| match seen.authorization() {
        "" => answer(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
        _ => answer(200, &[], blob.clone()),
    })
    .await;
    let host: crate::oci::Host = script.address.to_string().parse().unwrap();
    let credentials = |user: &str| crate::auth::Credentials {
        username: user.into(),
        password: crate::secret::Secret::new("pw"),
    };
    let layer = Layer { source: Source::Registry(host.clone(), "a/b".parse().unwrap()), ..layer };
    let used = async |access: Access, anonymous: bool| {
        let policy = config::Registry {
            credentials: Some(credentials("operator")),
            anonymous,
            ..config::Registry::default()
        };
        let injector = injector(&scratch, script.registry(policy), Private::Refused);
        let before = script.seen().len();
        let result = injector.serve(&layer, &access, Verb::Get, &Conditions::default()).await;
        if let Ok(response) = result {
            assert_eq!(taken(response).await.2, content);
        }
        let seen = script.seen();
        assert!(seen[before..].iter().all(|seen| seen.line == format!("GET /v2/a/b/blobs/{}", layer.digest)));
        let header = HeaderValue::from_str(seen.last().unwrap().authorization()).unwrap();
        crate::auth::basic(&header).map(|credentials| credentials.username)
    };
    let key = crate::auth::AccessKey::new(&[0; 32]);
    let callers = Access::caller(&host, credentials("caller"), &key);
    assert_eq!(used(callers.clone(), true).await.as_deref(), Some("caller"));
    assert_eq!(used(callers, false).await.as_deref(), Some("caller"));
    // Credentials of another registry stay there, also of one whose name begins alike.
    let longer = format!("{host}0").parse().unwrap_or_else(|_| "other.example".parse().unwrap());
    for foreign in [Access::anonymous(), Access::caller(&longer, credentials("foreign"), &key)] {
        assert_eq!(used(foreign.clone(), true).await.as_deref(), Some("operator"));
        assert_eq!(used(foreign, false).await, None);
    }
}

#[tokio::test]
async fn a_stream_that_is_left_frees_its_claim() {
    let scratch = Scratch::new();
    let (content, layer) = large(&scratch);
    let script = server(content.clone()).await;
    let (injector, layer) = (open(&scratch), at(&script, layer));
    let first = get(&injector, &layer, &Conditions::default()).await.unwrap();
    // While one stream measures, another one passes without.
    let second = get(&injector, &layer, &Conditions::default()).await.unwrap();
    assert_eq!(taken(second).await.2, content);
    assert_eq!(injector.measures().known(&layer.digest).await, None);
    drop(first);
    assert_eq!(taken(get(&injector, &layer, &Conditions::default()).await.unwrap()).await.2, content);
    injector.measures().known(&layer.digest).await.unwrap().unwrap().keeps(&layer).unwrap();
}

#[tokio::test]
async fn a_source_that_breaks_off_breaks_the_body() {
    let scratch = Scratch::new();
    let (content, layer) = large(&scratch);
    let half = content[..content.len() / 2].to_vec();
    let remote = tower::service_fn(move |_| {
        let half = Bytes::from(half.clone());
        async { Ok(Response::new(Body::full(half))) }
    });
    let registries = Arc::new(Registries::new(&config::Registries::default()));
    let injector = Injector::open(Parts {
        upstream: stack::upstream(&limits(), stack::http(&limits(), &registries)),
        remote: tower::util::BoxCloneSyncService::new(remote),
        registries,
        data_dir: scratch.path().join("data"),
        kept: Kept::open(scratch.path().join("data/default")).unwrap(),
        max_bytes: 0,
        private: Private::Refused,
        measures: Measures::new(),
    })
    .unwrap();
    let layer = Layer { source: Source::Url("https://example.com/x".into()), ..layer };
    let broken = tokio::time::timeout(Duration::from_secs(30), reason(&injector, &layer)).await.unwrap();
    assert_eq!(broken, format!("the layer has {} bytes, not {}", content.len() / 2, content.len()));
}
