//! A certificate for localhost, and a client that trusts it.

use rustls::pki_types::CertificateDer;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Certificate and key as files, the certificate alone, and both in one file as haproxy wants them.
pub(crate) struct Pki {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) both: PathBuf,
    der: CertificateDer<'static>,
}

impl Pki {
    pub(crate) fn new(folder: &Path) -> Pki {
        let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        Pki {
            certificate: write("tls.crt", &certificate),
            key: write("tls.key", &key),
            both: write("tls.pem", &format!("{certificate}{key}")),
            der: made.cert.der().clone(),
        }
    }

    /// A client's configuration, HTTP/1.1.
    pub(crate) fn client(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.der.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}
