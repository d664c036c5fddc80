use super::*;
use rcgen::{CertifiedKey, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::PathBuf;

/// A certificate for `localhost`, in a file that goes away with the test.
struct Authority {
    file: PathBuf,
    key: CertifiedKey<KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let key = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let file = std::env::temp_dir().join(format!("wave-ca-{}-{name}.pem", std::process::id()));
        std::fs::write(&file, key.cert.pem()).unwrap();
        Authority { file, key }
    }

    fn server(&self) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.signing_key.serialize_der()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.key.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.file);
    }
}

/// One blob over TLS under `policy`; the status, and how many requests arrived.
async fn secure(authority: &Authority, policy: Registry) -> (u16, usize) {
    let script = Script::serve(Some(authority.server()), |_| answer(200, &[], "blob")).await;
    let url = format!("https://localhost:{}", script.address.port()).parse().unwrap();
    let registries = listed("registry.example", Registry { url: Some(url), ..policy });
    let status = match pull(&limits(), &registries).await {
        Ok(response) => {
            let status = response.status().as_u16();
            assert_eq!(text(response).await, "blob");
            status
        }
        Err(error) => error.status().as_u16(),
    };
    (status, script.lines().len())
}

#[tokio::test]
async fn certificates_are_trusted_as_the_policy_says() {
    let authority = Authority::new("good");
    let other = Authority::new("other");
    let with =
        |authority: &Authority| Registry { ca_file: Some(authority.file.clone()), ..Default::default() };
    assert_eq!(secure(&authority, with(&authority)).await, (200, 1));
    assert_eq!(secure(&authority, Registry { insecure: true, ..Default::default() }).await, (200, 1));
    assert_eq!(secure(&authority, Registry::default()).await, (502, 0));
    assert_eq!(secure(&authority, with(&other)).await, (502, 0));
}

#[tokio::test]
async fn case_37_blobs_that_nobody_reads_hold_up_nothing_else() {
    let authority = Authority::new("unread");
    let content = Bytes::from(vec![b'x'; 8 << 20]);
    let sent = content.clone();
    let script = Script::serve(Some(authority.server()), move |seen| match seen.line.contains("/blobs/") {
        true => answer(200, &[], sent.clone()),
        false => answer(200, &[], "{}"),
    })
    .await;
    let policy = Registry {
        url: Some(format!("https://localhost:{}", script.address.port()).parse().unwrap()),
        ca_file: Some(authority.file.clone()),
        ..Default::default()
    };
    let registries = listed("registry.example", policy);
    let service = whole(&limits(), &registries);
    let get = async |what| service.clone().oneshot(fetch(&only(&registries), what)).await.unwrap();
    let mut unread = Vec::new();
    for _ in 0..5 {
        unread.push(get(blob()).await);
    }
    let others = async {
        assert_eq!(text(get(latest()).await).await, "{}");
        assert_eq!(bounded(get(blob()).await.into_body(), content.len()).await.unwrap(), content);
    };
    tokio::time::timeout(Duration::from_secs(30), others).await.expect("nothing is held up");
    // The server would have spoken HTTP/2.
    assert!(script.seen().iter().all(|seen| seen.version == http::Version::HTTP_11));
    drop(unread);
}

#[tokio::test]
async fn an_unreadable_ca_file_is_told() {
    let authority = Authority::new("empty");
    std::fs::write(&authority.file, "no certificate").unwrap();
    for file in [authority.file.clone(), PathBuf::from("/nonexistent/ca.pem")] {
        let registries = listed("registry.example", Registry { ca_file: Some(file), ..Default::default() });
        let error = pull(&limits(), &registries).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (500, Code::Unknown));
        assert!(error.message().starts_with("ca-file"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_left() {
    let (address, task) = raw(b"", Then::Wait).await;
    let config = config::Upstream { connect_timeout: Duration::from_millis(200), ..limits() };
    let url = format!("https://{address}").parse().unwrap();
    let registries = listed("registry.example", Registry { url: Some(url), ..Default::default() });
    let error = pull(&config, &registries).await.unwrap_err();
    assert_eq!(error.status(), 504);
    assert!(error.message().contains("TLS handshake"), "{error}");
    task.abort();
}
