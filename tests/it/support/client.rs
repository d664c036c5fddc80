//! A plain HTTP client for tests.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use wave_registry::body::bounded;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Sends one request and reads the whole answer.
pub async fn send(method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    try_send(method, url, headers, body).await.expect("a whole answer")
}

/// The same, where the answer may break off.
pub async fn try_send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, String> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a test writes valid headers");
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.map_err(|error| error.to_string())?;
    let (parts, body) = response.into_parts();
    let body = bounded(body, 1 << 28).await.map_err(|error| error.to_string())?;
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

/// GET.
pub async fn get(url: &str) -> Answer {
    send(Method::GET, url, &[], "").await
}

/// HEAD.
pub async fn head(url: &str) -> Answer {
    send(Method::HEAD, url, &[], "").await
}

/// POST of JSON.
pub async fn post(url: &str, json: &serde_json::Value) -> Answer {
    send(Method::POST, url, &[("content-type", "application/json")], json.to_string()).await
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The header `name` as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a text header"))
    }

    /// Asserts status and code of an error of the registry API, and that its body is the specification's: one error
    /// with a message, and nothing else.
    #[track_caller]
    pub fn is_error(&self, status: u16, code: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        let body = self.json();
        let mut error = body["errors"][0].as_object().unwrap_or_else(|| panic!("{text}")).clone();
        assert_eq!(error.remove("code"), Some(code.into()), "{text}");
        let message = error.remove("message");
        assert!(message.is_some_and(|text| text.as_str().is_some_and(|text| !text.is_empty())), "{text}");
        error.remove("detail");
        assert!(error.is_empty(), "{text}");
        assert_eq!(body["errors"].as_array().map(Vec::len), Some(1), "{text}");
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{text}");
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("content-length"), self.body.len().to_string());
        assert_eq!(self.header("docker-distribution-api-version"), "registry/2.0");
    }
}

/// The bytes that come for a GET of `url`, and whether they are all there are.
pub async fn drain(url: &str) -> (u64, bool) {
    use http_body_util::BodyExt as _;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut response = client.get(url.parse().expect("a test writes valid URLs")).await.expect("a head");
    let mut count = 0;
    while let Some(frame) = response.frame().await {
        match frame {
            Ok(frame) => count += frame.data_ref().map_or(0, Bytes::len) as u64,
            Err(_) => return (count, false),
        }
    }
    (count, true)
}
