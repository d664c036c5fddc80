//! One attempt: credentials, signature, exchange, and the document of the answer.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Request};

use super::call::{Call, Sums, Wanted};
use super::checksum::{CRC64, Sum, crc64};
use super::client::Inner;
use super::endpoint::{self, Place};
use super::sign::{self, Scope, Subject};
use super::verdict::{Refusal, Signed, Trouble};
use super::{encode, xml};
use crate::net::http::{Download, Fault};

/// Documents are not longer; a page of 1000 keys of 1024 bytes each, encoded, has 4 MB.
const MAX_TEXT: usize = 16 << 20;

/// An answer that grants.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: http::response::Parts,
    /// The document, if one was wanted.
    pub(super) text: Bytes,
    /// The body, if the stream was wanted.
    pub(super) stream: Option<Download>,
}

impl Inner {
    /// Makes one attempt with a kind of checksum.
    pub(super) async fn attempt(&self, call: &Call<'_>, sum: Sum) -> Result<Answer, Trouble> {
        let clock = self.clock();
        let found = self.credentials.get(clock).await.map_err(Trouble::Credentials)?;
        let signed = Signed { region: self.regions.of(call.bucket), found, clock };
        let place = Place::of_bucket(&self.aws, call.bucket, &signed.region);
        let request = self.request(call, sum, &place, &signed).map_err(Trouble::Local)?;
        let answer = self.http.send(&place.origin, request, &call.body, call.patience).await;
        let (head, body) = answer.map_err(Trouble::Fault)?.into_parts();
        if head.status.is_success() && call.wanted == Wanted::Stream {
            return Ok(Answer { head, text: Bytes::new(), stream: Some(body) });
        }
        let text = self.text(body, call).await?;
        // Copies and completions are granted before they are done, and may still fail.
        if !head.status.is_success() || xml::is_error(&text) {
            return Err(Trouble::Refusal(Box::new(Refusal::of(&head, &text, signed))));
        }
        if call.sums == Sums::Body && sum == Sum::Crc64 {
            verify(&head, call)?;
        }
        Ok(Answer { head, text, stream: None })
    }

    fn request(
        &self,
        call: &Call<'_>,
        sum: Sum,
        place: &Place,
        signed: &Signed,
    ) -> Result<Request<()>, String> {
        let mut headers = call.headers.clone();
        let host = HeaderValue::from_str(&endpoint::host_header(&place.origin));
        headers.insert(HOST, host.map_err(|error| error.to_string())?);
        match (call.sums, sum) {
            (Sums::Body, sum) => sum.add(&mut headers, &call.body),
            (Sums::Parts, Sum::Crc64) => {
                headers.insert("x-amz-checksum-algorithm", HeaderValue::from_static("CRC64NVME"));
                headers.insert("x-amz-checksum-type", HeaderValue::from_static("FULL_OBJECT"));
            }
            (Sums::Parts, Sum::Md5) | (Sums::No, _) => {}
        }
        if self.aws.requester_pays {
            headers.insert("x-amz-request-payer", HeaderValue::from_static("requester"));
        }
        if let Some(owner) = &self.aws.owner {
            let owner = HeaderValue::from_str(owner).map_err(|error| error.to_string())?;
            headers.insert("x-amz-expected-bucket-owner", owner);
        }
        let path = place.path(call.key.map(encode::path).as_deref());
        if let Some(credentials) = &signed.found.credentials {
            let subject = Subject { method: call.method.as_str(), path: &path, query: &call.query };
            let scope = Scope { region: &signed.region, service: "s3", now: signed.clock };
            let payload = sign::payload_hash(place.origin.tls, &call.body);
            sign::sign(&mut headers, subject, scope, &payload, credentials)
                .map_err(|_| "the credentials have characters they cannot have".to_owned())?;
        }
        // hyper says nothing of a body that is empty, and S3 stores none whose length it was not told.
        if call.body.iter().all(Bytes::is_empty)
            && (call.method == Method::PUT || call.method == Method::POST)
        {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let query = sign::query(&call.query, "");
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let request = Request::builder().method(call.method.clone()).uri(target).body(());
        let mut request = request.map_err(|error| error.to_string())?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Reads a document to its end.
    async fn text(&self, mut body: Download, call: &Call<'_>) -> Result<Bytes, Trouble> {
        let mut text = BytesMut::new();
        loop {
            // While it copies, a server sends a space from time to time.
            let piece = tokio::time::timeout(call.patience, body.next()).await;
            let piece = piece.map_err(|_| Trouble::Fault(Fault::Silent(call.patience)))?;
            match piece {
                None => return Ok(text.freeze()),
                Some(Err(reason)) => return Err(Trouble::Cut(reason)),
                Some(Ok(piece)) if text.len() + piece.len() > MAX_TEXT => {
                    return Err(Trouble::Local(format!("the answer has more than {MAX_TEXT} bytes")));
                }
                Some(Ok(piece)) => text.extend_from_slice(&piece),
            }
        }
    }
}

/// A server that states the sum of what it has stored has stored what was sent, or the attempt has failed.
fn verify(head: &http::response::Parts, call: &Call<'_>) -> Result<(), Trouble> {
    match head.headers.get(CRC64) {
        Some(stated) if stated.as_bytes() != crc64(&call.body).as_bytes() => {
            Err(Trouble::Cut("the server has stored other bytes than were sent".to_owned()))
        }
        _ => Ok(()),
    }
}
