//! Buckets and their objects, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::error::Error;
use super::object::Object;
use super::ops::multipart::Upload;

/// The region of buckets that name no other.
pub const REGION: &str = "us-east-1";

/// How a bucket answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Requests must be signed for this region.
    pub region: String,
    /// Anonymous requests are let in.
    pub public: bool,
    /// 403 without `x-amz-request-payer: requester`.
    pub requester_pays: bool,
    /// 403 for listings, and for missing keys too, as S3 answers who may not list.
    pub list_denied: bool,
    /// 403 for every write.
    pub read_only: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let region = REGION.to_owned();
        Settings { region, public: false, requester_pays: false, list_denied: false, read_only: false }
    }
}

/// One bucket.
#[derive(Debug, Default)]
pub struct Bucket {
    pub settings: Settings,
    /// In the order of listings: that of the UTF-8 bytes.
    pub objects: BTreeMap<String, Arc<Object>>,
    /// Open multipart uploads by id.
    pub uploads: BTreeMap<String, Upload>,
    /// The last uploads that were completed, with their ETags: completing again is no error.
    pub completed: VecDeque<(String, String)>,
}

/// All buckets. Readers hold an `Arc` of the generation they found, so writers never disturb them.
#[derive(Debug, Default)]
pub struct Store {
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl Store {
    /// Creates a bucket with defaults; one that exists is left alone.
    pub fn bucket(&self, name: &str) {
        self.lock().entry(name.to_owned()).or_default();
    }

    /// Creates a bucket, or changes the settings of one that exists.
    pub fn bucket_with(&self, name: &str, settings: Settings) {
        self.lock().entry(name.to_owned()).or_default().settings = settings;
    }

    /// Puts an object and gives its ETag.
    pub fn put(&self, bucket: &str, key: &str, object: Object) -> String {
        let etag = object.etag().to_owned();
        self.edit(bucket, |bucket| bucket.objects.insert(key.to_owned(), Arc::new(object)));
        etag
    }

    /// Puts one object under many keys, which share it.
    pub fn fill(&self, bucket: &str, keys: impl IntoIterator<Item = String>, object: Object) {
        let object = Arc::new(object);
        let new = keys.into_iter().map(|key| (key, Arc::clone(&object)));
        self.edit(bucket, |bucket| bucket.objects.extend(new));
    }

    /// The present generation of a key.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Arc<Object>> {
        self.lock().get(bucket)?.objects.get(key).cloned()
    }

    /// The present body of a key in one piece.
    pub fn body(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let object = self.get(bucket, key)?;
        Some(object.bytes(0..object.len()))
    }

    /// Removes a key; says whether it was there.
    pub fn remove(&self, bucket: &str, key: &str) -> bool {
        self.edit(bucket, |bucket| bucket.objects.remove(key).is_some())
    }

    /// All keys in order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.edit(bucket, |bucket| bucket.objects.keys().cloned().collect())
    }

    /// The keys of open multipart uploads.
    pub fn uploads(&self, bucket: &str) -> Vec<String> {
        self.edit(bucket, |bucket| bucket.uploads.values().map(|upload| upload.key.clone()).collect())
    }

    /// The bucket of a request, for the time of a closure that does not block.
    pub fn with<T>(&self, name: &str, act: impl FnOnce(&mut Bucket) -> Result<T, Error>) -> Result<T, Error> {
        act(self.lock().get_mut(name).ok_or_else(|| no_bucket(name))?)
    }

    /// All buckets.
    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().expect("no holder of the store's lock panics")
    }

    /// The bucket a test names, which it created.
    fn edit<T>(&self, name: &str, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.lock();
        act(buckets.get_mut(name).unwrap_or_else(|| panic!("the test did not create the bucket {name}")))
    }
}

/// The refusal for a bucket that is not there.
pub fn no_bucket(name: &str) -> Error {
    Error::new("NoSuchBucket", "The specified bucket does not exist").detail("BucketName", name)
}
