//! The client side of the command line: `wave token` and `wave inspect`.

mod connection;
pub mod inspect;
pub mod login;
pub mod pull;
#[cfg(test)]
mod server;
pub mod token;

pub use inspect::{Inspection, inspect, named};
pub use login::login;
pub use pull::pull;
pub use token::{Minted, TokenRequest, token, words};

use crate::auth::Credentials;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use rustls::ClientConfig;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// For one call, from dialling to the last byte.
const DEADLINE: Duration = Duration::from_secs(120);

/// How long a server may send nothing of a layer.
const IDLE: Duration = Duration::from_secs(60);

/// Redirects followed for one call.
const HOPS: usize = 5;

/// Speaks to registries and to the control plane: one connection for each call, http or https by the URL.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Arc<ClientConfig>,
    credentials: Option<Credentials>,
    /// [`IDLE`], and less in tests.
    idle: Duration,
}

/// Why a call did not work out, in words for the terminal.
#[derive(Debug)]
pub struct Failure(String);

impl Client {
    /// A client that trusts the public authorities, and the PEM certificates in `ca_file`.
    pub fn new(ca_file: Option<&Path>) -> Result<Client, Failure> {
        Ok(Client { tls: connection::tls(ca_file)?, credentials: None, idle: IDLE })
    }

    /// The same client, which presents `credentials` to the host it is asked to call and to no other.
    pub fn with_credentials(self, credentials: Credentials) -> Client {
        Client { credentials: Some(credentials), ..self }
    }

    /// GET, following redirects. Anything but 200 is a failure with the server's own message.
    async fn get(&self, url: &Url, accept: &'static str) -> Result<Response<Bytes>, Failure> {
        let mut next = url.clone();
        for _ in 0..=HOPS {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("it is a constant"));
            if next.origin() == url.origin() {
                self.authorize(&mut headers);
            }
            let response = self.send(Method::GET, &next, headers, Bytes::new()).await?;
            if !response.status().is_redirection() {
                return successful(&next, response);
            }
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let target = location.and_then(|location| next.join(location).ok());
            next = target.ok_or_else(|| Failure::new(format!("{} redirects to nowhere", host(&next))))?;
        }
        Err(Failure::new(format!("{} redirects too often", host(url))))
    }

    /// POST of JSON.
    async fn post(&self, url: &Url, body: &serde_json::Value) -> Result<Response<Bytes>, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, crate::oci::headers::JSON);
        self.authorize(&mut headers);
        let response = self.send(Method::POST, url, headers, body.to_string().into()).await?;
        successful(url, response)
    }

    fn authorize(&self, headers: &mut HeaderMap) {
        if let Some(credentials) = &self.credentials {
            headers.insert(header::AUTHORIZATION, credentials.header());
        }
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        let call = connection::send(&self.tls, method, url, headers, body);
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::new(format!("{} does not answer", host(url)))),
        }
    }
}

fn successful(url: &Url, response: Response<Bytes>) -> Result<Response<Bytes>, Failure> {
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    let text = serde_json::from_slice::<serde_json::Value>(response.body()).unwrap_or_default();
    let message = text["message"].as_str().or_else(|| text["errors"][0]["message"].as_str());
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    Err(Failure::new(format!("{} answers {}{message}", host(url), response.status())))
}

/// The host and port of a URL; the rest may hold a token.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
}

impl Failure {
    fn new(message: impl Into<String>) -> Failure {
        Failure(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
