//! Names that come and go: mkdir, rmdir, unlink, link.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::SystemTime;

use super::Fs;
use super::attr::{Entry, Kind, Time};
use super::copy::copy_to_nothing;
use super::errno::Errno;
use super::inode::{Found, Ino, ROOT, Validity};
use super::key::{self, Place, SYMLINKS};
use super::sync::lock;
use super::write::caller::Caller;
use super::write::content::Content;
use super::write::file::{File, Leaving};
use crate::s3::{List, Put};

impl Fs {
    /// Makes a folder: an empty object whose key ends with a slash.
    ///
    /// # Errors
    /// `EPERM` for a bucket, `EROFS`, what S3 says.
    pub async fn mkdir(&self, parent: Ino, name: &OsStr, mode: u16, caller: Caller) -> Result<Entry, Errno> {
        let name = new_name(name)?;
        self.moving.wait(&self.new_place(parent, name)?).await;
        let place = self.new_place(parent, name)?;
        let folder = Place { key: place.as_folder(), ..place };
        self.client.put(&folder.bucket, &folder.key, Vec::new(), Put::default()).await?;
        let now = self.clock.now();
        // Nobody else is likely to have made links in it before we look again.
        self.no_links(&folder, now);
        self.changed_in(parent);
        let made = Time::from(SystemTime::now());
        let entry = self.learn(parent, name, Found::folder(made, now, Validity::Folder));
        let mut table = self.table();
        table.set_owner(entry.attr.ino, Some(caller.uid), Some(caller.gid));
        if let Some(node) = table.get_mut(entry.attr.ino) {
            node.mode = mode & 0o7777;
        }
        self.entry_of(&table, entry.attr.ino).ok_or(Errno::EIO)
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// `ENOTEMPTY`, `ENOTDIR`, `EBUSY` for what is there by configuration, what S3 says.
    pub async fn rmdir(&self, parent: Ino, name: &OsStr) -> Result<(), Errno> {
        let name = key::name(name)?;
        if parent == ROOT {
            return Err(Errno::EBUSY);
        }
        let ino = self.table().child(parent, name);
        let place = self.folder(parent)?.child(name)?;
        let folder = Place { key: place.as_folder(), ..place };
        self.writable(&folder)?;
        if self.settings.buckets.has_folder(&folder.bucket, &folder.key) {
            return Err(Errno::EBUSY);
        }
        if let Some(ino) = ino {
            let table = self.table();
            if table.get(ino).is_some_and(|node| node.kind != Kind::Directory) {
                return Err(Errno::ENOTDIR);
            }
            if table.locals(ino).next().is_some() {
                return Err(Errno::ENOTEMPTY);
            }
        }
        self.remove_empty(&folder).await?;
        if let Some(ino) = ino {
            self.table().detach(ino);
        }
        self.changed_in(parent);
        Ok(())
    }

    /// Removes what makes up an empty folder: its marker, and a list of links that have gone.
    ///
    /// # Errors
    /// `ENOTEMPTY`, what S3 says.
    pub(super) async fn remove_empty(&self, folder: &Place) -> Result<(), Errno> {
        let list = List { prefix: &folder.key, max_keys: Some(3), ..List::default() };
        let listing = self.client.list(&folder.bucket, list).await?;
        let keys: Vec<&str> = listing.objects.iter().map(|object| &*object.key).collect();
        let own =
            |key: &str| key.strip_prefix(&*folder.key).is_some_and(|rest| matches!(rest, "" | SYMLINKS));
        if !keys.iter().all(|key| own(key)) {
            return Err(Errno::ENOTEMPTY);
        }
        for key in keys {
            self.client.delete(&folder.bucket, key).await?;
        }
        self.changed(folder);
        Ok(())
    }

    /// Removes a file or a link. Who has it open keeps what was not uploaded yet.
    ///
    /// # Errors
    /// `EISDIR`, `ENOENT`, `EROFS`, what S3 says.
    pub async fn unlink(&self, parent: Ino, name: &OsStr) -> Result<(), Errno> {
        let name = key::name(name)?;
        if parent == ROOT {
            return Err(Errno::EISDIR);
        }
        self.moving.wait(&self.folder(parent)?).await;
        let folder = self.folder(parent)?;
        let place = folder.child(name)?;
        self.writable(&place)?;
        let known = self.table().child(parent, name);
        let kind = match known.and_then(|ino| self.table().get(ino).map(|node| node.kind)) {
            Some(kind) => kind,
            None => self.find(parent, name).await?.kind,
        };
        match (kind, known) {
            (Kind::Directory, _) => return Err(Errno::EISDIR),
            (Kind::Symlink, _) => {
                // A line that stays would make a link of a file that others put there.
                self.unlist(&folder, name).await?;
                if let Err(error) = self.client.delete(&place.bucket, &place.key).await {
                    // Without its line it would be a file that holds a path.
                    let _ = self.list_link(&folder, name).await;
                    return Err(error.into());
                }
            }
            (Kind::File, Some(ino)) => self.remove_file(ino).await?,
            (Kind::File, None) => self.client.delete(&place.bucket, &place.key).await?,
        }
        if let Some(ino) = known {
            self.table().detach(ino);
        }
        self.changed_in(parent);
        Ok(())
    }

    /// Removes a file that may be open for writing.
    async fn remove_file(&self, ino: Ino) -> Result<(), Errno> {
        let file = self.enter(ino).await?;
        let removed = self.remove_entered(&file).await;
        // What others may have written, if it is still there, is theirs to hear of.
        let _ = self.leave_written(&file, Leaving::Nothing).await;
        removed
    }

    /// Nothing is written to the file meanwhile: who opens it in time writes to one without a name.
    async fn remove_entered(&self, file: &Arc<File>) -> Result<(), Errno> {
        let mut content = file.hold().await;
        if !content.is_only_here() {
            self.keep_for_readers(file, &mut content).await;
            let Place { bucket, key } = content.place();
            self.client.delete(bucket, key).await?;
        }
        file.unlink(&mut content);
        Ok(())
    }

    /// Fetches a small object that is about to go, for those who have it open. Without memory, or if it cannot be had,
    /// they will be told that it is stale.
    async fn keep_for_readers(&self, file: &Arc<File>, content: &mut Content) {
        let readers = self.files.all(|open| open.ino == file.ino());
        if !readers.is_empty() && content.keep().await {
            for reader in readers {
                *lock(&reader.kept) = Some(Arc::clone(file));
            }
        }
    }

    /// A second name for a file: a copy of it, as S3 knows no other.
    ///
    /// # Errors
    /// `EPERM` for folders, and if the settings say so; `EROFS`; what S3 says.
    pub async fn link(&self, ino: Ino, parent: Ino, name: &OsStr) -> Result<Entry, Errno> {
        if self.settings.no_hard_links {
            return Err(Errno::EPERM);
        }
        let name = new_name(name)?;
        self.moving.wait(&self.new_place(parent, name)?).await;
        let target = self.new_place(parent, name)?;
        self.not_a_link(&self.folder(parent)?, name).await?;
        if let Some(file) = self.written.get(ino) {
            self.commit(&file).await?;
        }
        let (place, etag, mut found) = {
            let table = self.table();
            let node = table.get(ino).ok_or(Errno::ESTALE)?;
            if node.kind != Kind::File {
                return Err(Errno::EPERM);
            }
            let etag = node.etag.clone().ok_or(Errno::ESTALE)?;
            let (kind, size, modified, archived) = (node.kind, node.size, node.modified, node.archived);
            let (checked, valid) = (self.clock.now(), Validity::Asked);
            let found = Found { kind, size, modified, etag: None, archived, checked, valid };
            (table.place(ino).ok_or(Errno::ESTALE)?, etag, found)
        };
        found.etag = Some(copy_to_nothing(&self.client, &place, &etag, found.size, &target).await?);
        found.checked = self.clock.now();
        self.changed_in(parent);
        Ok(self.learn(parent, name, found))
    }

    /// Notes that names in a folder were changed here.
    pub(super) fn changed_in(&self, folder: Ino) {
        if let Some(node) = self.table().get_mut(folder) {
            node.modified = Time::from(SystemTime::now());
        }
        if let Ok(place) = self.folder(folder) {
            self.changed(&place);
        }
    }
}

/// Reads the name of something that is to be made.
///
/// # Errors
/// `ENAMETOOLONG`, `EINVAL` for bytes that no key can have, `EPERM` for the name of a list of links.
pub(super) fn new_name(name: &OsStr) -> Result<&str, Errno> {
    match key::name(name) {
        Ok(SYMLINKS) => Err(Errno::EPERM),
        Ok(name) if key::is_name(name) => Ok(name),
        Ok(_) | Err(Errno::ENOENT) => Err(Errno::EINVAL),
        Err(errno) => Err(errno),
    }
}
