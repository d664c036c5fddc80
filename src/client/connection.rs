//! One call over one connection.

use super::{Failure, host};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

/// Bytes of an answer; manifests, configs and tokens are far smaller.
const LIMIT: usize = 8 << 20;

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The public authorities, and those in `ca_file`.
pub(super) fn tls(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let unread =
            |why: String| Failure::new(format!("cannot read certificates from {}: {why}", path.display()));
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unread(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unread(error.to_string()))?;
            roots.add(certificate).map_err(|error| unread(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions");
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Dials, sends, and reads the whole answer.
pub(super) async fn send(
    tls: &Arc<ClientConfig>,
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Bytes>, Failure> {
    // The driver has to live until the body has been read.
    let (head, Answer { body, _driver }) = open(tls, method, url, headers, body).await?.into_parts();
    let failed = |why: &str| Failure::new(format!("cannot reach {}: {why}", host(url)));
    let body = crate::body::bounded(body, LIMIT).await.map_err(|error| failed(error.message()))?;
    Ok(Response::from_parts(head, body))
}

/// A body, and the task that drives its connection and ends with it.
pub(super) struct Answer {
    pub(super) body: Incoming,
    _driver: AbortOnDropHandle<hyper::Result<()>>,
}

/// Dials, sends, and reads the head of the answer.
pub(super) async fn open(
    tls: &Arc<ClientConfig>,
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Answer>, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::new(format!("cannot reach {}: {why}", host(url)));
    let io = dial(tls, url).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(io)).await.map_err(|error| failed(&error))?;
    let driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request =
        Request::builder().method(method).uri(path).body(Full::new(body)).map_err(|e| failed(&e))?;
    *request.headers_mut() = headers;
    let authority = HeaderValue::try_from(host(url)).map_err(|error| failed(&error))?;
    request.headers_mut().insert(header::HOST, authority);
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    Ok(response.map(|body| Answer { body, _driver: driver }))
}

async fn dial(tls: &Arc<ClientConfig>, url: &Url) -> Result<Box<dyn Io>, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::new(format!("cannot reach {}: {why}", host(url)));
    let port = url.port_or_known_default().ok_or_else(|| failed(&"the URL is neither http nor https"))?;
    let (address, name) = match url.host() {
        Some(Host::Domain(name)) => (name.to_string(), ServerName::try_from(name.to_string()).ok()),
        Some(Host::Ipv4(ip)) => (ip.to_string(), Some(ServerName::IpAddress(ip.into()))),
        Some(Host::Ipv6(ip)) => (ip.to_string(), Some(ServerName::IpAddress(ip.into()))),
        None => return Err(failed(&"the URL has no host")),
    };
    let stream = TcpStream::connect((address.as_str(), port)).await.map_err(|error| failed(&error))?;
    match url.scheme() {
        "https" => {
            let name = name.ok_or_else(|| failed(&"the host is no server name"))?;
            let stream = TlsConnector::from(tls.clone()).connect(name, stream).await;
            Ok(Box::new(stream.map_err(|error| failed(&error))?))
        }
        _ => Ok(Box::new(stream)),
    }
}

#[cfg(test)]
mod tests;
