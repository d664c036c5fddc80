//! The client over TLS, with a certificate that only a file of the settings vouches for.

use std::net::SocketAddr;
use std::sync::Arc;

use fusion::s3::{Get, Kind, Put};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::client::{File, bytes, client_with, read, server};

/// Ends TLS and passes everything on to the server. Returns its port and the certificate in PEM form.
async fn front(to: SocketAddr) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us ends here.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(to).await.expect("the server listens");
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    (port, made.cert.pem())
}

#[tokio::test]
async fn a_named_bundle_is_trusted_and_payloads_are_not_hashed() {
    let server = server();
    let (port, pem) = front(server.addr()).await;
    let bundle = File::new("bundle", &pem);
    let endpoint = format!("https://localhost:{port}");
    for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        server.log().clear();
        let client = client_with(&server, &[("AWS_S3_ENDPOINT", &endpoint), (name, bundle.path())]);
        let body = bytes(3_000_000);
        client.put("b", "k", vec![body.clone()], Put::default()).await.expect(name);
        let object = client.get("b", "k", Get::default()).await.expect(name);
        assert!(read(object.body).await.expect("whole") == body);
        let put = server.log().entries().remove(0);
        assert_eq!(put.header("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
        assert!(put.header("x-amz-checksum-crc64nvme").is_some());
    }
}

#[tokio::test]
async fn nobody_vouches_for_a_stranger() {
    let server = server();
    let (port, _) = front(server.addr()).await;
    let endpoint = format!("https://localhost:{port}");
    let client = client_with(&server, &[("AWS_S3_ENDPOINT", &endpoint)]);
    let error = client.head("b", "k").await.expect_err("the certificate is its own");
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(
        error.to_string().contains("certificate") && error.to_string().contains("AWS_CA_BUNDLE"),
        "{error}"
    );
    let client = client_with(&server, &[("AWS_S3_ENDPOINT", &endpoint), ("AWS_CA_BUNDLE", "/none.pem")]);
    let error = client.head("b", "k").await.expect_err("no such file");
    assert_eq!(error.kind(), Kind::Local);
    assert!(error.to_string().contains("/none.pem"), "{error}");
    assert!(server.log().entries().is_empty());
}
