//! Multipart uploads.

use bytes::Bytes;
use http::Method;

use super::call::{Call, STORE, Sums, WORK};
use super::client::Client;
use super::error::{Error, Kind};
use super::object::{self, Condition, Etag, Part, Put, Source, UploadId};
use super::objects::copied;
use super::xml;

impl Client {
    /// Begins an upload. The condition is for its completion and does not count here.
    ///
    /// # Errors
    ///
    /// What any request may fail of. An answer that was lost leaves an upload behind that nobody knows of.
    pub async fn create_upload(&self, bucket: &str, key: &str, put: Put<'_>) -> Result<UploadId, Error> {
        let mut call = Call::new("CreateMultipartUpload", Method::POST, bucket, Some(key));
        call.ask("uploads", "");
        call.written(&self.0.aws, &put)?;
        call.sums = Sums::Parts;
        let answer = self.call(&call).await?;
        let wrong = |reason: String| Error::new(Kind::Remote, call.subject(), reason);
        let [id] = xml::texts(&answer.text, ["UploadId"]).map_err(wrong)?;
        let id =
            id.filter(|id| !id.is_empty()).ok_or_else(|| wrong("the answer has no UploadId".to_owned()))?;
        Ok(UploadId(id.into()))
    }

    /// Uploads a part. The same number again replaces it.
    ///
    /// # Errors
    ///
    /// [`Kind::NoSuchUpload`], and what any request may fail of.
    pub async fn upload_part(
        &self,
        bucket: &str,
        key: &str,
        id: &UploadId,
        number: u16,
        body: Vec<Bytes>,
    ) -> Result<Part, Error> {
        let mut call = part("UploadPart", bucket, key, id, number);
        (call.body, call.sums, call.patience) = (body, Sums::Body, STORE);
        let answer = self.call(&call).await?;
        let etag = object::etag(&answer.head.headers)
            .ok_or_else(|| Error::new(Kind::Remote, call.subject(), "the answer has no ETag"))?;
        Ok(Part { number, etag })
    }

    /// Makes a part of what is there already, 5 GiB at most.
    ///
    /// # Errors
    ///
    /// [`Kind::NoSuchUpload`], [`Kind::Precondition`], and what any request may fail of.
    pub async fn upload_part_copy(
        &self,
        bucket: &str,
        key: &str,
        id: &UploadId,
        number: u16,
        from: Source<'_>,
    ) -> Result<Part, Error> {
        let mut call = part("UploadPartCopy", bucket, key, id, number);
        call.source(&from, self.0.aws.owner.as_deref())?;
        call.patience = WORK;
        let answer = self.call(&call).await?;
        Ok(Part { number, etag: copied(&call, &answer.text)? })
    }

    /// Makes an object of the parts, which may be given in any order, and returns its tag.
    ///
    /// # Errors
    ///
    /// [`Kind::Precondition`], [`Kind::NoSuchUpload`], and what any request may fail of.
    pub async fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        id: &UploadId,
        parts: &[Part],
        condition: Condition<'_>,
    ) -> Result<Etag, Error> {
        let mut parts = parts.to_vec();
        parts.sort_by_key(|part| part.number);
        let mut call = Call::new("CompleteMultipartUpload", Method::POST, bucket, Some(key));
        call.ask("uploadId", id.as_str());
        call.condition(condition)?;
        call.header(http::header::CONTENT_TYPE, "application/xml")?;
        (call.body, call.patience) = (vec![xml::complete(&parts).into()], WORK);
        let begun = self.0.clock();
        let outcome = self.0.call(&call).await;
        match outcome.result {
            Ok(answer) => copied(&call, &answer.text),
            // Once it is done there is no such upload, and a condition no longer holds.
            Err(error)
                if outcome.doubtful && matches!(error.kind(), Kind::NoSuchUpload | Kind::Precondition) =>
            {
                self.settle_upload(bucket, key, &parts, begun).await.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives an upload up. One that is gone is as good.
    ///
    /// # Errors
    ///
    /// What any request may fail of.
    pub async fn abort_upload(&self, bucket: &str, key: &str, id: &UploadId) -> Result<(), Error> {
        let mut call = Call::new("AbortMultipartUpload", Method::DELETE, bucket, Some(key));
        call.ask("uploadId", id.as_str());
        match self.call(&call).await {
            Err(error) if !matches!(error.kind(), Kind::NoSuchUpload | Kind::NoSuchKey) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn part<'a>(name: &'static str, bucket: &'a str, key: &'a str, id: &UploadId, number: u16) -> Call<'a> {
    let mut call = Call::new(name, Method::PUT, bucket, Some(key));
    call.ask("partNumber", &number.to_string());
    call.ask("uploadId", id.as_str());
    call
}
