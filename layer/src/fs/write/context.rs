//! What all files that are written share.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::area::Area;
use super::uploads::Uploads;
use crate::fs::read::pool::Pool;
use crate::s3::Client;

/// See the module.
#[derive(Debug)]
pub struct Context {
    client: Client,
    pool: Arc<Pool>,
    wanted: Option<PathBuf>,
    area: OnceLock<Area>,
    uploads: Arc<Uploads>,
}

impl Context {
    /// `folder` is where staging files are wanted; it is looked at when the first of them is needed.
    #[must_use]
    pub fn new(client: Client, pool: Arc<Pool>, folder: Option<PathBuf>) -> Self {
        Self { client, pool, wanted: folder, area: OnceLock::new(), uploads: Arc::default() }
    }

    /// What speaks to S3.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The budget for memory.
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Uploads that are under way.
    pub(super) fn uploads(&self) -> &Arc<Uploads> {
        &self.uploads
    }

    /// Where staging files are.
    pub(super) fn area(&self) -> &Area {
        self.area.get_or_init(|| Area::find(self.wanted.as_deref()))
    }
}
