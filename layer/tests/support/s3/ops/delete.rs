//! DELETE of one object and of many.

use super::super::answer::Answer;
use super::super::checksum;
use super::super::conditions;
use super::super::error::Error;
use super::super::incoming::Payload;
use super::super::request::Request;
use super::super::server::Shared;
use super::super::xml::{Xml, leaf, read};
use super::bucket::NAMESPACE;

/// DeleteObject; a key that is not there is no error.
pub fn one(shared: &Shared, request: &Request) -> Result<Answer, Error> {
    shared.store.with(&request.bucket, |bucket| {
        conditions::write(request, bucket.objects.get(&request.key).map(AsRef::as_ref))?;
        bucket.objects.remove(&request.key);
        Ok(Answer::empty(204))
    })
}

/// DeleteObjects, up to 1000 keys.
pub fn many(shared: &Shared, request: &Request, payload: &Payload) -> Result<Answer, Error> {
    let malformed =
        || Error::new("MalformedXML", "The XML you provided was not well-formed or did not validate");
    let digest = |(name, _): &&(String, String)| name == "content-md5" || name.starts_with("x-amz-checksum-");
    if !payload.claims.iter().any(|claim| digest(&claim)) {
        return Err(Error::invalid("Missing required header for this request: Content-MD5"));
    }
    checksum::verify(&payload.claims, &payload.segments)?;
    let text = payload.text()?;
    let asked = read(&text, "Object").ok_or_else(malformed)?;
    if asked.is_empty() || asked.len() > 1000 {
        return Err(malformed());
    }
    let whole = read(&text, "Delete").ok_or_else(malformed)?;
    let quiet = whole.first().is_some_and(|whole| leaf(whole, "Quiet") == Some("true"));
    let mut document = Xml::document();
    shared.store.with(&request.bucket, |bucket| {
        document.inside(&format!("DeleteResult {NAMESPACE}"), |xml| {
            for object in &asked {
                let Some(key) = leaf(object, "Key") else { continue };
                bucket.objects.remove(key);
                if !quiet {
                    xml.inside("Deleted", |xml| xml.leaf("Key", key));
                }
            }
        });
        Ok(())
    })?;
    Ok(Answer::xml(document))
}
