//! Giving files and folders other names. S3 has no such request: objects are copied by the server and then deleted,
//! except those that S3 has not heard of yet.
//!
//! The new name stands for the whole object at once. A folder is not renamed at once: others see its objects come one
//! by one, and then the old ones go. If it fails half way the old ones are all there.

use std::ffi::OsStr;
use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::Fs;
use super::attr::Kind;
use super::copy::{copy, copy_all, copy_to_nothing, delete_copied};
use super::errno::Errno;
use super::inode::{Ino, ROOT};
use super::key::{self, Place};
use super::links::link_name;
use super::moving::is_below;
use super::names::new_name;
use super::write::content::{Base, Content};
use super::write::file::{File, Leaving};
use crate::s3::Etag;

/// A name in a folder.
#[derive(Clone, Copy, Debug)]
struct Name<'a> {
    parent: Ino,
    name: &'a str,
}

/// Both ends of a rename.
struct Move<'a> {
    from: Name<'a>,
    to: Name<'a>,
    ino: Ino,
    source: Place,
    target: Place,
    /// The new name must stand for nothing.
    only: bool,
}

impl Fs {
    /// Gives a file, link or folder another name, which may stand for a file or an empty folder by now.
    ///
    /// # Errors
    /// `EEXIST` if that is not wanted, `EINVAL` for flags there is nothing for, `ENOTEMPTY`, `EPERM` for buckets,
    /// `EROFS`, `EXDEV` for a folder with too many objects, what S3 says.
    pub async fn rename(
        &self,
        parent: Ino,
        name: &OsStr,
        new_parent: Ino,
        new: &OsStr,
        flags: u32,
    ) -> Result<(), Errno> {
        if flags & !libc::RENAME_NOREPLACE != 0 {
            return Err(Errno::EINVAL);
        }
        if parent == ROOT {
            return Err(Errno::EPERM);
        }
        let from = Name { parent, name: key::name(name)? };
        let to = Name { parent: new_parent, name: new_name(new)? };
        self.moving.wait(&self.folder(from.parent)?).await;
        self.moving.wait(&self.new_place(to.parent, to.name)?).await;
        let target = self.new_place(to.parent, to.name)?;
        let source = self.folder(from.parent)?.child(from.name)?;
        self.writable(&source)?;
        self.barrier().await?;
        let only = flags & libc::RENAME_NOREPLACE != 0;
        if only {
            self.must_be_absent(to).await?;
        }
        let ino = self.pinned(from).await?;
        let moved = self.rename_inode(&Move { from, to, ino, source, target, only }).await;
        self.table().unpin(ino);
        self.changed_in(from.parent);
        self.changed_in(to.parent);
        moved
    }

    async fn rename_inode(&self, this: &Move<'_>) -> Result<(), Errno> {
        if self.table().child(this.to.parent, this.to.name) == Some(this.ino) {
            return Ok(());
        }
        let kind = self.table().get(this.ino).map(|node| node.kind).ok_or(Errno::ESTALE)?;
        match kind {
            Kind::Directory => self.rename_folder(this).await,
            Kind::Symlink => self.rename_link(this).await,
            Kind::File => self.rename_file(this).await,
        }
    }

    async fn must_be_absent(&self, name: Name<'_>) -> Result<(), Errno> {
        let known = self.table().child(name.parent, name.name);
        if known.is_some_and(|ino| self.table().get(ino).is_some_and(|node| node.is_local())) {
            return Err(Errno::EEXIST);
        }
        match self.find(name.parent, name.name).await {
            Ok(_) => Err(Errno::EEXIST),
            Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// The inode of a name, with a pin. The kernel has looked the name up, but may have forgotten it since.
    async fn pinned(&self, name: Name<'_>) -> Result<Ino, Errno> {
        let known = self.table().child(name.parent, name.name);
        if let Some(ino) = known {
            self.table().pin(ino);
            return Ok(ino);
        }
        let found = self.find(name.parent, name.name).await?;
        let mut table = self.table();
        let ino = table.found(name.parent, name.name, found);
        table.pin(ino);
        Ok(ino)
    }

    /// Nobody writes to either file meanwhile: who opens one in time waits, and writes to what has the new name.
    async fn rename_file(&self, this: &Move<'_>) -> Result<(), Errno> {
        let mut files = vec![self.enter(this.ino).await?];
        if let Some(replaced) = self.to_be_replaced(this)
            && let Ok(file) = self.enter(replaced).await
        {
            files.push(file);
        }
        let renamed = self.rename_entered(this, files.clone()).await;
        for file in files {
            // What others may have written is theirs to hear of.
            let _ = self.leave_written(&file, Leaving::Nothing).await;
        }
        renamed
    }

    async fn rename_entered(&self, this: &Move<'_>, files: Vec<Arc<File>>) -> Result<(), Errno> {
        let mut held = hold(files).await;
        let was_link = self.kind_of_replaced(this) == Some(Kind::Symlink);
        self.replace_link(this).await?;
        let own = held.iter_mut().find(|(file, _)| file.ino() == this.ino);
        let (file, content) = own.ok_or(Errno::EIO)?;
        let source = content.place().clone();
        let copied = if content.is_only_here() {
            Ok(None)
        } else {
            self.copy_held(this, file, content).await.map(Some)
        };
        if copied.is_err() && was_link {
            let _ = self.list_link(&self.folder(this.to.parent)?, this.to.name).await;
        }
        let (etag, is_other) = copied?.map_or((None, false), |(etag, is_other)| (Some(etag), is_other));
        // The new name is the file's from here on, whatever becomes of the old one.
        for (file, content) in held.iter_mut().filter(|(file, _)| file.ino() != this.ino) {
            file.unlink(content);
        }
        let deleted = match &etag {
            Some(_) => self.client.delete(&source.bucket, &source.key).await,
            None => Ok(()),
        };
        self.moved(this, None);
        for (file, content) in held.iter_mut().filter(|(file, _)| file.ino() == this.ino) {
            file.moved(content, this.target.clone(), etag.clone());
            if this.only && etag.is_none() {
                content.be_the_only();
            }
            match is_other {
                // An inode does not become another version, of which the kernel would mix the pages with its own: the
                // new name is looked up again.
                true => self.table().detach(this.ino),
                false => self.note_moved(file, content),
            }
        }
        Ok(deleted?)
    }

    /// Uploads a file and copies it. A version that was replaced meanwhile is copied as what it is now, if nobody has
    /// the file open who has seen another. Says whether that was so.
    async fn copy_held(
        &self,
        this: &Move<'_>,
        file: &File,
        content: &mut Content,
    ) -> Result<(Etag, bool), Errno> {
        content.commit().await?;
        let source = content.place().clone();
        let base = content.base().cloned().ok_or(Errno::EIO)?;
        match self.copy_to(this, &source, &base.etag, base.size).await {
            Err(Errno::ESTALE) if !file.is_shared() => {
                let meta = self.client.head(&source.bucket, &source.key).await?;
                let etag = self.copy_to(this, &source, &meta.etag, meta.size).await?;
                content.rebase(Base { etag: meta.etag, size: meta.size });
                Ok((etag, true))
            }
            copied => Ok((copied?, false)),
        }
    }

    async fn copy_to(&self, this: &Move<'_>, from: &Place, etag: &Etag, size: u64) -> Result<Etag, Errno> {
        if this.only {
            return copy_to_nothing(&self.client, from, etag, size, &this.target).await;
        }
        copy(&self.client, from, etag, size, &this.target).await
    }

    /// Puts into the table what a file is at its new place.
    fn note_moved(&self, file: &File, content: &Content) {
        let shape = file.shape(content);
        if let Some(node) = self.table().get_mut(file.ino()) {
            node.size = shape.size;
        }
        self.sources.forget(file.ino());
        // What is not uploaded has changed before, and not by this.
        if shape.etag.is_some() {
            self.note(file, &shape);
        }
    }

    /// The inode that the new name stands for.
    fn to_be_replaced(&self, this: &Move<'_>) -> Option<Ino> {
        self.table().child(this.to.parent, this.to.name).filter(|ino| *ino != this.ino)
    }

    fn kind_of_replaced(&self, this: &Move<'_>) -> Option<Kind> {
        let replaced = self.to_be_replaced(this)?;
        self.table().get(replaced).map(|node| node.kind)
    }

    /// A link's line goes to the list of the new folder before the object comes there, and from the old one after the
    /// object has gone: it is never taken for a file.
    async fn rename_link(&self, this: &Move<'_>) -> Result<(), Errno> {
        let (old, new) = (self.folder(this.from.parent)?, self.folder(this.to.parent)?);
        self.list_link(&new, link_name(this.to.name)?).await?;
        let etag = match self.copy_node(this).await {
            Ok(etag) => etag,
            Err(errno) => {
                // What the name stands for, if anything, is no link; unless it is one.
                if errno != Errno::EEXIST && self.kind_of_replaced(this) != Some(Kind::Symlink) {
                    let _ = self.unlist(&new, this.to.name).await;
                }
                return Err(errno);
            }
        };
        let replaced = self.to_be_replaced(this).and_then(|ino| self.written.get(ino));
        if let Some(file) = replaced {
            file.unlink(&mut *file.hold().await);
            self.written.settle(&file).await;
        }
        let deleted = self.client.delete(&this.source.bucket, &this.source.key).await;
        let unlisted = match deleted {
            Ok(()) => self.unlist(&old, this.from.name).await,
            Err(error) => Err(error.into()),
        };
        self.moved(this, Some(etag));
        unlisted
    }

    /// Copies a link. A version that was replaced meanwhile is copied as what it is now.
    async fn copy_node(&self, this: &Move<'_>) -> Result<Etag, Errno> {
        let version = |fs: &Self| {
            let table = fs.table();
            let node = table.get(this.ino).ok_or(Errno::ESTALE)?;
            Ok::<_, Errno>((node.etag.clone().ok_or(Errno::ESTALE)?, node.size))
        };
        let (etag, size) = version(self)?;
        match self.copy_to(this, &this.source, &etag, size).await {
            Err(Errno::ESTALE) => {
                let meta = self.client.head(&this.source.bucket, &this.source.key).await?;
                if let Some(node) = self.table().get_mut(this.ino) {
                    node.size = meta.size;
                }
                self.copy_to(this, &this.source, &meta.etag, meta.size).await
            }
            copied => copied,
        }
    }

    /// A file that takes the place of a link is none.
    async fn replace_link(&self, this: &Move<'_>) -> Result<(), Errno> {
        let kind = self.kind_of_replaced(this);
        let folder = self.folder(this.to.parent)?;
        if kind == Some(Kind::Symlink) || self.link_lists.may_have(&folder, this.to.name) {
            self.unlist(&folder, this.to.name).await?;
        }
        Ok(())
    }

    /// Puts into the table what has happened in S3.
    fn moved(&self, this: &Move<'_>, etag: Option<Etag>) {
        let mut table = self.table();
        if let Some(replaced) = table.child(this.to.parent, this.to.name).filter(|ino| *ino != this.ino) {
            table.detach(replaced);
        }
        table.rename(this.ino, this.to.parent, this.to.name);
        if let (Some(etag), Some(node)) = (etag, table.get_mut(this.ino)) {
            (node.etag, node.checked) = (Some(etag), self.clock.now());
            table.set_local(this.ino, false);
        }
        drop(table);
        self.sources.forget(this.ino);
    }

    async fn rename_folder(&self, this: &Move<'_>) -> Result<(), Errno> {
        let from = Place { key: this.source.as_folder(), ..this.source.clone() };
        let to = Place { key: this.target.as_folder(), ..this.target.clone() };
        if self.settings.buckets.has_folder(&from.bucket, &from.key) {
            return Err(Errno::EBUSY);
        }
        if to.bucket == from.bucket && to.key.starts_with(&*from.key) {
            return Err(Errno::EINVAL);
        }
        let replaced = self.to_be_replaced(this);
        if let Some(replaced) = replaced {
            if self.table().locals(replaced).next().is_some() {
                return Err(Errno::ENOTEMPTY);
            }
            self.remove_empty(&to).await?;
        }
        // Nothing is written below the folder while it moves.
        let (_moving, files) = self.moving.begin(&from, || self.written.all()).await;
        let files = files.into_iter().filter(|file| is_below(&file.place(), &from));
        let mut held = hold(files.collect()).await;
        for (file, content) in &mut held {
            if !content.is_only_here() && !file.is_unlinked() {
                content.commit().await?;
            }
        }
        let copied = copy_all(&self.client, &from, &to).await?;
        let deleted = delete_copied(&self.client, &from, &copied).await;
        if let Some(replaced) = replaced {
            self.table().detach(replaced);
        }
        self.table().rename(this.ino, this.to.parent, this.to.name);
        for (file, mut content) in held {
            let here = content.place().key.clone();
            // It may have been renamed before it was held.
            let Some(rest) = here.strip_prefix(&*from.key) else { continue };
            let etag = copied.iter().find(|copied| *copied.rest == *rest).map(|copied| copied.etag.clone());
            let place = Place { bucket: to.bucket.clone(), key: format!("{}{rest}", to.key) };
            file.moved(&mut content, place, etag);
            self.note_moved(&file, &content);
        }
        for folder in [&from, &to] {
            self.listings.changed_below(folder);
            self.link_lists.forget_below(folder);
        }
        deleted
    }
}

/// Keeps files as they are.
async fn hold(mut files: Vec<Arc<File>>) -> Vec<(Arc<File>, OwnedMutexGuard<Content>)> {
    files.sort_unstable_by_key(|file| file.ino());
    let mut held = Vec::with_capacity(files.len());
    for file in files {
        let content = file.hold().await;
        held.push((file, content));
    }
    held
}
