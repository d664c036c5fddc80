use super::*;
use crate::body::bounded;
use crate::config::{Proxy, Registry};
use crate::oci::Code;
use crate::pull::Fetch;
use crate::upstream::script::{
    Script, alice, anonymous, answer, blob, fetch, latest, limits, listed, only, text,
};
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

mod blobs;
mod tls;

/// The whole stack for `registries`.
fn whole(config: &config::Upstream, registries: &Registries) -> Upstream {
    upstream(config, http(config, registries))
}

/// A blob GET at the only registry of `registries`.
async fn pull(
    config: &config::Upstream,
    registries: &Arc<Registries>,
) -> Result<http::Response<crate::body::Body>, crate::error::Error> {
    let registry = only(registries);
    let fetch = Fetch { redirects: registry.redirects(), ..fetch(&registry, blob()) };
    whole(config, registries).oneshot(fetch).await
}

fn port_of(script: &Script) -> u16 {
    script.address.port()
}

#[tokio::test]
async fn a_token_a_redirect_and_a_blob() {
    let cdn = Script::start(|_| answer(200, &[], "blob")).await;
    let cdn_port = port_of(&cdn);
    let registry = Script::start(move |seen| match (&*seen.line, seen.authorization()) {
        (line, "Basic YWxpY2U6czNjcmV0") if line.starts_with("GET /token?service=s&scope=repository") => {
            answer(200, &[], r#"{"access_token":"t1","expires_in":300}"#)
        }
        (line, "Bearer t1") if line.starts_with("GET /v2/library/x/blobs/") => {
            answer(307, &[("location", "../moved?a=b")], "")
        }
        ("GET /v2/library/x/moved?a=b", "Bearer t1") => {
            let to = format!("http://localhost:{cdn_port}/signed");
            answer(302, &[("location", &to)], "")
        }
        (_, _) => {
            let host = seen.headers["host"].to_str().unwrap();
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
            answer(401, &[("www-authenticate", &challenge)], "")
        }
    })
    .await;
    let policy = Registry {
        credentials: Some(alice()),
        trusted_hosts: vec![format!("localhost:{cdn_port}").parse().unwrap()],
        ..Default::default()
    };
    let response = pull(&limits(), &registry.registry(policy)).await.unwrap();
    assert_eq!(text(response).await, "blob");
    assert_eq!(registry.seen().len(), 4);
    let at_cdn = &cdn.seen()[0];
    assert_eq!((&*at_cdn.line, at_cdn.authorization()), ("GET /signed", ""));
    assert_eq!(at_cdn.headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused_at_dial() {
    let cdn = Script::start(|_| answer(200, &[], "secret")).await;
    let port = port_of(&cdn);
    let registry =
        Script::start(move |_| answer(307, &[("location", &*format!("http://localhost:{port}/"))], "")).await;
    let error = pull(&limits(), &registry.registry(Registry::default())).await.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), (Code::Denied, 403));
    assert!(error.message().ends_with("address not allowed"), "{error}");
    assert_eq!((registry.lines().len(), cdn.lines().len()), (1, 0));
}

#[tokio::test]
async fn who_is_redirected_to_speaks_not_for_the_registry() {
    let cdn = Script::start(|_| answer(401, &[("www-authenticate", "Basic realm=\"x\"")], "")).await;
    let port = port_of(&cdn);
    let registry =
        Script::start(move |_| answer(307, &[("location", &*format!("http://127.0.0.1:{port}/"))], "")).await;
    let registries = registry.registry(Registry { credentials: Some(alice()), ..Default::default() });
    let service = whole(&limits(), &registries);
    for asked in 1..=2 {
        let refused = service.clone().oneshot(fetch(&only(&registries), blob())).await.unwrap_err();
        assert_eq!(refused.code(), Code::Denied);
        assert_eq!((registry.seen().len(), cdn.seen().len()), (asked, asked));
    }
    assert!(registry.seen().iter().chain(&cdn.seen()).all(|seen| seen.authorization().is_empty()));
}

#[tokio::test]
async fn an_unlisted_registry_at_a_private_address_is_refused() {
    let script = Script::start(|_| answer(200, &[], "")).await;
    let registries = Arc::new(Registries::new(&config::Registries::default()));
    for host in ["127.0.0.1", "localhost"] {
        let host = format!("{host}:{}", port_of(&script)).parse().unwrap();
        let registry = registries.find(&host).unwrap();
        let outcome = whole(&limits(), &registries).oneshot(fetch(&registry, latest())).await;
        assert_eq!(outcome.unwrap_err().code(), Code::Denied);
    }
    assert!(script.lines().is_empty());
}

#[tokio::test]
async fn redirects_are_handed_out_and_never_go_in_circles() {
    let registry = Script::start(|seen| match &*seen.line {
        "GET /here" => answer(302, &[("location", "https://cdn.example/x?sig=1")], "moved"),
        line if line.contains("blobs") => answer(307, &[("location", "/here")], "moved"),
        _ => answer(307, &[("location", "/v2/library/x/manifests/latest")], "moved"),
    })
    .await;
    let registries = registry.registry(Registry { redirect: true, ..Default::default() });
    let response = pull(&limits(), &registries).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-length"]),
        (302, &"0".parse().unwrap())
    );
    assert_eq!(response.headers()["location"], "https://cdn.example/x?sig=1");
    assert_eq!(text(response).await, "");
    let circle = whole(&limits(), &registries).oneshot(fetch(&only(&registries), latest())).await;
    assert_eq!(circle.unwrap_err().status(), 502);
}

#[tokio::test]
async fn failures_have_their_status() {
    let config = config::Upstream { head_timeout: Duration::from_millis(200), ..limits() };
    let silent = Script::start(|_| None).await;
    let error = pull(&config, &silent.registry(Registry::default())).await.unwrap_err();
    assert_eq!((error.status().as_u16(), silent.lines().len()), (504, 1));

    let broken = Script::start(|_| answer(503, &[], r#"{"errors":[{"message":"down"}]}"#)).await;
    let error = pull(&config, &broken.registry(Registry::default())).await.unwrap_err();
    assert_eq!((error.status().as_u16(), broken.lines().len()), (502, 3));
    assert!(error.message().ends_with("503: down"), "{error}");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = pull(&config, &listed(&nobody.to_string(), Registry::default())).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (502, Code::Unavailable));

    let unknown = pull(&config, &listed("no-such-name.invalid", Registry::default())).await.unwrap_err();
    assert_eq!(unknown.status(), 502);
}

/// What a raw server does after its answer.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Close,
    Wait,
}

/// A server that sends `bytes` to whoever asks.
async fn raw(bytes: &'static [u8], then: Then) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            _ = stream.read(&mut request).await;
            _ = stream.write_all(bytes).await;
            if then == Then::Wait {
                _ = stream.read(&mut request).await;
            }
        }
    });
    (address, task)
}

#[tokio::test]
async fn a_body_that_stalls_is_cut() {
    let config = config::Upstream { idle_timeout: Duration::from_millis(200), ..limits() };
    let (address, task) = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", Then::Wait).await;
    let response = pull(&config, &listed(&address.to_string(), Registry::default())).await.unwrap();
    assert!(bounded(response.into_body(), 100).await.is_err());
    task.abort();
}

#[tokio::test]
async fn heads_of_64_kib_are_read() {
    let registry = Script::start(|_| answer(200, &[("x-large", &"x".repeat(65_000))], "blob")).await;
    let response = pull(&limits(), &registry.registry(Registry::default())).await.unwrap();
    assert_eq!(response.headers()["x-large"].len(), 65_000);
}

/// The server closes each connection after its first answer without saying so; a request may meet it just then.
#[tokio::test]
async fn a_connection_that_closes_at_reuse_is_replaced() {
    let (address, task) = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblob", Then::Close).await;
    let registries = listed(&address.to_string(), Registry::default());
    let service = whole(&limits(), &registries);
    for _ in 0..300 {
        let response = service.clone().oneshot(fetch(&only(&registries), blob())).await.unwrap();
        assert_eq!(text(response).await, "blob");
    }
    task.abort();
}

#[tokio::test]
async fn a_forward_proxy_is_tunnelled_through() {
    let registry = Script::start(|_| answer(200, &[], "blob")).await;
    let target = registry.address;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://bob:pw@{}", proxy.local_addr().unwrap()).parse().unwrap();
    let task = tokio::spawn(async move {
        let (mut client, _) = proxy.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client.write_all(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n").await.unwrap();
        let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
        _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        String::from_utf8(head).unwrap()
    });
    let policy = Registry {
        url: Some("http://registry.example:5000".parse().unwrap()),
        proxy: Some(url),
        ..Default::default()
    };
    let registries = listed("registry.example", policy);
    let service = whole(&limits(), &registries);
    let response = service.clone().oneshot(fetch(&only(&registries), blob())).await.unwrap();
    assert_eq!(text(response).await, "blob");
    drop(service);
    let head = task.await.unwrap();
    assert!(head.starts_with("CONNECT registry.example:5000 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Proxy-Authorization: Basic Ym9iOnB3\r\n"), "{head}");
}

#[tokio::test]
async fn behind_a_proxy_names_are_guarded() {
    let (proxy, task) = raw(b"HTTP/1.1 403 Forbidden\r\n\r\n", Then::Wait).await;
    let proxy: Option<url::Url> = Some(format!("http://{proxy}").parse().unwrap());
    let environment = Proxy { http: proxy.clone(), https: proxy, none: Vec::new() };
    let config = config::Upstream { proxy: environment, attempts: 1, ..limits() };
    let remote = remote(&config, Private::Allowed);
    let get = |uri: &str| Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
    let refused = remote.oneshot(get("http://layers.example/x")).await.unwrap_err();
    assert_eq!(refused.status(), 502);
    let registries = Arc::new(Registries::new(&config::Registries::default()));
    let unlisted = registries.find(&"10.0.0.1".parse().unwrap()).unwrap();
    let error = whole(&config, &registries).oneshot(fetch(&unlisted, blob())).await.unwrap_err();
    assert_eq!(error.code(), Code::Denied);
    task.abort();
}

#[tokio::test]
async fn a_forward_proxy_that_refuses_is_not_asked_again() {
    for (answer, attempts) in [
        (&b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..], 1),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", 1),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 3),
        (b"garbage\r\n\r\n", 3),
    ] {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let policy = Registry {
            proxy: Some(format!("http://{}", proxy.local_addr().unwrap()).parse().unwrap()),
            ..Default::default()
        };
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = proxy.accept().await {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let mut head = [0; 4096];
                _ = client.read(&mut head).await;
                _ = client.write_all(answer).await;
            }
        });
        let error = pull(&limits(), &listed("registry.example", policy)).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (502, Code::Unavailable));
        let said = String::from_utf8_lossy(answer).into_owned();
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), attempts, "{said}");
        task.abort();
    }
}

#[tokio::test]
async fn layers_come_from_where_they_may() {
    let script = Script::start(|seen| match seen.headers.contains_key("authorization") {
        true => answer(500, &[], ""),
        false => answer(200, &[], "layer"),
    })
    .await;
    let get = |scheme: &str| {
        let uri = format!("{scheme}://{}/layer.tar.gz", script.address);
        Request::get(uri).header("authorization", "Basic x").body(Empty::<Bytes>::new()).unwrap()
    };
    let open = remote(&limits(), Private::Allowed).oneshot(get("http")).await.unwrap();
    assert_eq!(text(open).await, "layer");
    for scheme in ["http", "https"] {
        let error = remote(&limits(), Private::Refused).oneshot(get(scheme)).await.unwrap_err();
        assert_eq!(error.code(), Code::Denied);
    }
}

#[tokio::test]
async fn layers_have_a_pool_of_permits() {
    let script = Script::start(|_| answer(200, &[], "layer")).await;
    let config = config::Upstream { max_requests: 1, ..limits() };
    let service = remote(&config, Private::Allowed);
    let get = async || {
        let request = Request::get(format!("http://{}/layer", script.address)).body(Empty::<Bytes>::new());
        service.clone().oneshot(request.unwrap()).await
    };
    let held = get().await.unwrap();
    let refused = get().await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.retry_after().is_some()), (503, true));
    assert_eq!(text(held).await, "layer");
    assert_eq!(text(get().await.unwrap()).await, "layer");
}

#[tokio::test]
async fn credentials_are_tried() {
    let basic = Script::start(|seen| match seen.authorization() {
        "Basic YWxpY2U6czNjcmV0" => answer(200, &[], ""),
        _ => answer(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
    })
    .await;
    let registries = basic.registry(Registry::default());
    let login = login(http(&limits(), &registries));
    let wrong = || crate::auth::Credentials { username: "nope".into(), ..alice() };
    assert!(login.accepts(&only(&registries), alice()).await.unwrap());
    assert!(!login.accepts(&only(&registries), wrong()).await.unwrap());
    assert_eq!(basic.lines()[0], "GET /v2/");

    let bearer = Script::start(|seen| match (&*seen.line, seen.authorization()) {
        ("GET /token?service=s", "Basic YWxpY2U6czNjcmV0") => answer(200, &[], "{}"),
        ("GET /token?service=s", _) => answer(401, &[], ""),
        _ => {
            let realm = format!("http://{}/token", seen.headers["host"].to_str().unwrap());
            answer(401, &[("www-authenticate", &*format!("Bearer realm=\"{realm}\",service=\"s\""))], "")
        }
    })
    .await;
    let registries = bearer.registry(Registry::default());
    let login = super::login(http(&limits(), &registries));
    assert!(login.accepts(&only(&registries), alice()).await.unwrap());
    assert!(!login.accepts(&only(&registries), wrong()).await.unwrap());

    let unlisted = Registries::new(&config::Registries::default());
    let registry = unlisted.find(&basic.address.to_string().parse().unwrap()).unwrap();
    let error = super::login(http(&limits(), &unlisted)).accepts(&registry, alice()).await.unwrap_err();
    assert_eq!(error.code(), Code::Denied);
}

#[tokio::test]
async fn anonymous_callers_are_refused_without_being_asked_for_a_password() {
    let basic = Script::start(|_| answer(401, &[("www-authenticate", "Basic realm=\"x\"")], "")).await;
    let registries = basic.registry(Registry { credentials: Some(alice()), ..Default::default() });
    let fetch = anonymous(fetch(&only(&registries), latest()));
    let error = whole(&limits(), &registries).oneshot(fetch).await.unwrap_err();
    assert_eq!((error.code(), error.challenge()), (Code::Denied, None));
}
