//! A server on loopback with fixed answers.

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

type Answers = HashMap<String, (u16, String, String)>;

/// Answers each path with a status, a type (a location for redirects) and a text; 404 elsewhere.
pub(super) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
    last: Arc<Mutex<Bytes>>,
}

impl Server {
    pub(super) async fn start<const N: usize>(answers: [(&str, u16, &str, String); N]) -> Server {
        let answers =
            answers.map(|(path, status, kind, text)| (path.to_string(), (status, kind.to_string(), text)));
        let answers: Arc<Answers> = Arc::new(answers.into());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let last = Arc::new(Mutex::new(Bytes::new()));
        let seen = last.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, seen) = (answers.clone(), seen.clone());
                let service = service_fn(move |request| answer(answers.clone(), seen.clone(), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Server { address, task, last }
    }

    pub(super) fn authority(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn url(&self) -> Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// The body of the last request.
    pub(super) fn last_body(&self) -> Bytes {
        self.last.lock().unwrap().clone()
    }
}

async fn answer(
    answers: Arc<Answers>,
    seen: Arc<Mutex<Bytes>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, crate::error::Error> {
    let path = request.uri().path().to_string();
    let body = crate::body::bounded(request.into_body(), 1 << 20).await?;
    *seen.lock().unwrap() = body;
    let Some((status, kind, text)) = answers.get(&path) else {
        return Ok(Response::builder().status(404).body(Full::default()).expect("a plain response"));
    };
    let name = if *status == 307 { header::LOCATION } else { header::CONTENT_TYPE };
    let response = Response::builder().status(*status).header(name, kind);
    Ok(response.body(Full::new(text.clone().into())).expect("a plain response"))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
