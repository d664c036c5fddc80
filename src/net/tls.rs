//! Our certificates, and a new one when the files change.

use crate::config;
use crate::telemetry::names;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

/// The server side of TLS: rustls on aws-lc-rs, TLS 1.2 and 1.3, ALPN `h2` and `http/1.1`. Cheap to clone.
#[derive(Clone)]
pub struct Certificates(Arc<Shared>);

struct Shared {
    files: config::Tls,
    current: ArcSwap<ServerConfig>,
}

/// How often the files are looked at. A mounted secret changes by swapping a link, so the files behind the paths
/// are looked at, not the paths.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Certificates {
    /// Loads certificate and key; the message names the file that is wrong.
    pub fn load(files: &config::Tls) -> Result<Certificates, String> {
        let current = ArcSwap::from_pointee(server_config(files)?);
        Ok(Certificates(Arc::new(Shared { files: files.clone(), current })))
    }

    /// An acceptor with the newest certificate.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.current.load_full())
    }

    /// Takes in new files for ever. Files that do not fit together leave the old certificate in place.
    pub async fn watch(self) {
        let mut seen = stamps(&self.0.files);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = stamps(&self.0.files);
            if now == seen {
                continue;
            }
            seen = now;
            let outcome = self.reload();
            let label = if outcome.is_ok() { "ok" } else { "failed" };
            metrics::counter!(names::CERTIFICATE_RELOADS, "outcome" => label).increment(1);
            match outcome {
                Ok(()) => tracing::info!("a new certificate is in use"),
                Err(error) => tracing::error!(error, "the new certificate is not usable; the old one stays"),
            }
        }
    }

    fn reload(&self) -> Result<(), String> {
        self.0.current.store(Arc::new(server_config(&self.0.files)?));
        Ok(())
    }
}

fn server_config(files: &config::Tls) -> Result<ServerConfig, String> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&files.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&files.certificate, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn stamps(files: &config::Tls) -> [Option<(SystemTime, u64)>; 2] {
    [&files.certificate, &files.key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str) -> config::Tls {
        let made = rcgen::generate_simple_self_signed(vec![name.into()]).unwrap();
        let files = config::Tls {
            bind: ([127, 0, 0, 1], 0).into(),
            certificate: dir.join("tls.crt"),
            key: dir.join("tls.key"),
        };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_broken_renewal_leaves_the_old_certificate() {
        let dir = std::env::temp_dir().join(format!("wave-tls-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let files = write(&dir, "one.example");
        let certificates = Certificates::load(&files).unwrap();
        let first = Arc::as_ptr(&certificates.0.current.load_full());
        std::fs::write(&files.certificate, "nonsense").unwrap();
        assert!(certificates.reload().is_err());
        assert_eq!(Arc::as_ptr(&certificates.0.current.load_full()), first);
        write(&dir, "two.example");
        certificates.reload().unwrap();
        assert_ne!(Arc::as_ptr(&certificates.0.current.load_full()), first);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
