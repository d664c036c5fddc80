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
