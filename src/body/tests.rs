use super::*;
use std::sync::{Arc, Mutex};

type Notes = Arc<Mutex<Vec<(End, u64)>>>;

struct Note(Notes);

impl Watch for Note {
    fn end(self: Box<Self>, end: End, bytes: u64) {
        self.0.lock().unwrap().push((end, bytes));
    }
}

fn noted(body: Body) -> (Body, Notes) {
    let notes = Notes::default();
    (body.watched(Note(notes.clone())).watched(Note(notes.clone())), notes)
}

#[tokio::test]
async fn every_watcher_hears_of_the_end_once() {
    let (body, notes) = noted(Body::full("hello"));
    assert_eq!(bounded(body, 5).await.unwrap(), "hello");
    assert_eq!(*notes.lock().unwrap(), [(End::Complete, 5), (End::Complete, 5)]);
}

#[tokio::test]
async fn a_dropped_body_says_so() {
    let (body, notes) = noted(Body::full("hello"));
    drop(body);
    assert_eq!(*notes.lock().unwrap(), [(End::Dropped, 0), (End::Dropped, 0)]);
    let (body, notes) = noted(Body::empty());
    drop(body);
    assert_eq!(*notes.lock().unwrap(), [(End::Complete, 0), (End::Complete, 0)]);
}

#[tokio::test]
async fn a_broken_source_fails() {
    let stream =
        futures_util::stream::iter([Ok(Frame::data(Bytes::from("ab"))), Err(BoxError::from("broken"))]);
    let (body, notes) = noted(Body::local(http_body_util::StreamBody::new(stream)));
    assert!(bounded(body, 100).await.is_err());
    assert_eq!(*notes.lock().unwrap(), [(End::Failed, 2), (End::Failed, 2)]);
}

#[tokio::test]
async fn pieces_are_the_whole_and_the_last_is_the_end() {
    let frames = ["abcdefg", "", "hi", "jklm"].map(|text| Ok::<_, BoxError>(Frame::data(Bytes::from(text))));
    let stream = Body::local(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
    for body in [Body::full("abcdefghijklm"), stream] {
        let (mut body, notes) = noted(body.in_pieces(3));
        let mut text = String::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= 3, "{data:?}");
            text.push_str(std::str::from_utf8(&data).unwrap());
            if text.len() < 13 {
                assert!(!body.is_end_stream() && notes.lock().unwrap().is_empty(), "{text}");
                assert!(body.size_hint().upper().is_none_or(|left| left == 13 - text.len() as u64));
            }
        }
        assert_eq!(text, "abcdefghijklm");
        assert_eq!(*notes.lock().unwrap(), [(End::Complete, 13), (End::Complete, 13)]);
    }
    let (mut body, notes) = noted(Body::full("abcdef").in_pieces(2));
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(*notes.lock().unwrap(), [(End::Dropped, 2), (End::Dropped, 2)]);
}

#[tokio::test]
async fn documents_are_bounded() {
    assert!(bounded(Body::full("123456"), 5).await.is_err());
    let frames = ["ab", "cd", "ef"].map(|text| Ok::<_, BoxError>(Frame::data(Bytes::from(text))));
    let body = Body::local(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
    assert_eq!(bounded(body, 6).await.unwrap(), "abcdef");
}

#[tokio::test]
async fn a_permit_rides_to_the_end() {
    let permits = Arc::new(tokio::sync::Semaphore::new(1));
    let body = Body::full("x").watched(permits.clone().try_acquire_owned().unwrap());
    assert_eq!(permits.available_permits(), 0);
    bounded(body, 1).await.unwrap();
    assert_eq!(permits.available_permits(), 1);
}

/// What has to be hashed on its way is never taken from a file.
#[tokio::test]
async fn a_content_lies_in_files_until_it_is_verified() {
    let scratch = crate::scratch::Scratch::new();
    let file = |name: &str| std::fs::File::open(scratch.write(name, "hello")).unwrap();
    let (mut body, notes) = noted(Body::parts(FilePart::new(file("a"), 1..5)));
    assert_eq!(body.in_files(), Some(4));
    let part = std::future::poll_fn(|cx| body.poll_part(cx)).await.unwrap().unwrap();
    assert_eq!(part.bytes, 1..5);
    body.moved(3);
    assert_eq!(bounded(body, 9).await.unwrap(), "o");
    assert_eq!(*notes.lock().unwrap(), [(End::Complete, 4), (End::Complete, 4)]);
    let expect = Expect { digest: crate::oci::Digest::sha256("hello"), size: Some(5) };
    let mut body = Body::parts(FilePart::new(file("b"), 0..5)).expecting(expect);
    assert!(body.in_files().is_none());
    assert!(std::future::poll_fn(|cx| body.poll_part(cx)).await.unwrap().is_none());
    assert_eq!(bounded(body, 9).await.unwrap(), "hello");
}
