//! A request before it is signed: what all attempts have in common.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderValue, Method};

use super::encode;
use super::error::{Error, Kind};
use super::object::{Condition, Put};
use crate::config::aws::Aws;

/// How long a server may think about a request that takes it no work.
pub(super) const PROMPT: Duration = Duration::from_secs(20);

/// How long it may think about what it has been sent.
pub(super) const STORE: Duration = Duration::from_secs(60);

/// How long it may work on what it copies or assembles itself.
pub(super) const WORK: Duration = Duration::from_secs(290);

/// The part of checksums in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sums {
    /// None.
    No,
    /// Over the body.
    Body,
    /// Announced for the parts to come.
    Parts,
}

/// What is wanted of the answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it, in memory: a document, or nothing.
    Text,
    /// The stream.
    Stream,
}

/// A request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The operation's name, as S3 has it.
    pub(super) name: &'static str,
    pub(super) method: Method,
    pub(super) bucket: &'a str,
    /// None for the bucket itself.
    pub(super) key: Option<&'a str>,
    /// Names with encoded values.
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<Bytes>,
    pub(super) sums: Sums,
    pub(super) wanted: Wanted,
    pub(super) patience: Duration,
}

impl<'a> Call<'a> {
    pub(super) fn new(name: &'static str, method: Method, bucket: &'a str, key: Option<&'a str>) -> Self {
        Self {
            name,
            method,
            bucket,
            key,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            sums: Sums::No,
            wanted: Wanted::Text,
            patience: PROMPT,
        }
    }

    /// What the request does, for messages.
    pub(super) fn subject(&self) -> String {
        match self.key {
            Some(key) => format!("{} s3://{}/{key}", self.name, self.bucket),
            None => format!("{} s3://{}", self.name, self.bucket),
        }
    }

    /// Adds a parameter of the query.
    pub(super) fn ask(&mut self, name: &'static str, value: &str) {
        self.query.push((name, encode::query(value)));
    }

    /// Adds a header whose value comes from a caller or the settings.
    pub(super) fn header(&mut self, name: HeaderName, value: &str) -> Result<(), Error> {
        let value = HeaderValue::from_str(value)
            .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
            .map_err(|_| Error::new(Kind::Invalid, self.subject(), format!("{name} cannot be {value:?}")))?;
        self.headers.insert(name, value);
        Ok(())
    }

    pub(super) fn fixed(&mut self, name: &'static str, value: &'static str) {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }

    /// The headers of a condition on what is written.
    pub(super) fn condition(&mut self, condition: Condition<'_>) -> Result<(), Error> {
        match condition {
            Condition::None => Ok(()),
            Condition::IfMatch(etag) => self.header(IF_MATCH, etag.as_str()),
            Condition::IfAbsent => self.header(IF_NONE_MATCH, "*"),
        }
    }

    /// The headers of an object that is written, conditions excepted.
    pub(super) fn written(&mut self, aws: &Aws, put: &Put<'_>) -> Result<(), Error> {
        if let Some(kind) = put.content_type {
            self.header(CONTENT_TYPE, kind)?;
        }
        for (name, value) in put.metadata {
            let header = HeaderName::try_from(format!("x-amz-meta-{name}"));
            let header = header.map_err(|_| {
                Error::new(Kind::Invalid, self.subject(), format!("metadata cannot be called {name:?}"))
            })?;
            self.header(header, value)?;
        }
        self.stored(aws)?;
        if let Some(tags) = self.key.and_then(|key| aws.tags.of(key)) {
            self.header(HeaderName::from_static("x-amz-tagging"), tags)?;
        }
        Ok(())
    }

    /// The headers of how an object is kept.
    pub(super) fn stored(&mut self, aws: &Aws) -> Result<(), Error> {
        if let Some(class) = &aws.storage_class {
            self.header(HeaderName::from_static("x-amz-storage-class"), class)?;
        }
        if let Some(encryption) = &aws.encryption {
            self.fixed("x-amz-server-side-encryption", encryption.algorithm);
            if let Some(key) = &encryption.key {
                self.header(HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id"), key)?;
            }
        }
        Ok(())
    }
}
