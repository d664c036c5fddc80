//! A directory that goes away with the test that made it.

use std::path::{Path, PathBuf};

/// A fresh directory, removed on drop.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let name = crate::grant::Token::mint().expect("the system has random numbers");
        let path = std::env::temp_dir().join(format!("wave-test-{}", name.expose()));
        std::fs::create_dir(&path).expect("the name is fresh");
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
