use super::*;
use crate::auth::Access;
use crate::config;
use crate::oci::Digest;
use crate::upstream::script::{alice, blob, fetch, hub, latest, listed, only};

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Response<Body>, Failure> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    Ok(builder.body(Body::full(body.to_string())).unwrap())
}

async fn error(what: What, status: u16, body: &str) -> (u16, Code, String) {
    let error = judge(&fetch(&hub(), what), response(status, &[], body)).await.unwrap_err();
    (error.status().as_u16(), error.code(), error.message().to_string())
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let tags = || What::Tags { n: None, last: None, more: vec![] };
    let check = async |what, status, want: (u16, Code)| {
        let (got, code, _) = error(what, status, "").await;
        assert_eq!((got, code), want, "{status}");
    };
    check(latest(), 404, (404, Code::ManifestUnknown)).await;
    check(blob(), 404, (404, Code::BlobUnknown)).await;
    check(tags(), 404, (404, Code::NameUnknown)).await;
    check(latest(), 401, (403, Code::Denied)).await;
    check(latest(), 403, (403, Code::Denied)).await;
    check(latest(), 429, (429, Code::TooManyRequests)).await;
    check(latest(), 400, (400, Code::ManifestInvalid)).await;
    check(latest(), 405, (502, Code::Unavailable)).await;
    let referrers =
        What::Referrers { subject: Digest::sha256("x"), artifact_type: None, skip: 0, more: vec![] };
    check(referrers, 405, (405, Code::Unsupported)).await;
    check(latest(), 418, (502, Code::Unavailable)).await;
    check(latest(), 500, (502, Code::Unavailable)).await;
    check(blob(), 503, (502, Code::Unavailable)).await;
    check(blob(), 302, (502, Code::Unavailable)).await;
}

#[tokio::test]
async fn the_registrys_own_code_is_kept() {
    let check = async |status, code: &str, want: (u16, Code)| {
        let envelope = format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#);
        let (got, kept, message) = error(latest(), status, &envelope).await;
        assert_eq!((got, kept), want, "{status} {code}");
        assert!(message.ends_with(": no"), "{message}");
    };
    check(400, "DIGEST_INVALID", (400, Code::DigestInvalid)).await;
    check(400, "UNSUPPORTED", (400, Code::Unsupported)).await;
    check(400, "TAG_INVALID", (400, Code::ManifestInvalid)).await;
    check(400, "UNAUTHORIZED", (400, Code::ManifestInvalid)).await;
    check(422, "NAME_INVALID", (422, Code::NameInvalid)).await;
    check(422, "VALIDATION_ERROR", (502, Code::Unavailable)).await;
    // These are not upstream's to say: who may do what, what is here, and what can be asked.
    check(401, "NAME_INVALID", (403, Code::Denied)).await;
    check(404, "NAME_UNKNOWN", (404, Code::ManifestUnknown)).await;
    check(405, "UNSUPPORTED", (502, Code::Unavailable)).await;
    check(503, "NAME_INVALID", (502, Code::Unavailable)).await;
}

#[tokio::test]
async fn a_head_may_be_refused_for_itself() {
    for (status, lacks) in [(400, true), (403, true), (405, true), (501, true), (404, false), (502, false)] {
        let get = fetch(&hub(), latest());
        let head = Fetch { verb: Verb::Head, ..get.clone() };
        assert_eq!(
            lacks_head(&judge(&head, response(status, &[], "")).await.unwrap_err()),
            lacks,
            "{status}"
        );
        assert!(!lacks_head(&judge(&get, response(status, &[], "")).await.unwrap_err()));
    }
}

#[tokio::test]
async fn messages_say_which_image_and_what_upstream_said() {
    let envelope = r#"{"errors":[{"code":"X","message":"manifest unknown"}]}"#;
    assert_eq!(
        error(latest(), 404, envelope).await.2,
        "repository 'docker.io/library/x:latest' not found: manifest unknown"
    );
    assert_eq!(
        error(blob(), 401, "").await.2,
        format!("repository 'docker.io/library/x@{}' unauthorized (401)", Digest::sha256("blob"))
    );
    assert_eq!(
        error(latest(), 502, "<html><h1>Bad\u{7} Gateway</h1>\nnginx").await.2,
        "repository 'docker.io/library/x:latest' not served, upstream answered 502: Bad Gateway"
    );
}

#[test]
fn messages_are_sanitised() {
    let check = |text: &str, want: &str| assert_eq!(sanitise(text), want, "{text}");
    check("", "");
    check("   \n ", "");
    check("payload <script>alert(1)</script> end", "payload alert(1) end");
    check("xss <img onerror=\"alert(1)\" src=x> test", "xss test");
    check("one\ntwo", "one");
    check("a\u{1b}[31m\tb", "a[31m b");
    check(&"x".repeat(1000), &"x".repeat(300));
    check("a < b", "a");
}

#[tokio::test]
async fn a_caller_is_asked_for_a_password_only_where_his_is_used() {
    let policy =
        config::Registry { credentials: Some(alice()), forward_credentials: true, ..Default::default() };
    let registry = only(&listed("quay.io", policy));
    let operators = fetch(&registry, latest());
    let error = judge(&operators, response(401, &[], "")).await.unwrap_err();
    assert_eq!((error.code(), error.challenge()), (Code::Denied, None));
    let callers = Fetch { access: Access::anonymous(), ..operators };
    let error = judge(&callers, response(401, &[], "")).await.unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), (Code::Unauthorized, 401));
    assert_eq!(error.challenge().unwrap().to_string(), "Basic realm=\"quay.io\"");
}

#[tokio::test]
async fn good_answers_pass() {
    let fetch = fetch(&hub(), blob());
    let headers = [("connection", "close"), ("set-cookie", "a=b"), ("etag", "\"x\"")];
    let good = judge(&fetch, response(206, &headers, "ab")).await.unwrap();
    assert_eq!((good.status().as_u16(), good.headers().len()), (206, 1));
    // Nobody asked whether it had changed.
    assert_eq!(judge(&fetch, response(304, &[], "")).await.unwrap_err().status(), 502);
    let headers = [("content-length", "9999"), ("content-range", "bytes */5")];
    let range = judge(&fetch, response(416, &headers, "short")).await.unwrap();
    assert_eq!((range.headers().len(), range.body().as_full().is_none()), (1, true));
}

#[tokio::test]
async fn an_encoding_is_refused() {
    let fetch = fetch(&hub(), latest());
    let gzip = [("content-encoding", "gzip")];
    assert_eq!(judge(&fetch, response(200, &gzip, "x")).await.unwrap_err().status(), 502);
    let identity = [("content-encoding", "identity")];
    judge(&fetch, response(200, &identity, "x")).await.unwrap();
}

#[tokio::test]
async fn redirects_are_handed_out_where_the_policy_says_so() {
    let registry = only(&listed("quay.io", config::Registry { redirect: true, ..Default::default() }));
    let to = [("location", "https://cdn/x")];
    let own = fetch(&registry, blob());
    assert_eq!(judge(&own, response(307, &to, "")).await.unwrap_err().status(), 502);
    let clients = Fetch { redirects: registry.redirects(), ..own };
    assert_eq!(judge(&clients, response(307, &to, "")).await.unwrap().status(), 307);
    assert_eq!(judge(&clients, response(307, &[], "")).await.unwrap_err().status(), 502);
}

#[test]
fn retry_after_in_both_spellings() {
    let after = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", text.parse().unwrap());
        retry_after(&headers)
    };
    assert_eq!(after("120"), Some(Duration::from_secs(120)));
    assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
    let future = after("Sat, 06 Nov 2094 08:49:37 GMT").unwrap();
    assert!(future > Duration::from_secs(86_400));
    assert_eq!(after("soon"), None);
    assert_eq!(after("-1"), None);
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

#[tokio::test]
async fn a_quota_says_when_to_come_back() {
    let fetch = fetch(&hub(), latest());
    let told = judge(&fetch, response(429, &[("retry-after", "3600")], "")).await.unwrap_err();
    assert_eq!(told.retry_after(), Some(Duration::from_secs(3600)));
    let untold = judge(&fetch, response(429, &[], "")).await.unwrap_err();
    assert_eq!(untold.retry_after(), Some(PAUSE));
}
