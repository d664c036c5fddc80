//! Certificates of the TLS listener, replaced while connections run.

use super::Watch;
use crate::config;
use crate::telemetry::names;
use arc_swap::ArcSwap;
use metrics::counter;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A certificate chain and its key, read from two PEM files and read again when these change.
#[derive(Debug)]
pub struct Certificates {
    current: ArcSwap<CertifiedKey>,
    files: config::Tls,
}

/// Why a certificate cannot be used.
#[derive(Debug)]
pub enum Invalid {
    /// The chain cannot be read, or is no PEM.
    Chain(PathBuf, rustls_pki_types::pem::Error),
    /// The chain is empty.
    NoCertificate(PathBuf),
    /// The key cannot be read, or is no PEM.
    Key(PathBuf, rustls_pki_types::pem::Error),
    /// The key is of no kind we know, or belongs to another certificate.
    Pair(rustls::Error),
}

impl Certificates {
    /// Reads the files. The key must belong to the first certificate.
    pub fn load(files: &config::Tls) -> Result<Arc<Certificates>, Invalid> {
        let current = ArcSwap::from_pointee(read(files)?);
        Ok(Arc::new(Certificates { current, files: files.clone() }))
    }

    /// The configuration of a listener that presents them: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub fn server_config(self: &Arc<Certificates>) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Looks at the files every `period` until we drain, and takes a changed pair over when it is valid; the
    /// old one stays when it is not. Replaced symbolic links count as changes.
    pub async fn follow(self: Arc<Certificates>, period: Duration, mut watch: Watch) {
        let mut seen = Stamp::of(&self.files);
        loop {
            tokio::select! {
                () = watch.draining() => return,
                () = tokio::time::sleep(period) => {}
            }
            // Small local files: quicker read than handed to another thread. The stamp is older than what is
            // read, so a change in between is seen next time.
            let stamp = Stamp::of(&self.files);
            if stamp == seen {
                continue;
            }
            seen = stamp;
            let outcome = match read(&self.files) {
                Ok(pair) => {
                    self.current.store(Arc::new(pair));
                    tracing::info!("the certificate was replaced");
                    "ok"
                }
                Err(why) => {
                    tracing::error!(%why, "the changed certificate cannot be used; the old one stays");
                    "failed"
                }
            };
            counter!(names::TLS_RELOADS, "outcome" => outcome).increment(1);
        }
    }
}

impl ResolvesServerCert for Certificates {
    /// The same for every name: a client that asks for another, or for none, sees what it gets.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// What shows that a file is another one than before.
#[derive(PartialEq, Eq)]
struct Stamp([Option<(PathBuf, SystemTime, u64)>; 2]);

impl Stamp {
    fn of(files: &config::Tls) -> Stamp {
        let one = |path: &Path| {
            let path = path.canonicalize().ok()?;
            let about = path.metadata().ok()?;
            Some((path, about.modified().ok()?, about.len()))
        };
        Stamp([one(&files.certificate), one(&files.key)])
    }
}

fn read(files: &config::Tls) -> Result<CertifiedKey, Invalid> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|why| Invalid::Chain(files.certificate.clone(), why))?;
    if chain.is_empty() {
        return Err(Invalid::NoCertificate(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|why| Invalid::Key(files.key.clone(), why))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(Invalid::Pair)
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Chain(path, why) => write!(f, "certificate {}: {why}", path.display()),
            Invalid::NoCertificate(path) => write!(f, "certificate {}: the file has none", path.display()),
            Invalid::Key(path, why) => write!(f, "key {}: {why}", path.display()),
            Invalid::Pair(why) => write!(f, "certificate and key: {why}"),
        }
    }
}

impl std::error::Error for Invalid {}
