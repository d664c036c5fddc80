//! Making symbolic links, and keeping their folder's list of them: one name on a line.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::Fs;
use super::attr::{Entry, Kind};
use super::errno::Errno;
use super::inode::{Found, Ino, Validity};
use super::key::{Place, SYMLINKS};
use super::names::new_name;
use super::symlink::TARGET_MAX;
use crate::s3::{Condition, Etag, Kind as Failure, Put};

/// Folders whose lists can be changed at a time.
const LOCKS: usize = 16;
/// Attempts to change a list that others change as well.
const ATTEMPTS: usize = 20;

/// One change of a list at a time, for each folder.
#[derive(Debug, Default)]
pub(super) struct ListLocks([Mutex<()>; LOCKS]);

impl ListLocks {
    fn of(&self, folder: &Place) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        folder.hash(&mut hasher);
        &self.0[hasher.finish() as usize % LOCKS]
    }
}

impl Fs {
    /// Makes a symbolic link: an object whose body is the target, and a line in the folder's list.
    ///
    /// # Errors
    /// `ENAMETOOLONG` for a target the kernel would not take, `EINVAL` for an empty one, `EROFS`, what S3 says.
    pub async fn symlink(&self, parent: Ino, name: &OsStr, target: &OsStr) -> Result<Entry, Errno> {
        let name = link_name(new_name(name)?)?;
        let target = target.as_encoded_bytes();
        match target.len() as u64 {
            0 => return Err(Errno::EINVAL),
            1..=TARGET_MAX => {}
            _ => return Err(Errno::ENAMETOOLONG),
        }
        self.moving.wait(&self.new_place(parent, name)?).await;
        let place = self.new_place(parent, name)?;
        let folder = self.folder(parent)?;
        let body = vec![Bytes::copy_from_slice(target)];
        let put = self.client.put(&place.bucket, &place.key, body, Put::default());
        let (put, listed) = tokio::join!(put, self.list_link(&folder, name));
        let etag = match (put, listed) {
            (Ok(etag), Ok(())) => etag,
            (Ok(_), Err(errno)) => {
                // Without its line it would be a file that holds a path.
                let _ = self.client.delete(&place.bucket, &place.key).await;
                return Err(errno);
            }
            // A line without its object stands for nothing.
            (Err(error), _) => return Err(error.into()),
        };
        self.changed_in(parent);
        let found = Found {
            kind: Kind::Symlink,
            size: target.len() as u64,
            modified: SystemTime::now().into(),
            etag: Some(etag),
            archived: false,
            checked: self.clock.now(),
            valid: Validity::Asked,
        };
        Ok(self.learn(parent, name, found))
    }

    /// A name is to stand for a file: a line that somebody's link has left would make a link of it.
    pub(super) async fn not_a_link(&self, folder: &Place, name: &str) -> Result<(), Errno> {
        if self.link_lists.may_have(folder, name) {
            self.unlist(folder, name).await?;
        }
        Ok(())
    }

    /// Adds a name to a folder's list.
    pub(super) async fn list_link(&self, folder: &Place, name: &str) -> Result<(), Errno> {
        self.change_list(folder, |names| names.insert(name.into())).await
    }

    /// Takes a name from a folder's list.
    pub(super) async fn unlist(&self, folder: &Place, name: &str) -> Result<(), Errno> {
        self.change_list(folder, |names| names.remove(name)).await
    }

    /// Changes a list, as often as others are faster. `change` tells if there is something to write.
    async fn change_list(
        &self,
        folder: &Place,
        change: impl Fn(&mut HashSet<Box<str>>) -> bool,
    ) -> Result<(), Errno> {
        let _one_at_a_time = self.list_locks.of(folder).lock().await;
        for attempt in 0..ATTEMPTS {
            // What is remembered may be old: the condition of the request tells.
            let (links, etag) = match (attempt, self.link_lists.latest(folder)) {
                (0, Some(latest)) => latest,
                _ => {
                    self.read_links(folder).await?;
                    self.link_lists.latest(folder).unwrap_or_default()
                }
            };
            let mut names = HashSet::clone(&links);
            if !change(&mut names) {
                return Ok(());
            }
            match self.write_list(folder, &names, etag.as_ref()).await {
                Ok(etag) => {
                    self.link_lists.note(folder, Arc::new(names), etag, self.clock.now());
                    return Ok(());
                }
                Err(error) if matches!(error.kind(), Failure::Precondition | Failure::NoSuchKey) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EBUSY)
    }

    async fn write_list(
        &self,
        folder: &Place,
        names: &HashSet<Box<str>>,
        known: Option<&Etag>,
    ) -> Result<Option<Etag>, crate::s3::Error> {
        let key = format!("{}{SYMLINKS}", folder.key);
        // A list without names stays: there is no deletion with a condition, and others may just add one.
        let mut names: Vec<&str> = names.iter().map(Box::as_ref).collect();
        names.sort_unstable();
        let body = || vec![Bytes::from(names.join("\n"))];
        let condition = known.map_or(Condition::IfAbsent, Condition::IfMatch);
        let put = Put { condition, ..Put::default() };
        match self.client.put(&folder.bucket, &key, body(), put).await {
            // A server that knows no conditions for PUT: then the lock here has to do.
            Err(error) if matches!(error.status(), Some(400 | 501)) => {
                self.client.put(&folder.bucket, &key, body(), Put::default()).await.map(Some)
            }
            put => put.map(Some),
        }
    }
}

/// A name that the list can hold: with a line's end it would be two there, or another.
///
/// # Errors
/// `EINVAL`.
pub(super) fn link_name(name: &str) -> Result<&str, Errno> {
    if name.contains(['\n', '\r']) { Err(Errno::EINVAL) } else { Ok(name) }
}
