//! A client of our own: one connection per request, http or https, nothing followed, nothing decoded.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::pki::Authority;

/// The kinds of manifest a client understands.
pub(crate) const DOCUMENTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// A server to talk to.
#[derive(Clone)]
pub(crate) struct Peer {
    authority: String,
    tls: Option<Arc<ClientConfig>>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Peer {
    /// `authority` is `HOST:PORT`.
    pub(crate) fn http(authority: &str) -> Self {
        Self { authority: authority.to_owned(), tls: None }
    }

    /// The same, with certificates of this authority.
    pub(crate) fn https(authority: &str, trusted: &Authority) -> Self {
        Self { authority: authority.to_owned(), tls: Some(trusted.client()) }
    }

    /// GET of a document, of any kind that manifests have.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::read(self.send(Method::GET, path, &[("accept", DOCUMENTS)], "").await).await
    }

    /// POST of JSON.
    pub(crate) async fn post(&self, path: &str, json: &serde_json::Value) -> Answer {
        let headers = [("content-type", "application/json")];
        Answer::read(self.send(Method::POST, path, &headers, &json.to_string()).await).await
    }

    /// Waits until the server takes no connections.
    ///
    /// # Panics
    /// When it still does after 20 seconds.
    pub(crate) async fn refuses(&self) {
        let refused = async {
            while TcpStream::connect(&self.authority).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), refused).await.expect("the server stops accepting");
    }

    /// Sends a request; the body of the answer is still to be read.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).expect("the parts are valid");
        let stream = TcpStream::connect(&self.authority).await.expect("the server accepts connections");
        let Some(tls) = &self.tls else { return exchange(stream, request).await };
        let host = self.authority.rsplit_once(':').expect("an authority has a port").0.to_owned();
        let name = ServerName::try_from(host).expect("the host is a name or an address");
        let connector = TlsConnector::from(Arc::clone(tls));
        exchange(connector.connect(name, stream).await.expect("the certificate is trusted"), request).await
    }
}

impl Answer {
    /// Reads the body to its end.
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let mut whole = Vec::new();
        each_frame(body, |bytes| whole.extend_from_slice(bytes)).await;
        Self { status: parts.status, headers: parts.headers, body: whole.into() }
    }

    /// The body, which is JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header that is there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.to_str().expect("the header is ASCII")
    }
}

/// Hands every piece of a body over, and none is kept.
///
/// # Panics
/// When the body breaks off.
pub(crate) async fn each_frame(mut body: Incoming, mut look: impl FnMut(&[u8])) {
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap_or_else(|error| panic!("the body breaks off: {error:?}"));
        if let Some(bytes) = frame.data_ref() {
            look(bytes);
        }
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Response<Incoming>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.expect("HTTP/1.1 needs no handshake");
    // It ends with the answer's body, or when that is dropped.
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
}
