//! Single objects: HEAD, GET, PUT, copy and delete.

use bytes::Bytes;
use http::Method;
use http::header::{HeaderName, IF_MATCH, RANGE};

use super::body::Body;
use super::call::{Call, STORE, Sums, WORK, Wanted};
use super::client::Client;
use super::error::{Error, Kind};
use super::object::{self, Condition, Etag, Get, Meta, Object, Put, Source};
use super::{encode, xml};

impl Client {
    /// The attributes of an object.
    ///
    /// # Errors
    ///
    /// [`Kind::NoSuchKey`] if it or its bucket does not exist, and what any request may fail of.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<Meta, Error> {
        let call = Call::new("HeadObject", Method::HEAD, bucket, Some(key));
        let answer = self.call(&call).await?;
        Meta::of(&answer.head.headers).map_err(|reason| Error::new(Kind::Remote, call.subject(), reason))
    }

    /// Whether a bucket is there and within reach.
    ///
    /// # Errors
    ///
    /// [`Kind::NoSuchBucket`], and what any request may fail of.
    pub async fn head_bucket(&self, bucket: &str) -> Result<(), Error> {
        let call = Call::new("HeadBucket", Method::HEAD, bucket, None);
        match self.call(&call).await {
            Ok(_) => Ok(()),
            // The answer has no code, and there is no key that could be missing.
            Err(error) if error.kind() == Kind::NoSuchKey => Err(error.with(Kind::NoSuchBucket, "")),
            Err(error) => Err(error),
        }
    }

    /// An object or some of its bytes. The body fails with [`Kind::Interrupted`] when it breaks off or stands
    /// still.
    ///
    /// # Errors
    ///
    /// [`Kind::Range`] if the range begins behind the end, [`Kind::Precondition`], [`Kind::Archived`], and what any
    /// request may fail of.
    pub async fn get(&self, bucket: &str, key: &str, get: Get<'_>) -> Result<Object, Error> {
        let mut call = Call::new("GetObject", Method::GET, bucket, Some(key));
        call.wanted = Wanted::Stream;
        if let Some(range) = &get.range {
            let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
                return Err(Error::new(Kind::Local, call.subject(), "an empty range was asked for"));
            };
            call.header(RANGE, &format!("bytes={}-{last}", range.start))?;
        }
        if let Some(etag) = get.if_match {
            call.header(IF_MATCH, etag.as_str())?;
        }
        let answer = self.call(&call).await?;
        let wrong = |reason: &str| Error::new(Kind::Remote, call.subject(), reason);
        let meta = Meta::of(&answer.head.headers).map_err(wrong)?;
        // There are servers that do not know conditions for GET.
        if get.if_match.is_some_and(|wanted| !wanted.is_same(&meta.etag)) {
            let told = "the server has sent another version than asked for";
            return Err(Error::new(Kind::Precondition, call.subject(), told));
        }
        let range = object::body_range(&answer.head.headers, meta.size)
            .ok_or_else(|| wrong("the answer's range makes no sense"))?;
        let wanted = get.range.unwrap_or(0..meta.size);
        if range != (wanted.start..wanted.end.min(meta.size)) {
            return Err(wrong("the server has sent other bytes than asked for"));
        }
        let body = Body::new(answer.stream, range.clone(), self.0.aws.stall, call.subject());
        Ok(Object { meta, range, body })
    }

    /// The same, with a body that goes on from another connection where one breaks off or stands still, as long
    /// as the object is the same.
    ///
    /// # Errors
    ///
    /// As those of [`Client::get`].
    pub async fn get_resumed(&self, bucket: &str, key: &str, get: Get<'_>) -> Result<Object, Error> {
        let mut object = self.get(bucket, key, get).await?;
        object.body = object.body.resumed(self, bucket, key, object.meta.etag.clone());
        Ok(object)
    }

    /// Writes an object of up to 5 GiB, and returns its tag.
    ///
    /// # Errors
    ///
    /// [`Kind::Precondition`] if the condition does not hold, and what any request may fail of.
    pub async fn put(&self, bucket: &str, key: &str, body: Vec<Bytes>, put: Put<'_>) -> Result<Etag, Error> {
        let mut call = Call::new("PutObject", Method::PUT, bucket, Some(key));
        call.written(&self.0.aws, &put)?;
        call.condition(put.condition)?;
        (call.body, call.sums, call.patience) = (body, Sums::Body, STORE);
        let outcome = self.0.call(&call).await;
        match outcome.result {
            Ok(answer) => object::etag(&answer.head.headers)
                .ok_or_else(|| Error::new(Kind::Remote, call.subject(), "the answer has no ETag")),
            // An attempt whose answer was lost may be what the condition now fails of.
            Err(error) if outcome.doubtful && error.kind() == Kind::Precondition => {
                self.settle_put(bucket, key, &call.body).await.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Copies an object of up to 5 GiB with its attributes, and returns the tag of the copy.
    ///
    /// # Errors
    ///
    /// [`Kind::TooLarge`] above that, [`Kind::Precondition`], and what any request may fail of.
    pub async fn copy(
        &self,
        from: Source<'_>,
        bucket: &str,
        key: &str,
        condition: Condition<'_>,
    ) -> Result<Etag, Error> {
        let mut call = Call::new("CopyObject", Method::PUT, bucket, Some(key));
        call.source(&from, self.0.aws.owner.as_deref())?;
        call.stored(&self.0.aws)?;
        if let Some(tags) = self.0.aws.tags.of(key) {
            call.fixed("x-amz-tagging-directive", "REPLACE");
            call.header(HeaderName::from_static("x-amz-tagging"), tags)?;
        }
        call.condition(condition)?;
        call.patience = WORK;
        let answer = self.call(&call).await.map_err(|error| too_large(&error))?;
        copied(&call, &answer.text)
    }

    /// Deletes an object. One that is not there is as good.
    ///
    /// # Errors
    ///
    /// What any request may fail of.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let call = Call::new("DeleteObject", Method::DELETE, bucket, Some(key));
        match self.call(&call).await {
            Err(error) if error.kind() != Kind::NoSuchKey => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl Call<'_> {
    /// The headers that name what is copied.
    pub(super) fn source(&mut self, from: &Source<'_>, owner: Option<&str>) -> Result<(), Error> {
        let place = format!("/{}/{}", from.bucket, encode::path(from.key));
        self.header(HeaderName::from_static("x-amz-copy-source"), &place)?;
        if let Some(etag) = from.if_match {
            self.header(HeaderName::from_static("x-amz-copy-source-if-match"), etag.as_str())?;
        }
        if let Some(range) = &from.range {
            let range = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
            self.header(HeaderName::from_static("x-amz-copy-source-range"), &range)?;
        }
        if let Some(owner) = owner {
            self.header(HeaderName::from_static("x-amz-source-expected-bucket-owner"), owner)?;
        }
        Ok(())
    }
}

/// The tag in the document of a copy.
pub(super) fn copied(call: &Call<'_>, document: &[u8]) -> Result<Etag, Error> {
    let wrong = |reason: String| Error::new(Kind::Remote, call.subject(), reason);
    let [etag] = xml::texts(document, ["ETag"]).map_err(wrong)?;
    etag.map(|etag| Etag::new(&etag)).ok_or_else(|| wrong("the answer has no ETag".to_owned()))
}

/// S3 says of a source that is too long for one copy that the request is not valid.
fn too_large(error: &Error) -> Error {
    let about_size = error.code() == Some("InvalidRequest") && error.to_string().contains("5368709120");
    if about_size { error.with(Kind::TooLarge, "") } else { error.clone() }
}
