//! The secret of a folder, and what makes names and seals with it.

use super::super::file::{Temporary, make};
use crate::oci::{Digest, Host, Tag};
use crate::spool::Owner;
use aws_lc_rs::hmac;
use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::Path;

const BYTES: usize = 32;

/// Makes names that say nothing of whom and what they are for, and seals that only this folder has (HMAC, RFC 2104). It
/// lies in the folder, for its owner alone: names have to be found again after a restart.
pub(super) struct Key(hmac::Key);

/// What somebody was let read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A manifest by tag.
    Tag(Tag),
    /// A manifest by digest.
    Manifest(Digest),
    /// A blob.
    Blob(Digest),
    /// Anything in the repository.
    Repository,
}

impl Key {
    /// The key in `dir`, made when there is none. It is written in `making` first.
    pub(super) fn open(dir: &Path, making: &Path) -> io::Result<Key> {
        make(dir)?;
        let path = dir.join("key");
        loop {
            match fs::read(&path) {
                Ok(bytes) if bytes.len() == BYTES => {
                    return Ok(Key(hmac::Key::new(hmac::HMAC_SHA256, &bytes)));
                }
                // What a crash has left. Nothing that was sealed with it counts any more.
                Ok(_) => fs::remove_file(&path)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            let mut bytes = [0; BYTES];
            getrandom::fill(&mut bytes).map_err(io::Error::other)?;
            let file = Temporary::create(making)?;
            file.write(&bytes, 0)?;
            file.sync()?;
            // Of several processes that share the folder one wins.
            match file.link(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
    }

    /// The group of all notes about what `owner` was let read.
    pub(super) fn owner(&self, owner: &Owner) -> String {
        let Owner { access, registry, repository } = owner;
        self.name(["owner", access.as_str(), registry.as_str(), repository.as_str()])
    }

    /// The group of all documents that `registry` has sent.
    pub(super) fn registry(&self, registry: &Host) -> String {
        self.name(["registry", registry.as_str()])
    }

    /// The name of the note about `subject`.
    pub(super) fn subject(&self, subject: &Subject) -> String {
        match subject {
            Subject::Tag(tag) => self.name(["tag", tag.as_str()]),
            Subject::Manifest(digest) => self.name(["manifest", &digest.to_string()]),
            Subject::Blob(digest) => self.name(["blob", &digest.to_string()]),
            Subject::Repository => self.name(["repository"]),
        }
    }

    /// A seal for what a note says, where it lies.
    pub(super) fn seal(&self, group: &str, name: &str, text: &str) -> String {
        self.name(["note", group, name, text])
    }

    /// A code of these parts in this order.
    fn name<const N: usize>(&self, parts: [&str; N]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // The length says where a part ends.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes everything");
            hex
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Access;
    use crate::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_stays_what_it_is_and_is_for_its_owner_alone() {
        let scratch = Scratch::new();
        let making = scratch.path().join("making");
        make(&making).unwrap();
        let dir = scratch.path().join("stale");
        let names = |key: &Key| key.name(["a", "b"]);
        let first = Key::open(&dir, &making).unwrap();
        let again = Key::open(&dir, &making).unwrap();
        assert_eq!(names(&first), names(&again));
        let mode = fs::metadata(dir.join("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(dir.join("key"), b"torn").unwrap();
        assert_ne!(names(&Key::open(&dir, &making).unwrap()), names(&first));
        assert_eq!(fs::read_dir(&making).unwrap().count(), 0);
    }

    #[test]
    fn names_differ_by_every_part() {
        let scratch = Scratch::new();
        let key = Key::open(scratch.path(), scratch.path()).unwrap();
        let owner = |registry: &str, repository: &str| Owner {
            access: Access::anonymous().id().clone(),
            registry: registry.parse().unwrap(),
            repository: repository.parse().unwrap(),
        };
        let digest = Digest::sha256("x");
        let names = [
            key.owner(&owner("quay.io", "a/b")),
            key.owner(&owner("quay.io", "a/c")),
            key.owner(&owner("ghcr.io", "a/b")),
            key.registry(&"quay.io".parse().unwrap()),
            key.subject(&Subject::Tag(Tag::latest())),
            key.subject(&Subject::Manifest(digest)),
            key.subject(&Subject::Blob(digest)),
            key.subject(&Subject::Repository),
            key.name(["ab", "c"]),
            key.name(["a", "bc"]),
        ];
        let all: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(all.len(), names.len());
    }
}
