use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::config::aws::Aws;
use crate::net::http::Http;
use crate::net::tls::Bundles;

/// A container's endpoint that counts its answers and numbers its keys; it fails as long as it is told to.
struct Endpoint {
    url: String,
    answers: Arc<AtomicUsize>,
    failing: Arc<AtomicUsize>,
}

async fn endpoint(life: Duration) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}/role", listener.local_addr().expect("bound"));
    let (answers, failing) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, fail) = (answers.clone(), failing.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            assert!(String::from_utf8_lossy(&request[..length]).contains("authorization: tok\r\n"));
            let number = count.fetch_add(1, Ordering::SeqCst);
            let expires = crate::s3::time::compact(SystemTime::now() + life);
            let e = |from: usize, to: usize| expires[from..to].to_owned();
            let body = format!(
                "{{\"AccessKeyId\":\"A{number}\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"{}-{}-{}T{}:{}:{}Z\"}}",
                e(0, 4),
                e(4, 6),
                e(6, 8),
                e(9, 11),
                e(11, 13),
                e(13, 15)
            );
            let status = if fail.load(Ordering::SeqCst) > 0 { "403 Forbidden" } else { "200 OK" };
            let answer = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Endpoint { url, answers, failing }
}

fn store(url: &str) -> Arc<Store> {
    let variables =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "tok")];
    let aws = Aws::read(|name| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    });
    let sources = aws.expect("valid").sources;
    Arc::new(Store::new(Chain::new(Arc::new(Http::new(Bundles::default())), sources, None)))
}

fn access(found: &Found) -> &str {
    found.credentials.as_ref().expect("the endpoint gives some").access()
}

#[tokio::test]
async fn many_requests_wait_for_one_fetch() {
    let endpoint = endpoint(Duration::from_secs(3600)).await;
    let store = store(&endpoint.url);
    let waiting: Vec<_> = (0..32)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.get(SystemTime::now()).await })
        })
        .collect();
    for task in waiting {
        let found = task.await.expect("no panic").expect("credentials");
        assert_eq!(access(&found), "A0");
    }
    assert_eq!(endpoint.answers.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_server_refused_is_replaced_once() {
    let endpoint = endpoint(Duration::from_secs(3600)).await;
    let store = store(&endpoint.url);
    let first = store.get(SystemTime::now()).await.expect("credentials");
    let replace = |age| store.replace(&first, age, SystemTime::now());
    assert!(!replace(Duration::from_secs(5)).await, "they are too young");
    let (one, two) = tokio::join!(replace(Duration::ZERO), replace(Duration::ZERO));
    assert!(one && two);
    assert_eq!(access(&store.get(SystemTime::now()).await.expect("credentials")), "A1");
    assert_eq!(endpoint.answers.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn old_ones_serve_while_a_renewal_fails() {
    // They are renewed at half of their life and serve until its end, two seconds later.
    let endpoint = endpoint(Duration::from_secs(6)).await;
    let store = store(&endpoint.url);
    let first = store.get(SystemTime::now()).await.expect("credentials");
    endpoint.failing.store(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(3050)).await;
    let still = store.get(SystemTime::now()).await.expect("the old ones");
    assert!(Arc::ptr_eq(&first, &still));
    let asked = endpoint.answers.load(Ordering::SeqCst);
    assert_eq!(asked, 2, "the renewal was tried");
    store.get(SystemTime::now()).await.expect("the old ones");
    assert_eq!(endpoint.answers.load(Ordering::SeqCst), asked, "and is not tried at once again");
}

#[tokio::test]
async fn a_failure_is_everybodys_for_a_moment() {
    let endpoint = endpoint(Duration::from_secs(3600)).await;
    endpoint.failing.store(1, Ordering::SeqCst);
    let store = store(&endpoint.url);
    let message = store.get(SystemTime::now()).await.expect_err("refused");
    assert!(message.contains("403") && message.contains("127.0.0.1"), "{message}");
    let asked = endpoint.answers.load(Ordering::SeqCst);
    assert_eq!(store.get(SystemTime::now()).await.expect_err("refused"), message);
    assert_eq!(endpoint.answers.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn a_source_that_has_none_any_more_does_not_make_requests_anonymous() {
    let endpoint = endpoint(Duration::from_secs(3600)).await;
    let mut store = store(&endpoint.url);
    store.get(SystemTime::now()).await.expect("the endpoint answers");
    Arc::get_mut(&mut store).expect("nobody else has it").chain.sources.anonymous = true;
    let held = store.held().expect("just fetched");
    let now = Instant::now();
    store.set(Held { renew: now, ..held.clone() });
    assert_eq!(access(&store.get(SystemTime::now()).await.expect("the old ones serve")), "A0");
    assert!(store.held().expect("kept").renew > now, "and are renewed later");
    store.set(Held { renew: now, end: now, ..held });
    store.get(SystemTime::now()).await.expect_err("there are none");
}

#[tokio::test]
async fn sources_without_credentials_are_asked_again_soon() {
    let mut store = store("http://127.0.0.1:1/");
    Arc::get_mut(&mut store).expect("nobody else has it").chain.sources.anonymous = true;
    let mut lives = Vec::new();
    for _ in 0..8 {
        store.get(SystemTime::now()).await.expect("anonymous");
        let held = store.held().expect("kept");
        lives.push(held.life.as_secs());
        store.set(Held { end: held.since, renew: held.since, ..held });
    }
    assert_eq!(lives, [5, 10, 20, 40, 80, 160, 300, 300]);
}
