//! The open database, and opening it again.

use super::OpenError;
use redb::Database;
use std::sync::RwLock;

/// Opens the database; called again after a failure.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, OpenError> + Send + Sync>;

/// redb refuses everything once a write failed, until the file is opened anew: what is on disk is then read
/// again instead of guessed. `None` while that does not work either.
pub(super) struct Store {
    database: RwLock<Option<Database>>,
    opener: Opener,
}

impl Store {
    pub(super) fn new(opener: Opener) -> Result<Store, OpenError> {
        Ok(Store { database: RwLock::new(Some(opener()?)), opener })
    }

    /// Works with the database. Blocking.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let database = self.database.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        work(database.as_ref().ok_or(redb::Error::DatabaseClosed)?)
    }

    /// Opens the file anew, once nobody works with it. Blocking.
    pub(super) fn reopen(&self) {
        let mut database = self.database.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        // The old one holds the lock on the file.
        drop(database.take());
        match (self.opener)() {
            Ok(fresh) => *database = Some(fresh),
            Err(error) => tracing::error!(%error, "state cannot be opened again"),
        }
    }
}
