//! HTTP/1.1 requests with bodies in memory, answers as streams, and connections that are used again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connect;
use super::dns::Resolver;
use super::pool::Pool;
use super::tls::{self, Bundles};
use super::upload::Upload;

/// A TLS handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a connection reads ahead. All frames of a body are slices of such a buffer.
const READ_BUFFER: usize = 256 << 10;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// https, not http.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: Box<str>,
    /// The port, always stated.
    pub port: u16,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// No connection: the server has seen nothing.
    Connect(String),
    /// The server's certificate is not accepted, and will not be the next time.
    Untrusted(String),
    /// A connection that had been idle turned out to be closed. The server may have seen the request.
    Stale(String),
    /// The connection broke before the answer. The server may have acted on the request.
    Broken(String),
    /// Nothing moved for as long as the caller would wait.
    Silent(Duration),
    /// The program's own settings do not allow a connection.
    Settings(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(reason) => write!(f, "no connection: {reason}"),
            Self::Stale(reason) | Self::Broken(reason) => write!(f, "connection lost: {reason}"),
            Self::Silent(time) => write!(f, "no answer for {} s", time.as_secs_f32()),
            Self::Untrusted(reason) | Self::Settings(reason) => f.write_str(reason),
        }
    }
}

/// The connections of a program.
#[derive(Debug)]
pub struct Http {
    bundles: Bundles,
    tls: OnceCell<Result<TlsSettings, String>>,
    resolver: Resolver,
    pool: Arc<Pool>,
}

struct TlsSettings(TlsConnector);

impl std::fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsSettings")
    }
}

impl Http {
    /// No connection yet, and no file read.
    pub fn new(bundles: Bundles) -> Self {
        Self { bundles, tls: OnceCell::new(), resolver: Resolver::default(), pool: Arc::default() }
    }

    /// Sends a request and waits for the head of the answer. `patience` is how long nothing may move: neither the
    /// body going out nor an answer coming in.
    ///
    /// # Errors
    ///
    /// There is no answer; the variant says whether the server may have acted.
    pub async fn send(
        &self,
        origin: &Origin,
        request: Request<()>,
        body: &[Bytes],
        patience: Duration,
    ) -> Result<Response<Download>, Fault> {
        let (parts, ()) = request.into_parts();
        if let Some(mut sender) = self.pool.take(origin).await {
            let request = Request::from_parts(parts.clone(), Upload::new(body));
            match exchange(&mut sender, request, patience).await {
                Ok(answer) => return Ok(self.download(origin, sender, answer)),
                // The connection was closed before it took the request.
                Err((_, true)) => {}
                Err((Fault::Broken(reason), false)) => return Err(Fault::Stale(reason)),
                Err((fault, false)) => return Err(fault),
            }
        }
        let mut sender = self.connect(origin).await?;
        let request = Request::from_parts(parts, Upload::new(body));
        match exchange(&mut sender, request, patience).await {
            Ok(answer) => Ok(self.download(origin, sender, answer)),
            Err((fault, _)) => Err(fault),
        }
    }

    fn download(
        &self,
        origin: &Origin,
        sender: SendRequest<Upload>,
        answer: Response<Incoming>,
    ) -> Response<Download> {
        let home = Home { pool: self.pool.clone(), origin: origin.clone(), sender };
        answer.map(|incoming| Download { incoming, home: Some(home) }.settled())
    }

    async fn connect(&self, origin: &Origin) -> Result<SendRequest<Upload>, Fault> {
        let addresses = self.resolver.lookup(&origin.host, origin.port).await.map_err(Fault::Connect)?;
        let stream = connect::tcp(addresses).await.map_err(Fault::Connect)?;
        if !origin.tls {
            return handshake(stream).await;
        }
        let name = origin.host.to_string();
        let name = rustls_pki_types::ServerName::try_from(name)
            .map_err(|_| Fault::Settings(format!("{} is not a name a server can have", origin.host)))?;
        let connector = self.connector().await.map_err(Fault::Settings)?;
        let stream = timeout(HANDSHAKE, connector.connect(name, stream))
            .await
            .map_err(|_| Fault::Connect(format!("{}: TLS takes too long", origin.host)))?
            .map_err(|error| refused(origin, &error))?;
        handshake(stream).await
    }

    async fn connector(&self) -> Result<TlsConnector, String> {
        let settings = self.tls.get_or_init(|| async {
            let bundles = self.bundles.clone();
            let config = tokio::task::spawn_blocking(move || tls::client_config(&bundles)).await;
            let config = config.map_err(|error| error.to_string())??;
            Ok(TlsSettings(TlsConnector::from(Arc::new(config))))
        });
        settings.await.as_ref().map(|settings| settings.0.clone()).map_err(Clone::clone)
    }
}

/// A server nobody vouches for stays one.
fn refused(origin: &Origin, error: &std::io::Error) -> Fault {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(reason)) = cause {
        return Fault::Untrusted(format!(
            "{}: its certificate is not accepted ({reason}); for a private authority, set AWS_CA_BUNDLE to its file",
            origin.host
        ));
    }
    Fault::Connect(format!("{}: {error}", origin.host))
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Upload>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(READ_BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Fault::Connect(error.to_string()))?;
    // Ends with the sender, or with the body of the last answer. Its error is that of the request.
    tokio::spawn(connection);
    Ok(sender)
}

/// The answer, or why there is none and whether the request never left.
async fn exchange(
    sender: &mut SendRequest<Upload>,
    request: Request<Upload>,
    patience: Duration,
) -> Result<Response<Incoming>, (Fault, bool)> {
    let taken = request.body().taken();
    let answer = sender.try_send_request(request);
    tokio::pin!(answer);
    let mut seen = 0;
    loop {
        match timeout(patience, answer.as_mut()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(mut error)) => {
                let unsent = error.take_message().is_some();
                return Err((Fault::Broken(reason(error.error())), unsent));
            }
            Err(_) => {
                let now = taken.load(Ordering::Relaxed);
                if now == seen {
                    return Err((Fault::Silent(patience), false));
                }
                seen = now;
            }
        }
    }
}

/// An error with what caused it, on one line.
fn reason(error: &hyper::Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The way back into the pool.
#[derive(Debug)]
struct Home {
    pool: Arc<Pool>,
    origin: Origin,
    sender: SendRequest<Upload>,
}

/// The body of an answer. Read to its end, it gives its connection back; dropped before, it closes it.
#[derive(Debug)]
pub struct Download {
    incoming: Incoming,
    home: Option<Home>,
}

impl Download {
    /// The next piece; `None` at the end. An error is a body that is shorter than announced. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The connection broke, in words.
    pub async fn next(&mut self) -> Option<Result<Bytes, String>> {
        use http_body::Body as _;
        use std::pin::Pin;
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut self.incoming).poll_frame(cx)).await;
            match frame {
                Some(Ok(frame)) => {
                    self.settle();
                    // Trailers are of no use here.
                    let Ok(data) = frame.into_data() else { continue };
                    if !data.is_empty() {
                        return Some(Ok(data));
                    }
                }
                Some(Err(error)) => {
                    self.home = None;
                    return Some(Err(reason(&error)));
                }
                None => {
                    self.give_back();
                    return None;
                }
            }
        }
    }

    /// The end has been seen, and the connection is back in the pool.
    pub fn is_finished(&self) -> bool {
        self.home.is_none()
    }

    fn settled(mut self) -> Self {
        self.settle();
        self
    }

    fn settle(&mut self) {
        use http_body::Body as _;
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some(home) = self.home.take() {
            home.pool.put(&home.origin, home.sender);
        }
    }
}

#[cfg(test)]
mod tests;
