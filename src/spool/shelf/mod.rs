//! Documents on disk for when upstream is down: manifests, configurations of images, and where tags pointed.
//!
//! Two folders. A *document* lies under the registry that has sent it and its digest, and is checked against that when it
//! is read. A *note* says that upstream has let an [`Owner`] read something, and when: each of the two who may share a
//! repository has notes of his own, so that nobody is told what he could not have asked for. Documents of one registry
//! are no other's: whoever runs a registry makes it say what he likes about digests, but not send what it does not have.
//!
//! What is by digest is believed for as long as the owner was let read anything in that repository lately, since that is
//! what registries decide on; a tag, for as long as nobody asked where it points. A refusal ends all notes of its owner in
//! that repository.

mod folder;
mod heed;
mod key;
mod layer;
mod note;
mod queue;

pub use heed::{Heed, HeedLayer};
pub use key::Subject;
pub use layer::{Keep, KeepLayer, Stale};

use super::file::{make, sweep};
use super::proof::Owner;
use crate::config;
use crate::error::Error;
use crate::oci::{Code, Digest, Host};
use crate::upstream::lacks_head;
use bytes::Bytes;
use folder::{Bounds, Folder};
use key::Key;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use note::Note;
use queue::Queue;
use std::hash::Hash;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::spawn_blocking;

/// Bytes of a note: a media type of any length is none.
const NOTE: u64 = 4096;
/// A note that says the same is written again after this time.
const AGAIN: Duration = Duration::from_secs(60);
/// So long after an upstream failed somebody, what he may read by digest is not asked for again: each request could take
/// all the time that a pull has.
const FAILING: Duration = Duration::from_secs(10);
/// Failures and refusals that are held in memory.
const HELD: u64 = 10_000;

/// Documents and notes. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Shelf(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    key: Key,
    notes: Arc<Folder>,
    documents: Arc<Folder>,
    ttl: Duration,
    queue: Queue,
    failing: Cache<Owner, ()>,
    /// Whose HEAD was refused, which may or may not be the registry's word on a GET, until one of either succeeds.
    doubted: Cache<Owner, ()>,
    /// Notes, and groups of them, that are to be gone, in case the disk does not let them go.
    refuted: Cache<(String, String), ()>,
}

/// A document that is there, and may be read.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its digest.
    pub digest: Digest,
    /// The type it came as; `None` for a blob.
    pub media: Option<String>,
    /// The document.
    pub content: Bytes,
    /// When upstream said that this is what was asked for.
    pub since: SystemTime,
}

/// What upstream has just let somebody read.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// What was asked for. A tag teaches of its manifest too.
    pub subject: Subject,
    /// Its digest.
    pub digest: Digest,
    /// The type of a manifest.
    pub media: Option<String>,
    /// The size of a blob, where upstream told it.
    pub size: Option<u64>,
    /// The document, if it was sent, checked against the digest.
    pub content: Option<Bytes>,
}

impl Shelf {
    /// Opens the folder `dir`, for documents of at most `largest` bytes; `None` where nothing is ever stale.
    pub(super) fn open(dir: &Path, config: &config::BlobCache, largest: usize) -> io::Result<Option<Shelf>> {
        if config.stale_ttl.is_zero() {
            return Ok(None);
        }
        let making = dir.join("making");
        make(&making)?;
        sweep(&making)?;
        let age = config.stale_ttl;
        let notes = Bounds { files: config.max_notes as u64, bytes: u64::MAX, largest: NOTE, age };
        let documents = Bounds {
            files: config.max_documents as u64,
            bytes: config.documents_size,
            largest: largest as u64,
            age,
        };
        Ok(Some(Shelf(Arc::new(Parts {
            key: Key::open(dir, &making)?,
            notes: Arc::new(Folder::open(dir, "notes", making.clone(), notes)?),
            documents: Arc::new(Folder::open(dir, "documents", making, documents)?),
            ttl: age,
            queue: Queue::new(),
            failing: held(FAILING),
            doubted: held(age),
            refuted: held(age),
        }))))
    }

    /// Writes what is learned and keeps the folders in order, for as long as the process runs.
    pub(super) async fn keep(self) {
        let Parts { notes, documents, queue, .. } = &*self.0;
        tokio::join!(queue.run(), notes.clone().keep(), documents.clone().keep());
    }

    /// Upstream has let `owner` read this. It is written behind the caller's back, or not at all when too much is.
    pub fn learn(&self, owner: &Owner, lesson: Lesson) {
        self.0.doubted.invalidate(owner);
        let Lesson { subject, digest, media, size, content } = lesson;
        let now = Note::at(SystemTime::now());
        let note = Note { digest: Some(digest), media, size, ..now.clone() };
        let manifest = matches!(subject, Subject::Tag(_)).then(|| (Subject::Manifest(digest), note.clone()));
        let notes = [(Subject::Repository, now), (subject, note)].into_iter().chain(manifest);
        let (shelf, owner) = (self.clone(), owner.clone());
        let weight = content.as_ref().map_or(0, Bytes::len);
        self.0.queue.add(weight, move || {
            match content {
                Some(content) => shelf.put(&owner.registry, &digest, &content)?,
                None => shelf.still(&owner.registry, &digest),
            }
            let mut notes = notes;
            notes.try_for_each(|(subject, note)| shelf.note(&owner, &subject, &note))
        });
    }

    /// The document `owner` asks for, if it is there and he may read it.
    pub async fn recall(&self, owner: &Owner, subject: &Subject) -> Option<Kept> {
        let (shelf, owner, subject) = (self.clone(), owner.clone(), subject.clone());
        let found = spawn_blocking(move || {
            let Some(note) = shelf.believed(&owner, &subject)? else { return Ok(None) };
            let Some(digest) = note.digest else { return Ok(None) };
            let content = shelf.get(&owner.registry, &digest)?;
            let since = note.time();
            Ok(content.map(|content| Kept { digest, media: note.media, content, since }))
        });
        found.await.map_err(io::Error::other).flatten().unwrap_or_else(unreadable)
    }

    /// May `owner` read this blob? Then its size, where that is known.
    pub async fn proof(&self, owner: &Owner, digest: &Digest) -> Option<Option<u64>> {
        let (shelf, owner, subject) = (self.clone(), owner.clone(), Subject::Blob(*digest));
        let found = spawn_blocking(move || shelf.believed(&owner, &subject));
        let note = found.await.map_err(io::Error::other).flatten().unwrap_or_else(unreadable);
        note.map(|note| note.size)
    }

    /// Upstream has failed `owner` with `error` when he asked for this; a refusal and a 404 put an end to what was known.
    pub async fn heed(&self, owner: &Owner, subject: &Subject, error: &Error) {
        if error.is_outage() {
            self.0.failing.insert(owner.clone(), ());
            return;
        }
        let refused = matches!(error.code(), Code::Denied | Code::Unauthorized);
        if lacks_head(error) {
            if refused {
                self.0.doubted.insert(owner.clone(), ());
            }
            return;
        }
        // That there is no list says nothing of what is in it.
        let ends = refused || *subject != Subject::Repository;
        if !ends || !refused && error.status() != http::StatusCode::NOT_FOUND {
            return;
        }
        let (shelf, group) = (self.clone(), self.0.key.owner(owner));
        let name = if refused { String::new() } else { self.0.key.subject(subject) };
        let place = (group.clone(), name.clone());
        self.0.refuted.insert(place.clone(), ());
        let removed = self.0.queue.wait(move || {
            match refused {
                true => shelf.0.notes.remove_group(&group),
                false => shelf.0.notes.remove(&group, &name),
            }?;
            shelf.0.refuted.invalidate(&place);
            Ok(())
        });
        removed.await;
    }

    /// Has upstream failed `owner` a moment ago?
    pub fn is_failing(&self, owner: &Owner) -> bool {
        self.0.failing.contains_key(owner)
    }

    /// The note about `subject`, if it may be believed.
    fn believed(&self, owner: &Owner, subject: &Subject) -> io::Result<Option<Note>> {
        let Parts { key, ttl, doubted, refuted, .. } = &*self.0;
        let group = key.owner(owner);
        let is_refuted = |name: String| refuted.contains_key(&(group.clone(), name));
        if doubted.contains_key(owner) || is_refuted(String::new()) || is_refuted(key.subject(subject)) {
            return Ok(None);
        }
        let now = SystemTime::now();
        let Some(note) = self.noted(owner, subject)? else { return Ok(None) };
        let lately = match subject {
            _ if note.is_believed(now, *ttl) => true,
            Subject::Tag(_) => false,
            _ => {
                let repository = self.noted(owner, &Subject::Repository)?;
                repository.is_some_and(|note| note.is_believed(now, *ttl))
            }
        };
        Ok(Some(note).filter(|_| lately))
    }

    fn noted(&self, owner: &Owner, subject: &Subject) -> io::Result<Option<Note>> {
        let Parts { key, notes, .. } = &*self.0;
        let (group, name) = (key.owner(owner), key.subject(subject));
        let Some(content) = notes.read(&group, &name)? else { return Ok(None) };
        let note = Note::read(key, &group, &name, &content);
        if note.is_none() {
            notes.discard(&group, &name);
        }
        Ok(note)
    }

    fn note(&self, owner: &Owner, subject: &Subject, note: &Note) -> io::Result<()> {
        let same = self.noted(owner, subject)?.filter(|old| old.says(note));
        if same.is_some_and(|old| old.is_believed(SystemTime::now(), AGAIN)) {
            return Ok(());
        }
        let Parts { key, notes, .. } = &*self.0;
        let (group, name) = (key.owner(owner), key.subject(subject));
        notes.write(&group, &name, note.write(key, &group, &name).as_bytes())
    }

    fn put(&self, registry: &Host, digest: &Digest, content: &Bytes) -> io::Result<()> {
        let Parts { key, documents, .. } = &*self.0;
        let (group, name) = (key.registry(registry), digest.to_string());
        // What a crash has left may have the size and not the content.
        match documents.has(&group, &name, content.len() as u64) && self.get(registry, digest)?.is_some() {
            true => Ok(()),
            false => documents.write(&group, &name, content),
        }
    }

    /// A document is still what is asked for.
    fn still(&self, registry: &Host, digest: &Digest) {
        let Parts { key, documents, .. } = &*self.0;
        _ = documents.touch(&key.registry(registry), &digest.to_string());
    }

    fn get(&self, registry: &Host, digest: &Digest) -> io::Result<Option<Bytes>> {
        let Parts { key, documents, .. } = &*self.0;
        let (group, name) = (key.registry(registry), digest.to_string());
        let Some(content) = documents.read(&group, &name)? else { return Ok(None) };
        if digest.matches(&content) != Some(true) {
            documents.discard(&group, &name);
            return Ok(None);
        }
        Ok(Some(content.into()))
    }
}

/// Those noted last.
fn held<K: Hash + Eq + Send + Sync + 'static>(ttl: Duration) -> Cache<K, ()> {
    Cache::builder().max_capacity(HELD).eviction_policy(EvictionPolicy::lru()).time_to_live(ttl).build()
}

/// A disk that cannot say has nothing.
fn unreadable<T>(error: io::Error) -> Option<T> {
    tracing::warn!(%error, "a kept document cannot be read");
    None
}

#[cfg(test)]
mod tests;
