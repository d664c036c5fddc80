//! PUT of objects.

use std::sync::Arc;

use super::super::answer::Answer;
use super::super::body::Body;
use super::super::checksum;
use super::super::conditions;
use super::super::error::Error;
use super::super::incoming::Payload;
use super::super::object::Object;
use super::super::request::Request;
use super::super::server::Shared;

/// PutObject.
pub fn put(shared: &Shared, request: &Request, payload: Payload) -> Result<Answer, Error> {
    let checksums = checksum::verify(&payload.claims, &payload.segments)?;
    let object = super::dressed(Object::of_body(Body::new(payload.segments)), &super::kept(request)?);
    let object = super::dressed(object, &checksums).modified(shared.clock.now());
    let answer = Answer::empty(200).with("etag", object.etag());
    let answer = super::with_traits(answer, object.headers(), true);
    store(shared, request, object)?;
    Ok(answer)
}

/// Puts an object under the request's key if its conditions hold, in one step.
pub fn store(shared: &Shared, request: &Request, object: Object) -> Result<(), Error> {
    shared.store.with(&request.bucket, |bucket| {
        conditions::write(request, bucket.objects.get(&request.key).map(Arc::as_ref))?;
        bucket.objects.insert(request.key.clone(), Arc::new(object));
        Ok(())
    })
}
