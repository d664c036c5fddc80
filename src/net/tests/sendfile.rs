//! Contents that lie in files.

use super::splice::{Ended, GET, Upstream, expect, noise};
use super::support::PATIENCE;
use crate::body::{Body, FilePart, bounded};
use crate::scratch::Scratch;
use crate::telemetry::names;
use bytes::Bytes;
use hyper::Request;
use rustix::fs::{Advice, fadvise, fstatfs};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::File;
use std::io::IoSliceMut;
use std::ops::Range;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A file with this content.
struct Blob {
    path: PathBuf,
    content: Vec<u8>,
    _scratch: Scratch,
}

impl Blob {
    fn new(size: usize) -> Blob {
        let (scratch, content) = (Scratch::new(), noise(size, size as u64));
        Blob { path: scratch.write("blob", &content), content, _scratch: scratch }
    }

    /// The next answer is these of its bytes.
    fn answer(&self, upstream: &Upstream, bytes: Range<usize>) {
        let (start, end) = (bytes.start as u64, bytes.end as u64);
        let part = FilePart::new(File::open(&self.path).unwrap(), start..end);
        let body = Body::parts(part).watched(Ended(end - start));
        upstream.bodies.lock().unwrap().push_back((end - start, body));
    }
}

/// The content of an answer that breaks off.
async fn broken(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends").ok();
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    answer.split_off(head)
}

#[tokio::test]
async fn a_file_goes_through_the_kernel_and_the_connection_is_kept() {
    let (upstream, blob) = (Upstream::default(), Blob::new(5_000_000));
    let rig = upstream.rig();
    let mut stream = rig.connect().await;
    let mut sent = 0;
    let ranges = [0..5_000_000, 7..8, 100_000..3_000_000, 4_999_000..5_000_000, 9..9, 0..5_000_000];
    for (turn, range) in ranges.into_iter().enumerate() {
        blob.answer(&upstream, range.clone());
        stream.write_all(GET.as_bytes()).await.unwrap();
        sent += range.len();
        expect(&mut stream, &blob.content[range], 60_000).await;
        rig.reaches(names::SENDFILE_BYTES, &[], sent as f64).await;
        rig.reaches("ended", &[("end", "complete")], (turn + 1) as f64).await;
    }
    assert_eq!(rig.value(names::SPLICED_BYTES, &[]), 0.0);
}

#[tokio::test]
async fn what_is_not_in_memory_is_read_elsewhere() {
    let (upstream, blob) = (Upstream::default(), Blob::new(9_000_000));
    let rig = upstream.rig();
    let file = File::open(&blob.path).unwrap();
    file.sync_all().unwrap();
    let in_memory = fstatfs(&file).unwrap().f_type == 0x0102_1994;
    // The kernel takes this as advice: pages that it has just put down stay for a moment.
    let dropped = in_memory
        || (0..10_000).any(|_| {
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            let mut byte = [0];
            let read = preadv2(&file, &mut [IoSliceMut::new(&mut byte)], 0, ReadWriteFlags::NOWAIT);
            std::thread::yield_now();
            read == Err(Errno::AGAIN)
        });
    assert!(dropped, "it has to be read from disk");
    blob.answer(&upstream, 0..9_000_000);
    let mut stream = rig.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    expect(&mut stream, &blob.content, 100_000).await;
    rig.reaches("ended", &[("end", "complete")], 1.0).await;
    // How much of it the kernel has read ahead by then is its own affair.
    assert!(in_memory || rig.value(names::SENDFILE_BYTES, &[]) < 9_000_000.0);
}

#[tokio::test]
async fn fifty_readers_of_one_file() {
    let (upstream, blob) = (Upstream::default(), Blob::new(3_000_000));
    let rig = upstream.rig();
    let readers = (0..50).map(|n| {
        blob.answer(&upstream, 0..3_000_000);
        let (rig, blob) = (&rig, &blob);
        async move {
            let mut stream = rig.connect().await;
            stream.write_all(GET.as_bytes()).await.unwrap();
            expect(&mut stream, &blob.content, 10_000 + 5000 * n).await;
        }
    });
    futures_util::future::join_all(readers).await;
    rig.reaches("ended", &[("end", "complete")], 50.0).await;
    rig.reaches(names::SENDFILE_BYTES, &[], 150_000_000.0).await;
}

#[tokio::test]
async fn a_file_that_shrinks_breaks_the_response() {
    const SIZE: usize = 40_000_000;
    let (upstream, blob) = (Upstream::default(), Blob::new(SIZE));
    let rig = upstream.rig();
    for left in [30_000_000, 0] {
        blob.answer(&upstream, 0..SIZE);
        let mut stream = rig.connect().await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        stream.readable().await.unwrap();
        // Sockets hold less than this.
        File::options().write(true).open(&blob.path).unwrap().set_len(left).unwrap();
        let got = broken(&mut stream).await;
        assert!(got.len() < SIZE && blob.content.starts_with(&got), "{} bytes", got.len());
    }
    rig.reaches("ended", &[("end", "failed")], 2.0).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_it() {
    let (upstream, blob) = (Upstream::default(), Blob::new(40_000_000));
    let rig = upstream.rig();
    blob.answer(&upstream, 0..40_000_000);
    let mut stream = rig.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    stream.read_u8().await.unwrap();
    drop(stream);
    rig.reaches("ended", &[("end", "dropped")], 1.0).await;
    assert!(rig.value(names::SENDFILE_BYTES, &[]) < 40_000_000.0);
}

#[tokio::test]
async fn files_and_connections_take_turns() {
    let (upstream, blob) = (Upstream::default(), Blob::new(700_000));
    let rig = upstream.rig();
    let streamed = noise(800_000, 9);
    for _ in 0..3 {
        blob.answer(&upstream, 0..700_000);
        upstream.content(&streamed).await;
    }
    let mut stream = rig.connect().await;
    stream.write_all(GET.repeat(6).as_bytes()).await.unwrap();
    for _ in 0..3 {
        expect(&mut stream, &blob.content, 10_000).await;
        expect(&mut stream, &streamed, 10_000).await;
    }
}

#[tokio::test]
async fn http2_gets_real_bytes() {
    let (upstream, blob) = (Upstream::default(), Blob::new(2_000_000));
    let rig = upstream.rig();
    blob.answer(&upstream, 0..2_000_000);
    let io = hyper_util::rt::TokioIo::new(rig.connect().await);
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://x/").body(http_body_util::Empty::<Bytes>::new()).unwrap();
    let body = send.send_request(request).await.unwrap().into_body();
    let got = bounded(body, 2_000_000).await.unwrap();
    assert!(got == blob.content, "other bytes");
    assert_eq!(rig.value(names::SENDFILE_BYTES, &[]), 0.0);
}

#[tokio::test]
async fn a_file_that_is_too_short_breaks_the_response() {
    let (upstream, blob) = (Upstream::default(), Blob::new(1000));
    let rig = upstream.rig();
    blob.answer(&upstream, 0..2000);
    let mut stream = rig.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let got = broken(&mut stream).await;
    assert!(blob.content.starts_with(&got), "{} bytes", got.len());
    rig.reaches("ended", &[("end", "failed")], 1.0).await;
}
