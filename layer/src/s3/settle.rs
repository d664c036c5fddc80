//! Whether a write whose answer was lost took effect: the object that is there decides.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;
use http::header::HeaderMap;

use super::call::Call;
use super::checksum::{self, CRC64};
use super::client::Client;
use super::encode;
use super::object::{Etag, Meta, Part};

/// Servers note times in whole seconds, each by its own clock.
const SLACK: Duration = Duration::from_secs(5);

impl Client {
    /// The tag of an object that holds exactly these bytes.
    pub(super) async fn settle_put(&self, bucket: &str, key: &str, body: &[Bytes]) -> Option<Etag> {
        let (meta, headers) = self.head_with_sums(bucket, key).await?;
        let size: u64 = body.iter().map(|piece| piece.len() as u64).sum();
        let stated = headers.get(CRC64).map(|sum| sum.as_bytes() == checksum::crc64(body).as_bytes());
        let md5 = encode::hex(&checksum::md5(body));
        let same = stated.unwrap_or_else(|| meta.etag.as_str().trim_matches('"') == md5);
        (meta.size == size && same).then_some(meta.etag)
    }

    /// The tag of an object that was made of these parts, and not before this upload was completed.
    pub(super) async fn settle_upload(
        &self,
        bucket: &str,
        key: &str,
        parts: &[Part],
        begun: SystemTime,
    ) -> Option<Etag> {
        let (meta, _) = self.head_with_sums(bucket, key).await?;
        let tag = meta.etag.as_str().trim_matches('"');
        let ours = match expected_tag(parts) {
            Some(expected) if tag == expected => true,
            // With some kinds of encryption a tag is not made of the parts' tags; their number still shows.
            _ => tag.ends_with(&format!("-{}", parts.len())) && meta.modified + SLACK >= begun,
        };
        ours.then_some(meta.etag)
    }

    async fn head_with_sums(&self, bucket: &str, key: &str) -> Option<(Meta, HeaderMap)> {
        let mut call = Call::new("HeadObject", Method::HEAD, bucket, Some(key));
        call.fixed("x-amz-checksum-mode", "ENABLED");
        let answer = self.call(&call).await.ok()?;
        let meta = Meta::of(&answer.head.headers).ok()?;
        Some((meta, answer.head.headers))
    }
}

/// The tag S3 gives an object of parts: the MD5 of their MD5s, and their number.
fn expected_tag(parts: &[Part]) -> Option<String> {
    let mut sums = Vec::new();
    for part in parts {
        let sum = encode::unhex(part.etag.as_str().trim_matches('"'))?;
        sums.extend((sum.len() == 16).then_some(sum)?);
    }
    Some(format!("{}-{}", encode::hex(&checksum::md5(&[sums.into()])), parts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_parts_is_made_of_their_tags() {
        let part = |number, body: &'static [u8]| Part {
            number,
            etag: Etag::new(&format!("\"{}\"", encode::hex(&checksum::md5(&[Bytes::from_static(body)])))),
        };
        let parts = [part(1, b"a"), part(2, b"b")];
        // md5(md5("a") + md5("b")), by coreutils.
        assert_eq!(expected_tag(&parts).as_deref(), Some("96e024ba2074fe77e8e965ba43a704be-2"));
        assert_eq!(expected_tag(&[Part { number: 1, etag: Etag::new("\"opaque\"") }]), None);
    }
}
