use super::*;
use crate::scratch::Scratch;
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A TLS server that tells what it was asked, and where its certificate is.
async fn serve(dir: &Scratch) -> (Url, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_string()]).unwrap();
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/a?b=c", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let service = service_fn(|request: Request<Incoming>| async move {
                let text = format!("{} {}", request.uri(), request.headers()["host"].to_str().unwrap());
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text))))
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    });
    (url, path)
}

#[tokio::test]
async fn a_body_may_come_after_its_head() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(b"late").await.unwrap();
    };
    let tls = tls(None).unwrap();
    let ask = send(&tls, Method::GET, &url, HeaderMap::new(), Bytes::new());
    let (answer, ()) = tokio::join!(ask, server);
    assert_eq!(answer.unwrap().body(), "late");
}

#[tokio::test]
async fn https_with_an_authority_of_ones_own_and_not_without() {
    let dir = Scratch::new();
    let (url, ca) = serve(&dir).await;
    let ask = async |tls| send(&tls, Method::GET, &url, HeaderMap::new(), Bytes::new()).await;
    let answer = ask(tls(Some(&ca)).unwrap()).await.unwrap();
    assert_eq!(*answer.body(), format!("/a?b=c {}", host(&url)));
    let failure = ask(tls(None).unwrap()).await.unwrap_err().to_string();
    assert!(failure.contains("certificate"), "{failure}");
    let missing = tls(Some(&dir.path().join("none.pem"))).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read certificates from"), "{missing}");
}

#[tokio::test]
async fn an_answer_may_come_in_pieces() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await.unwrap();
        for piece in ["HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n", "abc", "def"] {
            stream.write_all(piece.as_bytes()).await.unwrap();
            // The reader has had its turn, several times over.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let answer = send(&tls(None).unwrap(), Method::GET, &url, HeaderMap::new(), Bytes::new()).await;
    assert_eq!(answer.unwrap().body(), "abcdef");
    server.await.unwrap();
}
