//! TLS towards servers: rustls with the provider ring, named and not taken from the process.
//!
//! An image may hold no certificates at all, so Mozilla's roots are part of the program; what the image or the
//! caller has comes in addition.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Where distributions keep their certificates: Debian, Alpine and SUSE; Red Hat.
const SYSTEM_BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Bundles above this size are not read; the largest in use have 300 KB.
const MAX_BUNDLE: u64 = 8 << 20;

/// Files of certificates beside the embedded ones.
#[derive(Clone, Debug, Default)]
pub struct Bundles {
    /// Files the caller has named, and by which variable: one that cannot be read is an error.
    pub named: Vec<(&'static str, PathBuf)>,
}

/// The configuration of all connections. Reads files, so it does not belong on a runtime's thread.
///
/// # Errors
///
/// What to do about a bundle that was named and cannot be used.
pub fn client_config(bundles: &Bundles) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for (variable, path) in &bundles.named {
        let added = add(&mut roots, path).map_err(|reason| {
            format!("{variable} names {}: {reason}; correct or unset it", path.display())
        })?;
        if added == 0 {
            return Err(format!("{variable} names {}: it holds no certificate in PEM form", path.display()));
        }
    }
    for path in SYSTEM_BUNDLES {
        // The image's own, which may be missing or odd: the embedded roots serve without it.
        let _ = add(&mut roots, Path::new(path));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Adds the certificates of one file, and says how many it held. One that rustls cannot use is passed over.
fn add(roots: &mut RootCertStore, path: &Path) -> Result<usize, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_BUNDLE {
        return Err(format!("{size} bytes are more than the {MAX_BUNDLE} a bundle may have"));
    }
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    Ok(roots.add_parsable_certificates(certificates).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_roots_need_no_file() {
        let config = client_config(&Bundles::default()).expect("no file is named");
        assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
    }

    #[test]
    fn a_named_bundle_that_cannot_be_used_is_told_by_its_variable() {
        for path in ["/nonexistent/ca.pem", "/dev/null"] {
            let bundles = Bundles { named: vec![("AWS_CA_BUNDLE", path.into())] };
            let message = client_config(&bundles).expect_err("the file holds nothing");
            assert!(message.contains("AWS_CA_BUNDLE") && message.contains(path), "{message}");
        }
    }
}
