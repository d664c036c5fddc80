//! Names of the mount and keys of S3.
//!
//! `/B/a/b` is the key `a/b` of the bucket `B`; a folder's key ends with a slash, that of a bucket itself is empty.

use std::ffi::OsStr;

use super::errno::Errno;

/// Longest name of a file, in bytes.
pub const NAME_MAX: usize = 255;
/// Longest key of S3, in bytes.
pub const KEY_MAX: usize = 1024;

/// The object that keeps the names of a folder's symbolic links.
pub const SYMLINKS: &str = ".fusion.symlinks";

/// Where something is in S3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The bucket; empty for the mount point, which holds all buckets.
    pub bucket: Box<str>,
    /// The key; with a slash at its end for a folder, empty for a bucket.
    pub key: String,
}

impl Place {
    /// The place of a path, given by its names from the mount point on.
    pub fn of(names: &[&str], folder: bool) -> Self {
        let Some((bucket, rest)) = names.split_first() else { return Self::default() };
        let mut key = rest.join("/");
        if folder && !key.is_empty() {
            key.push('/');
        }
        Self { bucket: (*bucket).into(), key }
    }

    /// True for the mount point.
    pub fn is_root(&self) -> bool {
        self.bucket.is_empty()
    }

    /// The key of a name in this folder, as a file.
    ///
    /// # Errors
    /// `ENAMETOOLONG` if S3 cannot have it.
    pub fn child(&self, name: &str) -> Result<Self, Errno> {
        debug_assert!(self.key.is_empty() || self.key.ends_with('/'), "only a folder has children");
        if self.key.len() + name.len() > KEY_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(Self { bucket: self.bucket.clone(), key: format!("{}{name}", self.key) })
    }

    /// The folder this is in; the bucket is in itself.
    pub fn folder(&self) -> Self {
        let key = self.key.strip_suffix('/').unwrap_or(&self.key);
        let folder = key.rfind('/').map_or("", |slash| &key[..=slash]);
        Self { bucket: self.bucket.clone(), key: folder.to_owned() }
    }

    /// The same key as that of a folder.
    pub fn as_folder(&self) -> String {
        let slash = if self.key.is_empty() || self.key.ends_with('/') { "" } else { "/" };
        format!("{}{slash}", self.key)
    }
}

/// Reads a name the kernel sends. Keys of S3 are text.
///
/// # Errors
/// `ENAMETOOLONG`, or `ENOENT` for bytes that no key can have.
pub fn name(name: &OsStr) -> Result<&str, Errno> {
    if name.len() > NAME_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    name.to_str().ok_or(Errno::ENOENT)
}

/// True if a component of a key can be the name of a file.
pub fn is_name(component: &str) -> bool {
    !matches!(component, "" | "." | "..") && component.len() <= NAME_MAX && !component.contains(['/', '\0'])
}

/// True if S3 can have a bucket of this name: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>,
/// and the upper case, underscores and short names that old buckets and other servers have.
pub fn is_bucket(name: &str) -> bool {
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(names: &[&str], folder: bool) -> (String, String) {
        let place = Place::of(names, folder);
        (place.bucket.into(), place.key)
    }

    #[test]
    fn paths_are_keys() {
        assert_eq!(place(&[], true), (String::new(), String::new()));
        assert_eq!(place(&["b"], true), ("b".into(), String::new()));
        assert_eq!(place(&["b", "a", "c"], false), ("b".into(), "a/c".into()));
        assert_eq!(place(&["b", "a"], true), ("b".into(), "a/".into()));
    }

    #[test]
    fn children_are_below_their_folder() {
        let bucket = Place::of(&["b"], true);
        let folder = Place { key: bucket.child("a").unwrap().as_folder(), ..bucket };
        assert_eq!(folder.child("x").unwrap().key, "a/x");
        assert_eq!(folder.child("x").unwrap().folder(), folder);
        assert_eq!(folder.folder().key, "");
        let long = "x".repeat(255);
        let deep = (0..4).fold(folder, |at, _| match at.child(&long) {
            Ok(child) => Place { key: child.as_folder(), ..child },
            Err(_) => at,
        });
        assert_eq!(deep.child(&long), Err(Errno::ENAMETOOLONG));
    }

    #[test]
    fn what_cannot_be_a_name_is_known() {
        for component in ["", ".", "..", "a\0", "a/b", &"x".repeat(256)] {
            assert!(!is_name(component), "{component:?}");
        }
        for component in ["a", "...", ".a", " ", "\n", "%", "\u{1f433}", &"x".repeat(255)] {
            assert!(is_name(component), "{component:?}");
        }
        assert_eq!(name(OsStr::new(&"x".repeat(256))), Err(Errno::ENAMETOOLONG));
    }

    #[test]
    fn bucket_names_are_those_of_s3() {
        for bucket in ["b", "abc", "a-b.c", "my.bucket-1", "Old_Bucket", &"a".repeat(63)] {
            assert!(is_bucket(bucket), "{bucket}");
        }
        for bucket in ["", ".git", "-ab", "ab-", "a..b", "a b", "lost+found", &"a".repeat(64), "b\u{fc}cher"]
        {
            assert!(!is_bucket(bucket), "{bucket}");
        }
    }
}
