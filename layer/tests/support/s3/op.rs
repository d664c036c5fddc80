//! Which operation a request is.

/// The operations of the S3 API that are served; everything else is `Other`, answered 501.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    ListBuckets,
    HeadBucket,
    CreateBucket,
    DeleteBucket,
    BucketLocation,
    BucketVersioning,
    /// Version 2.
    ListObjects,
    ListObjectsV1,
    ListUploads,
    DeleteObjects,
    HeadObject,
    GetObject,
    GetTagging,
    PutObject,
    CopyObject,
    DeleteObject,
    CreateUpload,
    UploadPart,
    UploadPartCopy,
    CompleteUpload,
    AbortUpload,
    ListParts,
    Other,
}

/// Queries that ask for a part of S3 that is not here; a plain read or write must not be served in its place.
const FOREIGN: [&str; 11] = [
    "acl",
    "attributes",
    "cors",
    "encryption",
    "lifecycle",
    "object-lock",
    "policy",
    "restore",
    "select",
    "torrent",
    "versions",
];

impl Op {
    /// The operation of a method on a bucket (`None`: the service) and key (`None`: the bucket itself).
    pub fn of(method: &str, bucket: bool, key: bool, query: impl Fn(&str) -> bool, copies: bool) -> Op {
        if FOREIGN.iter().any(|name| query(name)) {
            return Op::Other;
        }
        match (method, bucket, key) {
            ("GET", true, false) if query("versioning") => Op::BucketVersioning,
            (_, _, _) if query("versioning") => Op::Other,
            ("GET", false, _) => Op::ListBuckets,
            ("HEAD", true, false) => Op::HeadBucket,
            ("PUT", true, false) if !query("tagging") => Op::CreateBucket,
            ("DELETE", true, false) if !query("tagging") => Op::DeleteBucket,
            ("POST", true, false) if query("delete") => Op::DeleteObjects,
            ("GET", true, false) if query("location") => Op::BucketLocation,
            ("GET", true, false) if query("uploads") => Op::ListUploads,
            ("GET", true, false) if query("list-type") => Op::ListObjects,
            ("GET", true, false) if !query("tagging") => Op::ListObjectsV1,
            ("HEAD", true, true) => Op::HeadObject,
            ("GET", true, true) if query("tagging") => Op::GetTagging,
            ("GET", true, true) if query("uploadId") => Op::ListParts,
            ("GET", true, true) => Op::GetObject,
            ("PUT", true, true) if query("uploadId") && copies => Op::UploadPartCopy,
            ("PUT", true, true) if query("uploadId") => Op::UploadPart,
            ("PUT", true, true) if copies => Op::CopyObject,
            ("PUT", true, true) if !query("tagging") => Op::PutObject,
            ("POST", true, true) if query("uploads") => Op::CreateUpload,
            ("POST", true, true) if query("uploadId") => Op::CompleteUpload,
            ("DELETE", true, true) if query("uploadId") => Op::AbortUpload,
            ("DELETE", true, true) if !query("tagging") => Op::DeleteObject,
            _ => Op::Other,
        }
    }

    /// Whether the store is changed by it.
    pub fn writes(self) -> bool {
        use Op::*;
        matches!(
            self,
            CreateBucket
                | DeleteBucket
                | DeleteObjects
                | PutObject
                | CopyObject
                | DeleteObject
                | CreateUpload
                | UploadPart
                | UploadPartCopy
                | CompleteUpload
                | AbortUpload
        )
    }

    /// Whether it lists a bucket.
    pub fn lists(self) -> bool {
        matches!(self, Op::ListObjects | Op::ListObjectsV1)
    }
}
