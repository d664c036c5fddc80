//! Which registries have sent the blobs that are on disk.
//!
//! A registry that says it has a blob of some digest may never have seen it. So it is no reason to hand out what another
//! has sent: only one that has itself sent all of a blob, which was verified, is believed to know what is in it.

use super::super::file::make;
use crate::oci::{Digest, Host};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Registries that are noted for one blob. From others it is fetched each time: anybody can have many names.
const MOST: usize = 64;

/// A folder with one folder for each blob, in which an empty file stands for each registry.
#[derive(Debug)]
pub(super) struct Origins(PathBuf);

impl Origins {
    pub(super) fn open(dir: PathBuf) -> io::Result<Origins> {
        make(&dir)?;
        Ok(Origins(dir))
    }

    /// Has `registry` sent the blob that lies at `blob`, relative to all blobs?
    pub(super) fn has(&self, registry: &Host, blob: &Path) -> io::Result<bool> {
        fs::exists(self.of(registry, blob))
    }

    /// `registry` has sent it.
    pub(super) fn add(&self, registry: &Host, blob: &Path) -> io::Result<()> {
        let folder = self.0.join(blob);
        make(&folder)?;
        if fs::read_dir(folder)?.count() >= MOST {
            return Ok(());
        }
        match File::create(self.of(registry, blob)) {
            // It has just been evicted, and is about to be there again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            created => created.map(drop),
        }
    }

    /// It is not on disk any more, or will not be.
    pub(super) fn remove(&self, blob: &Path) -> io::Result<()> {
        match fs::remove_dir_all(self.0.join(blob)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Names of hosts are no names of files.
    fn of(&self, registry: &Host, blob: &Path) -> PathBuf {
        self.0.join(blob).join(Digest::sha256(registry.as_str()).hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn each_registry_has_its_own() {
        let scratch = Scratch::new();
        let origins = Origins::open(scratch.path().join("origins")).unwrap();
        let [one, other]: [Host; 2] = ["quay.io", "localhost:5000"].map(|host| host.parse().unwrap());
        let [blob, kept] = ["sha256/ab/abcd", "sha256/ab/abce"].map(Path::new);
        assert!(!origins.has(&one, blob).unwrap());
        origins.add(&one, blob).unwrap();
        origins.add(&one, kept).unwrap();
        assert!(origins.has(&one, blob).unwrap() && !origins.has(&other, blob).unwrap());
        origins.add(&other, blob).unwrap();
        origins.add(&other, blob).unwrap();
        origins.remove(blob).unwrap();
        origins.remove(blob).unwrap();
        assert!(![&one, &other].into_iter().any(|registry| origins.has(registry, blob).unwrap()));
        assert!(origins.has(&one, kept).unwrap());
    }

    #[test]
    fn many_names_take_no_room() {
        let scratch = Scratch::new();
        let origins = Origins::open(scratch.path().join("origins")).unwrap();
        let blob = Path::new("sha256/ab/abcd");
        for at in 0..MOST + 10 {
            let registry: Host = format!("r{at}.example.org").parse().unwrap();
            origins.add(&registry, blob).unwrap();
            assert_eq!(origins.has(&registry, blob).unwrap(), at < MOST, "{at}");
        }
        assert_eq!(fs::read_dir(scratch.path().join("origins").join(blob)).unwrap().count(), MOST);
    }
}
