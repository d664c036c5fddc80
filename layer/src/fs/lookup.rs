//! From a name to what it stands for, in one round trip or none.

use std::ffi::OsStr;
use std::sync::Arc;

use super::attr::{Entry, Kind, Moment};
use super::errno::Errno;
use super::inode::{Found, Ino, ROOT, Validity};
use super::key::{self, Place};
use super::listing::Answer;
use super::symlink::TARGET_MAX;
use super::{Fs, config_entry};
use crate::s3::{Error, Kind as Failure, List, Listing, Meta};

impl Fs {
    /// Looks a name up, and counts the lookup: the kernel gives it back by FORGET.
    ///
    /// # Errors
    /// `ENOENT` only if S3 said so; what it says else.
    pub async fn lookup(self: &Arc<Self>, parent: Ino, name: &OsStr) -> Result<Entry, Errno> {
        let name = key::name(name)?;
        if let Some(entry) = self.known(parent, name) {
            return Ok(entry);
        }
        let found = self.find(parent, name).await?;
        // S3 had to be asked: by names in order, somebody goes through a folder without having listed it.
        if found.valid == Validity::Asked
            && let Ok(folder) = self.folder(parent)
            && self.listings.missed(&folder, name)
        {
            tokio::spawn(Arc::clone(self).list_after(folder, name.into()));
        }
        Ok(self.learn(parent, name, found))
    }

    /// Puts what was found of a name into the table, and counts the lookup.
    pub fn learn(&self, parent: Ino, name: &str, found: Found) -> Entry {
        let mut table = self.table();
        let ino = table.found(parent, name, found);
        table.remember(ino);
        self.entry_of(&table, ino).expect("it was just added")
    }

    /// Answers from the table, if it is fresh.
    fn known(&self, parent: Ino, name: &str) -> Option<Entry> {
        let mut table = self.table();
        let ino = table.child(parent, name)?;
        let entry = self.entry_of(&table, ino).filter(|entry| !entry.ttl.is_zero())?;
        table.remember(ino);
        Some(entry)
    }

    /// What a name in a folder stands for, by the configuration, a listing, or S3.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub async fn find(&self, parent: Ino, name: &str) -> Result<Found, Errno> {
        if parent == ROOT {
            return self.find_bucket(name).await;
        }
        let folder = self.folder(parent)?;
        let place = folder.child(name)?;
        if self.settings.buckets.has_folder(&place.bucket, &place.as_folder()) {
            return Ok(config_entry(self));
        }
        match self.listings.lookup(&folder, name, self.mounted) {
            Answer::Found(found) => return Ok(found),
            Answer::Absent => return Err(Errno::ENOENT),
            Answer::Unknown => {}
        }
        let mut found = self.probe(&place).await?;
        // Only something as short as a target can be a link.
        if found.kind == Kind::File
            && (1..=TARGET_MAX).contains(&found.size)
            && name != key::SYMLINKS
            && self.links(&folder).await?.contains(name)
        {
            found.kind = Kind::Symlink;
        }
        Ok(found)
    }

    /// Any valid name may be a bucket; one that was configured is, as far as its folder goes.
    async fn find_bucket(&self, name: &str) -> Result<Found, Errno> {
        if !key::is_bucket(name) {
            return Err(Errno::ENOENT);
        }
        if self.settings.buckets.has_folder(name, "") {
            return Ok(config_entry(self));
        }
        match self.client.head_bucket(name).await {
            Ok(()) => Ok(config_entry(self)),
            // It is there; what is in it may be allowed.
            Err(error) if error.kind() == Failure::Denied => Ok(config_entry(self)),
            Err(error) if error.kind() == Failure::NoSuchKey => Err(Errno::ENOENT),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks S3 for the object and for the folder of a name, at once.
    async fn probe(&self, place: &Place) -> Result<Found, Errno> {
        let checked = self.clock.now();
        let prefix = place.as_folder();
        let list = List { prefix: &prefix, max_keys: Some(1), ..List::default() };
        // As a task: if it is not waited for it still ends by itself, and its connection can be used again.
        let head = tokio::spawn({
            let (client, place) = (self.client.clone(), place.clone());
            async move { client.head(&place.bucket, &place.key).await }
        });
        let listed = self.client.list(&place.bucket, list).await;
        if is_folder(&listed) {
            return Ok(Found::folder(self.mounted, checked, Validity::Folder));
        }
        let headed = head.await.map_err(|_| Errno::EIO)?;
        judge(listed, headed).map(|meta| self.found_object(&meta, checked))
    }

    /// An object as HEAD or GET describes it.
    pub fn found_object(&self, meta: &Meta, checked: Moment) -> Found {
        Found {
            kind: Kind::File,
            size: meta.size,
            modified: meta.modified.into(),
            etag: Some(meta.etag.clone()),
            archived: meta.archived,
            checked,
            valid: Validity::Asked,
        }
    }
}

fn is_folder(listed: &Result<Listing, Error>) -> bool {
    listed.as_ref().is_ok_and(|listing| !listing.objects.is_empty() || !listing.prefixes.is_empty())
}

/// Brings both answers together, when the listing shows no folder. Who may not list may still read what he knows the
/// name of. That an object is absent is told only to those who may know it, and everybody else is refused.
fn judge(listed: Result<Listing, Error>, headed: Result<Meta, Error>) -> Result<Meta, Errno> {
    match (listed, headed) {
        (Err(refused), Ok(meta)) if refused.kind() == Failure::Denied => Ok(meta),
        (Err(refused), Err(absent))
            if refused.kind() == Failure::Denied && absent.kind() == Failure::NoSuchKey =>
        {
            Err(Errno::ENOENT)
        }
        (Err(error), _) | (Ok(_), Err(error)) => Err(error.into()),
        (Ok(_), Ok(meta)) => Ok(meta),
    }
}
