//! Buckets themselves.

use super::super::answer::Answer;
use super::super::clock::iso;
use super::super::error::Error;
use super::super::request::Request;
use super::super::server::Shared;
use super::super::store::{Bucket, REGION, Settings};
use super::super::xml::Xml;

pub const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

/// ListBuckets.
pub fn list(shared: &Shared) -> Result<Answer, Error> {
    let created = iso(shared.clock.now());
    let mut document = Xml::document();
    document.inside(&format!("ListAllMyBucketsResult {NAMESPACE}"), |xml| {
        xml.inside("Owner", |xml| xml.leaf("ID", &shared.config.owner));
        xml.inside("Buckets", |xml| {
            for (name, bucket) in shared.store.lock().iter() {
                xml.inside("Bucket", |xml| {
                    xml.leaf("Name", name);
                    xml.leaf("CreationDate", &created);
                    xml.leaf("BucketRegion", &bucket.settings.region);
                });
            }
        });
    });
    Ok(Answer::xml(document))
}

/// HeadBucket.
pub fn head(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    shared.store.with(&request.bucket, |bucket| {
        Ok(Answer::empty(200)
            .with("x-amz-bucket-region", &bucket.settings.region)
            .with("x-amz-access-point-alias", "false"))
    })
}

/// CreateBucket; the region is that of the server.
pub fn create(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let mut buckets = shared.store.lock();
    if buckets.contains_key(&request.bucket) {
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(Error::new("BucketAlreadyOwnedByYou", message));
    }
    buckets.insert(request.bucket.clone(), Bucket { settings: Settings::default(), ..Bucket::default() });
    Ok(Answer::empty(200).with("location", format!("/{}", request.bucket)))
}

/// DeleteBucket.
pub fn delete(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    shared.store.with(&request.bucket, |bucket| {
        if bucket.objects.is_empty() {
            return Ok(());
        }
        Err(Error::new("BucketNotEmpty", "The bucket you tried to delete is not empty"))
    })?;
    shared.store.lock().remove(&request.bucket);
    Ok(Answer::empty(204))
}

/// GetBucketLocation; the first region is written as nothing.
pub fn location(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    let region = shared.store.with(&request.bucket, |bucket| Ok(bucket.settings.region.clone()))?;
    let region = if region == REGION { String::new() } else { region };
    let mut document = Xml::document();
    document.leaf_with("LocationConstraint", NAMESPACE, region);
    Ok(Answer::xml(document))
}

/// GetBucketVersioning: no bucket ever had versions, so nothing is said.
pub fn versioning(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    shared.store.with(&request.bucket, |_| Ok(()))?;
    let mut document = Xml::document();
    document.leaf_with("VersioningConfiguration", NAMESPACE, "");
    Ok(Answer::xml(document))
}
