//! AWS Signature Version 4 in the Authorization header.
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>)

use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap};
use ring::{digest, hmac};

use super::credentials::Credentials;
use super::{encode, time};

/// The hash of no payload.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What stands for the hash over TLS, which protects the payload itself.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The value of `x-amz-content-sha256`.
pub(super) fn payload_hash(tls: bool, body: &[Bytes]) -> String {
    if body.iter().all(Bytes::is_empty) {
        return EMPTY.to_owned();
    }
    if tls {
        return UNSIGNED.to_owned();
    }
    let mut context = digest::Context::new(&digest::SHA256);
    body.iter().for_each(|piece| context.update(piece));
    encode::hex(context.finish().as_ref())
}

/// What a signature is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) now: SystemTime,
}

/// A request as far as it is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) method: &'a str,
    /// Encoded, as it is sent.
    pub(super) path: &'a str,
    /// Names with encoded values.
    pub(super) query: &'a [(&'static str, String)],
}

/// Adds date, payload hash, session token and signature to a request's headers. All headers that are there already
/// become part of the signature; `host` must be.
pub(super) fn sign(
    headers: &mut HeaderMap,
    subject: Subject<'_>,
    scope: Scope<'_>,
    payload: &str,
    credentials: &Credentials,
) -> Result<(), http::header::InvalidHeaderValue> {
    let now = time::compact(scope.now);
    let day = &now[..8];
    headers.insert("x-amz-date", HeaderValue::from_str(&now)?);
    headers.insert("x-amz-content-sha256", HeaderValue::from_str(payload)?);
    if let Some(token) = credentials.token() {
        let mut token = HeaderValue::from_str(token)?;
        token.set_sensitive(true);
        headers.insert("x-amz-security-token", token);
    }
    let (names, request) = canonical(headers, subject, payload);
    let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let hash = encode::hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{now}\n{place}\n{hash}");
    let key = signing_key(credentials.secret(), day, scope);
    let signature = encode::hex(mac(&key, text.as_bytes()).as_ref());
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={}/{place}, SignedHeaders={names}, Signature={signature}",
        credentials.access()
    );
    let mut value = HeaderValue::from_str(&value)?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

/// The names of the signed headers, and the request in canonical form.
fn canonical(headers: &HeaderMap, subject: Subject<'_>, payload: &str) -> (String, String) {
    let mut lines: Vec<(&str, String)> = headers
        .iter()
        .map(|(name, value)| {
            let words = String::from_utf8_lossy(value.as_bytes());
            // Runs of spaces count as one.
            (name.as_str(), words.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect();
    lines.sort();
    let names = lines.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let query = query(subject.query, "=");
    let Subject { method, path, .. } = subject;
    (names.clone(), format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}"))
}

/// A query in canonical order, which is also the order in which it is sent. Names without a value are sent bare,
/// but signed with an equals sign.
pub(super) fn query(pairs: &[(&'static str, String)], empty: &str) -> String {
    let mut pairs: Vec<String> = pairs
        .iter()
        .map(
            |(name, value)| {
                if value.is_empty() { format!("{name}{empty}") } else { format!("{name}={value}") }
            },
        )
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn signing_key(secret: &str, day: &str, scope: Scope<'_>) -> hmac::Tag {
    let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    let tag = hmac::sign(&first, day.as_bytes());
    let tag = mac(&tag, scope.region.as_bytes());
    let tag = mac(&tag, scope.service.as_bytes());
    mac(&tag, b"aws4_request")
}

fn mac(key: &hmac::Tag, text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// One of the examples of the documentation: account, bucket and time are the same in all of them.
    fn signature(
        method: &str,
        path: &str,
        query: &[(&'static str, String)],
        headers: &[(&'static str, &str)],
        payload: &str,
    ) -> String {
        let credentials =
            Credentials::fixed("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None);
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let now = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let scope = Scope { region: "us-east-1", service: "s3", now };
        sign(&mut map, Subject { method, path, query }, scope, payload, &credentials).expect("headers");
        let value = map[AUTHORIZATION].to_str().expect("text");
        value.rsplit_once("Signature=").expect("a signature").1.to_owned()
    }

    #[test]
    fn the_documented_examples() {
        assert_eq!(
            signature("GET", "/test.txt", &[], &[("range", "bytes=0-9")], EMPTY),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(
            signature(
                "PUT",
                "/test%24file.text",
                &[],
                &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
                "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            signature("GET", "/", &[("lifecycle", String::new())], &[], EMPTY),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature("GET", "/", &[("prefix", "J".into()), ("max-keys", "2".into())], &[], EMPTY),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn a_payload_is_hashed_over_plain_connections_only() {
        let body = [Bytes::from_static(b"Welcome to "), Bytes::from_static(b"Amazon S3.")];
        assert_eq!(
            payload_hash(false, &body),
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
        );
        assert_eq!(payload_hash(true, &body), UNSIGNED);
        assert_eq!(payload_hash(true, &[]), EMPTY);
    }

    #[test]
    fn secrets_of_a_signed_request_are_marked() {
        let credentials = Credentials::fixed("AKIA", "very secret", Some("token"));
        let mut headers = HeaderMap::new();
        let scope = Scope { region: "r", service: "s3", now: UNIX_EPOCH };
        let subject = Subject { method: "GET", path: "/", query: &[] };
        sign(&mut headers, subject, scope, EMPTY, &credentials).expect("headers");
        let shown = format!("{headers:?} {credentials:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("Signature") && !shown.contains("\"token\""),
            "{shown}"
        );
    }
}
