use super::*;
use crate::error::BoxError;
use crate::pull::Verb;
use crate::upstream::script::{alice, anonymous, blob, fetch, hub, latest, listed, only};
use crate::{config, upstream::Registry};
use http::Request;
use tower::util::BoxCloneSyncService;
use tower_test::mock::{self, Handle};

type Stack = Auth<BoxCloneSyncService<Outbound, Response<Body>, Failure>>;

fn stack() -> (Stack, Handle<Outbound, Response<Body>>) {
    let (inner, handle) = mock::pair::<Outbound, Response<Body>>();
    let inner = inner.map_err(|error: BoxError| Failure::Final(Error::from(error)));
    (AuthLayer::new().layer(BoxCloneSyncService::new(inner)), handle)
}

/// Waits for the next request and answers it.
async fn next(
    handle: &mut Handle<Outbound, Response<Body>>,
    status: u16,
    challenge: Option<&str>,
    body: &'static str,
) -> Request<()> {
    let (outbound, answer) = handle.next_request().await.expect("a request");
    let mut builder = Response::builder().status(status);
    if let Some(challenge) = challenge {
        builder = builder.header("www-authenticate", challenge);
    }
    answer.send_response(builder.body(Body::full(body)).unwrap());
    outbound.request.map(|_| ())
}

fn presented(request: &Request<()>) -> &str {
    request.headers().get("authorization").map_or("", |value| value.to_str().unwrap())
}

const HUB: &str = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="*""#;
const GRANT: &str = r#"{"token":"t1","expires_in":300}"#;

fn with_alice(host: &str) -> Arc<Registry> {
    only(&listed(host, config::Registry { credentials: Some(alice()), ..Default::default() }))
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_kept() {
    let (mut service, mut handle) = stack();
    let first = tokio::spawn(service.call(fetch(&hub(), latest())));
    assert_eq!(presented(&next(&mut handle, 401, Some(HUB), "").await), "");
    let ask = next(&mut handle, 200, None, GRANT).await;
    assert_eq!(
        ask.uri(),
        "https://auth.docker.io/token?service=registry.docker.io&scope=repository%3Alibrary%2Fx%3Apull"
    );
    assert_eq!(presented(&ask), "");
    let second = next(&mut handle, 200, None, "manifest").await;
    assert_eq!(presented(&second), "Bearer t1");
    assert!(second.headers()["authorization"].is_sensitive());
    assert_eq!(first.await.unwrap().unwrap().status(), 200);

    let again = tokio::spawn(service.call(Fetch { verb: Verb::Head, ..fetch(&hub(), blob()) }));
    let request = next(&mut handle, 200, None, "").await;
    assert_eq!((request.method(), presented(&request)), (&Method::HEAD, "Bearer t1"));
    again.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refused_token_is_renewed_exactly_once() {
    for verb in [Verb::Get, Verb::Head] {
        let (mut service, mut handle) = stack();
        let known = tokio::spawn(service.call(fetch(&hub(), latest())));
        next(&mut handle, 401, Some(HUB), "").await;
        next(&mut handle, 200, None, GRANT).await;
        next(&mut handle, 200, None, "").await;
        known.await.unwrap().unwrap();

        let refused = tokio::spawn(service.call(Fetch { verb, ..fetch(&hub(), latest()) }));
        assert_eq!(presented(&next(&mut handle, 401, Some(HUB), "").await), "Bearer t1");
        next(&mut handle, 200, None, r#"{"access_token":"t2"}"#).await;
        assert_eq!(presented(&next(&mut handle, 401, Some(HUB), "").await), "Bearer t2");
        assert_eq!(refused.await.unwrap().unwrap().status(), 401);
    }
}

#[tokio::test]
async fn many_requests_share_one_token_request() {
    let (mut service, mut handle) = stack();
    let pulls: Vec<_> = (0..20).map(|_| tokio::spawn(service.call(fetch(&hub(), latest())))).collect();
    let mut asked = 0;
    for _ in 0..41 {
        let (outbound, answer) = handle.next_request().await.unwrap();
        let request = &outbound.request;
        let token = request.uri().host() == Some("auth.docker.io");
        asked += usize::from(token);
        let builder = match (token, request.headers().contains_key("authorization")) {
            (false, false) => Response::builder().status(401).header("www-authenticate", HUB),
            _ => Response::builder(),
        };
        answer.send_response(builder.body(Body::full(if token { GRANT } else { "" })).unwrap());
    }
    for pull in pulls {
        assert_eq!(pull.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn credentials_go_to_the_token_server_and_not_to_the_registry() {
    let (mut service, mut handle) = stack();
    let pull = tokio::spawn(service.call(fetch(&with_alice("quay.io"), latest())));
    next(&mut handle, 401, Some(r#"Bearer realm="https://quay.io/v2/auth""#), "").await;
    let ask = next(&mut handle, 200, None, GRANT).await;
    assert_eq!(presented(&ask), "Basic YWxpY2U6czNjcmV0");
    assert!(ask.headers()["authorization"].is_sensitive());
    assert_eq!(presented(&next(&mut handle, 200, None, "").await), "Bearer t1");
    pull.await.unwrap().unwrap();
}

#[tokio::test]
async fn each_access_has_its_own_token() {
    let (mut service, mut handle) = stack();
    let registry = with_alice("quay.io");
    let alices = tokio::spawn(service.call(fetch(&registry, latest())));
    next(&mut handle, 401, Some(r#"Bearer realm="https://quay.io/v2/auth""#), "").await;
    next(&mut handle, 200, None, GRANT).await;
    next(&mut handle, 200, None, "").await;
    alices.await.unwrap().unwrap();
    let nobodys = tokio::spawn(service.call(anonymous(fetch(&registry, latest()))));
    assert_eq!(presented(&next(&mut handle, 200, None, r#"{"token":"n"}"#).await), "");
    assert_eq!(presented(&next(&mut handle, 200, None, "").await), "Bearer n");
    nobodys.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_foreign_realm_gets_no_credentials() {
    for (realm, word) in [
        ("https://evil.example/token", "trusted-hosts"),
        ("http://quay.io/token", "https to http"),
        ("https://169.254.169.254/token", "private"),
    ] {
        let (mut service, mut handle) = stack();
        let pull = tokio::spawn(service.call(fetch(&with_alice("quay.io"), latest())));
        next(&mut handle, 401, Some(&format!("Bearer realm=\"{realm}\"")), "").await;
        let failure = pull.await.unwrap().unwrap_err();
        assert_eq!(failure.error().code(), Code::Denied);
        assert!(failure.error().message().contains(word), "{failure:?}");
    }
}

#[tokio::test]
async fn basic_is_answered_with_credentials_or_not_at_all() {
    let (mut service, mut handle) = stack();
    let registry = with_alice("reg.example");
    let basic = Some(r#"Basic realm="Some words""#);
    let pull = tokio::spawn(service.call(fetch(&registry, latest())));
    next(&mut handle, 401, basic, "").await;
    assert_eq!(presented(&next(&mut handle, 401, basic, "").await), "Basic YWxpY2U6czNjcmV0");
    assert_eq!(pull.await.unwrap().unwrap().status(), 401);

    let known = tokio::spawn(service.call(fetch(&registry, latest())));
    assert_eq!(presented(&next(&mut handle, 200, None, "").await), "Basic YWxpY2U6czNjcmV0");
    known.await.unwrap().unwrap();
    let nobody = tokio::spawn(service.call(anonymous(fetch(&registry, latest()))));
    assert_eq!(presented(&next(&mut handle, 401, basic, "").await), "");
    assert_eq!(nobody.await.unwrap().unwrap().status(), 401);
}

#[tokio::test]
async fn a_bare_401_leads_to_the_support_check() {
    let (mut service, mut handle) = stack();
    let pull = tokio::spawn(service.call(fetch(&hub(), latest())));
    next(&mut handle, 401, None, "").await;
    assert_eq!(next(&mut handle, 401, Some(HUB), "").await.uri().path(), "/v2/");
    next(&mut handle, 200, None, GRANT).await;
    assert_eq!(presented(&next(&mut handle, 200, None, "").await), "Bearer t1");
    pull.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_token_server_that_refuses() {
    let (mut service, mut handle) = stack();
    let quay = Some(r#"Bearer realm="https://quay.io/v2/auth""#);
    let refused = tokio::spawn(service.call(fetch(&with_alice("quay.io"), latest())));
    next(&mut handle, 401, quay, "").await;
    next(&mut handle, 401, None, "").await;
    assert_eq!(refused.await.unwrap().unwrap_err().error().code(), Code::Denied);

    let known = tokio::spawn(service.call(anonymous(fetch(&with_alice("quay.io"), latest()))));
    next(&mut handle, 401, quay, "").await;
    next(&mut handle, 200, None, GRANT).await;
    next(&mut handle, 200, None, "").await;
    known.await.unwrap().unwrap();
    let other = Fetch { repository: "library/y".parse().unwrap(), ..fetch(&with_alice("quay.io"), latest()) };
    let nobody = tokio::spawn(service.call(anonymous(other)));
    next(&mut handle, 403, None, "").await;
    assert_eq!(presented(&next(&mut handle, 200, None, "public").await), "");
    assert_eq!(nobody.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_challenge_that_cannot_be_answered_is_asked_for_again() {
    let (mut service, mut handle) = stack();
    let known = tokio::spawn(service.call(fetch(&hub(), latest())));
    next(&mut handle, 401, Some(HUB), "").await;
    next(&mut handle, 200, None, r#"{"token":"t1"}"#).await;
    next(&mut handle, 200, None, "").await;
    known.await.unwrap().unwrap();

    // Another repository, so another token, which cannot be had where the last one was.
    let other = || Fetch { repository: "library/y".parse().unwrap(), ..fetch(&hub(), latest()) };
    let moved = tokio::spawn(service.call(other()));
    assert_eq!(next(&mut handle, 200, None, "<html>").await.uri().host(), Some("auth.docker.io"));
    assert_eq!(
        presented(&next(&mut handle, 401, Some(r#"Bearer realm="https://new.docker.io/t""#), "").await),
        ""
    );
    assert_eq!(next(&mut handle, 200, None, GRANT).await.uri().host(), Some("new.docker.io"));
    assert_eq!(presented(&next(&mut handle, 200, None, "").await), "Bearer t1");
    assert_eq!(moved.await.unwrap().unwrap().status(), 200);

    // The new challenge is the one that is kept.
    let kept = tokio::spawn(service.call(Fetch { repository: "library/z".parse().unwrap(), ..other() }));
    assert_eq!(next(&mut handle, 503, None, "").await.uri().host(), Some("new.docker.io"));
    // The registry still says the same, with a scope of this repository: then the first failure stands.
    let same = r#"Bearer realm="https://new.docker.io/t",scope="repository:library/z:pull""#;
    assert_eq!(presented(&next(&mut handle, 401, Some(same), "").await), "");
    assert!(matches!(kept.await.unwrap().unwrap_err(), Failure::Transient(_)));

    // One caller's failure is nobody else's: the challenge is still known, and answered at once.
    let at_once = tokio::spawn(service.call(other()));
    assert_eq!(presented(&next(&mut handle, 200, None, "").await), "Bearer t1");
    at_once.await.unwrap().unwrap();

    // A registry that asks for nothing any more is not answered any more.
    let open = || Fetch { repository: "library/open".parse().unwrap(), ..fetch(&hub(), latest()) };
    let asked = tokio::spawn(service.call(open()));
    next(&mut handle, 503, None, "").await;
    next(&mut handle, 200, None, "").await;
    assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    let bare = tokio::spawn(service.call(open()));
    assert_eq!(next(&mut handle, 200, None, "").await.uri().path(), "/v2/library/open/manifests/latest");
    bare.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_token_server_that_is_out_of_order() {
    let body: &'static str = "x".repeat(100_000).leak();
    for (status, body, transient) in
        [(503, "", true), (200, "<html>", false), (200, body, true), (429, "", false)]
    {
        let (mut service, mut handle) = stack();
        let pull = tokio::spawn(service.call(fetch(&hub(), latest())));
        next(&mut handle, 401, Some(HUB), "").await;
        next(&mut handle, status, None, body).await;
        let failure = pull.await.unwrap().unwrap_err();
        assert_eq!(matches!(failure, Failure::Transient(_)), transient, "{status} {failure:?}");
        assert_eq!(failure.error().status().as_u16(), if status == 429 { 429 } else { 502 });
    }
}

#[tokio::test]
async fn a_token_server_says_when_to_come_back() {
    let (mut service, mut handle) = stack();
    let pull = tokio::spawn(service.call(fetch(&hub(), latest())));
    next(&mut handle, 401, Some(HUB), "").await;
    let (_, answer) = handle.next_request().await.expect("a request");
    let busy = Response::builder().status(503).header("retry-after", "7").body(Body::empty());
    answer.send_response(busy.unwrap());
    let Failure::Transient(error) = pull.await.unwrap().unwrap_err() else { panic!("it may recover") };
    assert_eq!((error.status().as_u16(), error.retry_after()), (502, Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn credentials_of_one_registry_are_never_sent_to_another() {
    let (mut service, _handle) = stack();
    let fetch = Fetch { access: with_alice("quay.io").access(), ..fetch(&hub(), latest()) };
    assert_eq!(service.call(fetch).await.unwrap_err().error().status(), 500);
}
