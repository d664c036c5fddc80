use super::support::{PATIENCE, Rig, limits, rest};
use crate::config;
use crate::net::{Certificates, Drain, Limits, Listener};
use crate::telemetry::names;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A directory of this test, removed with it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("wave-net-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn files(&self) -> config::Tls {
        let bind = "127.0.0.1:0".parse().unwrap();
        config::Tls { bind, certificate: self.0.join("live/cert.pem"), key: self.0.join("live/key.pem") }
    }

    /// Writes a new pair under `version` and points `live` at it, as secret volumes and certbot do.
    fn issue(&self, version: &str) -> CertificateDer<'static> {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
        let dir = self.0.join(version);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("cert.pem"), issued.cert.pem()).unwrap();
        std::fs::write(dir.join("key.pem"), issued.signing_key.serialize_pem()).unwrap();
        self.point(version);
        issued.cert.der().clone()
    }

    fn point(&self, version: &str) {
        let (link, live) = (self.0.join("next"), self.0.join("live"));
        std::os::unix::fs::symlink(Path::new(version), &link).unwrap();
        std::fs::rename(link, live).unwrap();
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn rig(certificates: &Arc<Certificates>, limits: Limits) -> Rig {
    Rig::on(Listener::tls("127.0.0.1:0".parse().unwrap(), certificates.server_config()).unwrap(), limits)
}

async fn connect(
    rig: &Rig,
    root: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, rig.connect().await).await
}

#[tokio::test]
async fn both_protocols_by_alpn() {
    let dir = Dir::new("alpn");
    let root = dir.issue("one");
    let rig = rig(&Certificates::load(&dir.files()).unwrap(), limits());
    let mut stream = connect(&rig, &root, b"http/1.1").await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with("https 127.0.0.1"), "{answer}");

    let stream = connect(&rig, &root, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut send, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/").body(http_body_util::Empty::<bytes::Bytes>::new());
    let response = send.send_request(request.unwrap()).await.unwrap();
    assert_eq!(crate::body::bounded(response.into_body(), 100).await.unwrap(), "https 127.0.0.1");
    assert_eq!(rig.value(names::TLS_HANDSHAKES, &[("outcome", "ok")]), 2.0);
}

#[tokio::test]
async fn plain_http_and_silence_are_closed() {
    let dir = Dir::new("wrong");
    dir.issue("one");
    let rig = rig(
        &Certificates::load(&dir.files()).unwrap(),
        Limits { tls: Duration::from_millis(300), ..limits() },
    );
    let started = tokio::time::Instant::now();
    let mut stream = rig.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    rest(&mut stream).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    rig.reaches(names::TLS_HANDSHAKES, &[("outcome", "failed")], 1.0).await;
    rest(&mut rig.connect().await).await;
    rig.reaches(names::TLS_HANDSHAKES, &[("outcome", "timeout")], 1.0).await;
}

#[tokio::test]
async fn a_changed_certificate_is_taken_over_and_a_broken_one_is_not() {
    let dir = Dir::new("reload");
    let first = dir.issue("one");
    let certificates = Certificates::load(&dir.files()).unwrap();
    let rig = rig(&certificates, limits());
    let (drain, watch) = Drain::new();
    let following = tokio::spawn(certificates.follow(Duration::from_millis(10), watch));
    // The first stamp is taken when the task first runs.
    tokio::task::yield_now().await;
    connect(&rig, &first, b"h2").await.unwrap();

    let second = dir.issue("two");
    rig.reaches(names::TLS_RELOADS, &[("outcome", "ok")], 1.0).await;
    connect(&rig, &second, b"h2").await.unwrap();
    assert!(connect(&rig, &first, b"h2").await.is_err());

    // A key of another certificate, half a file, and nothing at all.
    std::fs::copy(dir.0.join("one/key.pem"), dir.0.join("two/key.pem")).unwrap();
    rig.reaches(names::TLS_RELOADS, &[("outcome", "failed")], 1.0).await;
    std::fs::write(dir.0.join("two/cert.pem"), "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
    rig.reaches(names::TLS_RELOADS, &[("outcome", "failed")], 2.0).await;
    std::fs::remove_file(dir.0.join("two/cert.pem")).unwrap();
    rig.reaches(names::TLS_RELOADS, &[("outcome", "failed")], 3.0).await;
    connect(&rig, &second, b"h2").await.unwrap();

    let third = dir.issue("three");
    rig.reaches(names::TLS_RELOADS, &[("outcome", "ok")], 2.0).await;
    connect(&rig, &third, b"h2").await.unwrap();
    drain.start();
    tokio::time::timeout(PATIENCE, following).await.unwrap().unwrap();
}

#[test]
fn what_cannot_be_used_is_told() {
    let dir = Dir::new("invalid");
    let told = || Certificates::load(&dir.files()).expect_err("unusable").to_string();
    assert!(told().starts_with("certificate "), "{}", told());
    dir.issue("one");
    let live = dir.0.join("live");
    let (certificate, key) = (live.join("cert.pem"), live.join("key.pem"));
    std::fs::copy(&key, &certificate).unwrap();
    assert!(told().ends_with("the file has none"), "{}", told());
    dir.point("one");
    dir.issue("two");
    std::fs::copy(dir.0.join("two/cert.pem"), dir.0.join("one/cert.pem")).unwrap();
    dir.point("one");
    assert!(told().starts_with("certificate and key: "), "{}", told());
    std::fs::remove_file(dir.0.join("one/key.pem")).unwrap();
    assert!(told().starts_with("key "), "{}", told());
}
