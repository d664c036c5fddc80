//! Uploads that are under way, to be ended when there is no time left to finish them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::fs::key::Place;
use crate::fs::sync::lock;
use crate::s3::{Client, UploadId};

/// See the module.
#[derive(Debug, Default)]
pub struct Uploads(Mutex<HashMap<UploadId, Place>>);

/// An upload is under way until this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    uploads: Arc<Uploads>,
    id: UploadId,
}

impl Uploads {
    pub(super) fn begun(self: &Arc<Self>, place: &Place, id: &UploadId) -> UnderWay {
        lock(&self.0).insert(id.clone(), place.clone());
        UnderWay { uploads: Arc::clone(self), id: id.clone() }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Ends all that are under way now. Who is still sending parts is told by S3.
    pub async fn abort(&self, client: &Client) {
        let uploads = lock(&self.0).clone();
        let mut aborts = JoinSet::new();
        for (id, place) in uploads {
            let client = client.clone();
            aborts.spawn(async move { client.abort_upload(&place.bucket, &place.key, &id).await });
        }
        // What a server cannot be told now it will drop by its own rules.
        let _ = aborts.join_all().await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.uploads.0).remove(&self.id);
    }
}
