use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::*;

const PATIENCE: Duration = Duration::from_millis(400);

/// A server that does this with its first connection.
async fn server<F: Future<Output = ()> + Send + 'static>(
    act: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        act(stream).await;
        std::future::pending::<()>().await;
    });
    Origin { tls: false, host: "127.0.0.1".into(), port }
}

async fn put(origin: &Origin, body: &[Bytes]) -> Result<Response<Download>, Fault> {
    let request = Request::put("/x").header("host", "h").body(()).expect("valid");
    Http::new(Bundles::default()).send(origin, request, body, PATIENCE).await
}

#[tokio::test]
async fn silence_is_given_up_and_progress_is_waited_for() {
    let (body, begun) = (Bytes::from(vec![0; 40 << 20]), Instant::now());
    let origin = server(|stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let fault = put(&origin, std::slice::from_ref(&body)).await.expect_err("the server is silent");
    assert!(matches!(fault, Fault::Silent(_)), "{fault:?}");
    assert!(begun.elapsed() < PATIENCE * 20);
    let begun = Instant::now();
    let origin = server(|mut stream| async move {
        let mut left = 40 << 20;
        let mut piece = vec![0; 1 << 20];
        while left > 0 {
            tokio::time::sleep(PATIENCE / 10).await;
            left -= stream.read(&mut piece).await.expect("it goes on").min(left);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("it listens");
    })
    .await;
    let answer = put(&origin, &[body]).await.expect("it is slow, but it goes on");
    assert!(begun.elapsed() > PATIENCE * 2, "{:?}", begun.elapsed());
    assert!(answer.into_body().is_finished());
}

#[tokio::test]
async fn a_body_in_chunks_gives_its_connection_back_at_its_end() {
    let origin = server(|mut stream| async move {
        let mut piece = [0; 4096];
        assert!(stream.read(&mut piece).await.expect("a request") > 0);
        let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        stream.write_all(answer).await.expect("it listens");
        assert!(stream.read(&mut piece).await.expect("another request") > 0);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("it listens");
    })
    .await;
    let http = Http::new(Bundles::default());
    let request = || Request::get("/x").header("host", "h").body(()).expect("valid");
    let mut body = http.send(&origin, request(), &[], PATIENCE).await.expect("an answer").into_body();
    assert_eq!(body.next().await.expect("a piece").expect("whole"), "abc");
    assert!(!body.is_finished());
    assert!(body.next().await.is_none() && body.is_finished());
    let answer = http.send(&origin, request(), &[], PATIENCE).await.expect("on the same connection");
    assert_eq!(answer.status(), 204);
}
