//! A registry in this process that says whatever a test wants.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use wave_registry::oci::Digest;

/// An answer; `None` lets the registry answer from its objects.
pub type Hook = Arc<dyn Fn(&Seen) -> Option<Answer> + Send + Sync>;
pub type Answer = Response<Full<Bytes>>;

/// What a request looked like.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: http::Method,
    pub path: String,
    pub query: String,
    pub headers: http::HeaderMap,
}

#[derive(Default)]
struct Objects {
    manifests: BTreeMap<String, (String, Bytes)>,
    blobs: BTreeMap<String, Bytes>,
    seen: Vec<Seen>,
}

/// Serves on a loopback port until it is dropped.
pub struct Upstream {
    pub address: SocketAddr,
    objects: Arc<Mutex<Objects>>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// A registry that answers from its objects.
    pub async fn start() -> Upstream {
        Upstream::scripted(|_| None).await
    }

    /// A registry whose answers a hook may replace.
    pub async fn scripted(hook: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let objects = Arc::new(Mutex::new(Objects::default()));
        let (hook, shared): (Hook, _) = (Arc::new(hook), objects.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (hook, objects) = (hook.clone(), shared.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer(&request, &hook, &objects);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(async move {
                    // A connection that a test breaks off is no failure of the registry.
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Upstream { address, objects, task }
    }

    /// Adds a manifest under its digest and, if given, a tag.
    pub fn manifest(&self, tag: Option<&str>, media: &str, content: impl Into<Bytes>) -> Digest {
        let content = content.into();
        let digest = Digest::sha256(&content);
        let mut objects = self.objects.lock().unwrap();
        for key in [Some(digest.to_string()), tag.map(String::from)].into_iter().flatten() {
            objects.manifests.insert(key, (media.into(), content.clone()));
        }
        digest
    }

    /// Adds a manifest under a digest that need not be its own.
    pub fn manifest_as(&self, digest: &str, media: &str, content: impl Into<Bytes>) {
        self.objects.lock().unwrap().manifests.insert(digest.into(), (media.into(), content.into()));
    }

    /// Adds a blob.
    pub fn blob(&self, content: impl Into<Bytes>) -> Digest {
        let content = content.into();
        let digest = Digest::sha256(&content);
        self.objects.lock().unwrap().blobs.insert(digest.to_string(), content);
        digest
    }

    /// The requests so far whose path contains `part`.
    pub fn seen(&self, part: &str) -> Vec<Seen> {
        let objects = self.objects.lock().unwrap();
        objects.seen.iter().filter(|seen| seen.path.contains(part)).cloned().collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A plain answer for hooks.
pub fn respond(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).expect("a test writes valid headers")
}

fn answer(request: &Request<Incoming>, hook: &Hook, objects: &Mutex<Objects>) -> Answer {
    let seen = Seen {
        method: request.method().clone(),
        path: request.uri().path().into(),
        query: request.uri().query().unwrap_or_default().into(),
        headers: request.headers().clone(),
    };
    objects.lock().unwrap().seen.push(seen.clone());
    hook(&seen).unwrap_or_else(|| stored(&seen, &objects.lock().unwrap()))
}

fn stored(seen: &Seen, objects: &Objects) -> Answer {
    if seen.path == "/v2/" {
        return respond(200, &[], "{}");
    }
    let Some((rest, key)) = seen.path.rsplit_once('/') else { return respond(404, &[], "") };
    let found = match rest.rsplit_once('/').map(|(_, kind)| kind) {
        Some("manifests") => objects.manifests.get(key).cloned(),
        Some("blobs") => objects.blobs.get(key).map(|blob| ("application/octet-stream".into(), blob.clone())),
        _ => None,
    };
    let Some((media, content)) = found else {
        return respond(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not here"}]}"#);
    };
    let digest = Digest::sha256(&content).to_string();
    let length = content.len().to_string();
    let head = seen.method == http::Method::HEAD;
    let headers =
        [("content-type", &*media), ("docker-content-digest", &*digest), ("content-length", &*length)];
    match range(seen, content.len()) {
        Some(part) => {
            let content_range = format!("bytes {}-{}/{}", part.start, part.end - 1, content.len());
            let headers = [("content-type", &*media), ("content-range", &*content_range)];
            respond(StatusCode::PARTIAL_CONTENT.as_u16(), &headers, content.slice(part))
        }
        None if head => respond(200, &headers, ""),
        None => respond(200, &headers, content),
    }
}

fn range(seen: &Seen, total: usize) -> Option<std::ops::Range<usize>> {
    let text = seen.headers.get("range")?.to_str().ok()?.strip_prefix("bytes=")?;
    let (first, last) = text.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let last = last.parse().unwrap_or(total - 1).min(total - 1);
    (first <= last).then_some(first..last + 1)
}
