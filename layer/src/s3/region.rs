//! The regions of buckets, learnt from answers.
//!
//! Nobody asks for a bucket's region beforehand: a request signed for the wrong one is answered with the right one,
//! so a bucket in the region of the settings costs no extra round trip, and any other costs one, once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::header::HeaderMap;

use crate::config::aws::is_region;

/// The region that signs for buckets nothing is known of.
const DEFAULT: &str = "us-east-1";

/// Buckets whose region is remembered.
const MAX_BUCKETS: usize = 4096;

/// What is known of regions.
#[derive(Debug)]
pub(super) struct Regions {
    default: Arc<str>,
    known: Mutex<HashMap<Box<str>, Arc<str>>>,
}

impl Regions {
    pub(super) fn new(default: Option<&str>) -> Self {
        Self { default: default.unwrap_or(DEFAULT).into(), known: Mutex::default() }
    }

    pub(super) fn of(&self, bucket: &str) -> Arc<str> {
        let known = self.known.lock().expect("no panic holds the lock");
        known.get(bucket).unwrap_or(&self.default).clone()
    }

    /// Remembers what an answer says; whether that is news to a request signed for `signed`.
    pub(super) fn learn(&self, bucket: &str, signed: &str, region: &str) -> bool {
        // A region becomes part of a host's name and is not taken on trust.
        if region == signed || !is_region(region) {
            return false;
        }
        let mut known = self.known.lock().expect("no panic holds the lock");
        if known.len() >= MAX_BUCKETS && !known.contains_key(bucket) {
            known.clear();
        }
        known.insert(bucket.into(), region.into());
        true
    }
}

/// Whether an answer may be about the region: where to, or what the signature was made for. A HEAD's has no code.
pub(super) fn is_misplaced(status: u16, code: Option<&str>) -> bool {
    match code {
        Some(code) => {
            matches!(
                code,
                "PermanentRedirect"
                    | "TemporaryRedirect"
                    | "AuthorizationHeaderMalformed"
                    | "IllegalLocationConstraintException"
            ) || (300..400).contains(&status)
        }
        None => matches!(status, 301 | 307 | 308 | 400),
    }
}

/// The region an answer names: in a header, or in the text of its error.
pub(super) fn named(headers: &HeaderMap, in_body: Option<&str>) -> Option<String> {
    let header = headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
    header.or(in_body).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says_holds_for_its_bucket() {
        let regions = Regions::new(None);
        assert!(regions.learn("b", "us-east-1", "eu-west-1"));
        assert_eq!(&*regions.of("b"), "eu-west-1");
        assert_eq!(&*regions.of("c"), "us-east-1");
        assert!(!regions.learn("b", "eu-west-1", "eu-west-1"));
        assert!(!regions.learn("b", "eu-west-1", "evil.test/"));
    }

    #[test]
    fn answers_about_the_region() {
        for (status, code, about) in [
            (301, Some("PermanentRedirect"), true),
            (301, None, true),
            (400, Some("AuthorizationHeaderMalformed"), true),
            (400, None, true),
            (400, Some("InvalidArgument"), false),
            (403, None, false),
            (403, Some("SignatureDoesNotMatch"), false),
        ] {
            assert_eq!(is_misplaced(status, code), about, "{status} {code:?}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(named(&headers, Some("a")).as_deref(), Some("a"));
        headers.insert("x-amz-bucket-region", "b".parse().expect("a header"));
        assert_eq!(named(&headers, Some("a")).as_deref(), Some("b"));
    }
}
