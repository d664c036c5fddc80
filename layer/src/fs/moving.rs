//! Folders that are being renamed: nothing comes to be below one until it is where it goes.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use super::key::Place;
use super::sync::lock;

/// The folders that move.
#[derive(Debug, Default)]
pub(super) struct Moving {
    folders: Mutex<Vec<Place>>,
    ended: Notify,
}

/// The folders that move, and no other begins to while this is held. Not to be held across an await.
pub(super) struct Still<'a>(MutexGuard<'a, Vec<Place>>);

/// A folder that moves until this is dropped.
#[derive(Debug)]
pub(super) struct Move<'a> {
    moving: &'a Moving,
    folder: Place,
}

impl Moving {
    /// Waits until no folder above `place` moves; the place may be another one afterwards.
    pub(super) async fn wait(&self, place: &Place) {
        self.wait_while(|folder| is_below(place, folder)).await;
    }

    /// Begins to move a folder, once none above or below it moves. `then` is called before anything can come to be
    /// below it that looks here first.
    pub(super) async fn begin<T>(&self, folder: &Place, then: impl Fn() -> T) -> (Move<'_>, T) {
        loop {
            self.wait_while(|other| is_below(folder, other) || is_below(other, folder)).await;
            let mut still = self.still();
            if !still.0.iter().any(|other| is_below(folder, other) || is_below(other, folder)) {
                still.0.push(folder.clone());
                return (Move { moving: self, folder: folder.clone() }, then());
            }
        }
    }

    /// Keeps folders from beginning to move.
    pub(super) fn still(&self) -> Still<'_> {
        Still(lock(&self.folders))
    }

    async fn wait_while(&self, busy: impl Fn(&Place) -> bool) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if !self.still().0.iter().any(&busy) {
                return;
            }
            ended.await;
        }
    }
}

impl Still<'_> {
    /// Whether a folder above `place` moves.
    pub(super) fn moves(&self, place: &Place) -> bool {
        self.0.iter().any(|folder| is_below(place, folder))
    }
}

impl Drop for Move<'_> {
    fn drop(&mut self) {
        let mut still = self.moving.still();
        still.0.retain(|folder| *folder != self.folder);
        drop(still);
        self.moving.ended.notify_waiters();
    }
}

/// Whether a place is in a folder, or is the folder; the folder's key ends with a slash.
pub(super) fn is_below(place: &Place, folder: &Place) -> bool {
    place.bucket == folder.bucket && place.key.starts_with(&*folder.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: &str) -> Place {
        Place { bucket: "b".into(), key: key.into() }
    }

    #[tokio::test]
    async fn what_is_below_a_folder_waits_until_it_has_moved() {
        let moving = Moving::default();
        let (moves, ()) = moving.begin(&place("a/"), || ()).await;
        moving.wait(&place("ab")).await;
        assert!(moving.still().moves(&place("a/b")) && !moving.still().moves(&place("ab")));
        let (folder, below) = (place("a/b/"), place("a/b/c"));
        let mut waits = std::pin::pin!(moving.wait(&below));
        let mut begins = std::pin::pin!(moving.begin(&folder, || ()));
        tokio::select! {
            biased;
            () = &mut waits => panic!("the folder moves"),
            _ = &mut begins => panic!("a folder above moves"),
            () = std::future::ready(()) => {}
        }
        drop(moves);
        waits.await;
        drop(begins.await);
        assert!(!moving.still().moves(&below));
    }
}
