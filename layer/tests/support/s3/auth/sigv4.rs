//! Verification of the `Authorization` header, "Authenticating Requests: Using the Authorization Header".

use std::time::SystemTime;

use super::super::checksum::{hex, hmac, sha256};
use super::super::clock::{from_compact, unix};
use super::super::error::Error;
use super::super::request::Request;
use super::super::uri;
use super::keys::Keys;

/// Seconds by which the times of client and server may differ.
const SKEW: u64 = 15 * 60;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Identity {
    /// No signature.
    Anonymous,
    /// A signature that holds.
    Signed(Signed),
}

/// What the signatures of a body's chunks continue from.
#[derive(Clone, Debug)]
pub struct Signed {
    pub key: [u8; 32],
    /// `20261130T074835Z`.
    pub time: String,
    /// `20261130/us-east-1/s3/aws4_request`.
    pub scope: String,
    pub signature: String,
}

/// The header's parts.
struct Authorization<'a> {
    access: &'a str,
    scope: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl Authorization<'_> {
    fn parse(header: &str) -> Result<Authorization<'_>, Error> {
        let malformed =
            || Error::new("AuthorizationHeaderMalformed", "The authorization header is malformed.");
        let unsupported = || Error::invalid("Please use AWS4-HMAC-SHA256.");
        let rest = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(unsupported)?;
        let part = |name: &str| {
            let mut parts = rest.split(',').map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let (access, scope) = part("Credential").and_then(|all| all.split_once('/')).ok_or_else(malformed)?;
        let signed = part("SignedHeaders").ok_or_else(malformed)?.split(';').collect();
        Ok(Authorization { access, scope, signed, signature: part("Signature").ok_or_else(malformed)? })
    }
}

/// Verifies who signed a request for a service. `region` judges the region of the signature, `payload` is the
/// digest that takes the place of `x-amz-content-sha256` where a service does without.
pub fn verify(
    request: &Request,
    keys: &Keys,
    now: SystemTime,
    service: &str,
    payload: Option<&str>,
    region: impl FnOnce(&str) -> Result<(), Error>,
) -> Result<Identity, Error> {
    let Some(header) = request.header("authorization") else { return Ok(Identity::Anonymous) };
    let auth = Authorization::parse(header)?;
    let secret = keys.secret(auth.access, request.header("x-amz-security-token"))?;
    let time = request.header("x-amz-date").ok_or_else(|| {
        Error::denied().detail("Reason", "AWS authentication requires a valid Date or x-amz-date header")
    })?;
    let asked =
        from_compact(time).ok_or_else(|| Error::denied().detail("Reason", "x-amz-date is malformed"))?;
    if asked.abs_diff(unix(now)) > SKEW {
        let message = "The difference between the request time and the current time is too large.";
        return Err(Error::new("RequestTimeTooSkewed", message)
            .detail("RequestTime", time)
            .detail("ServerTime", super::super::clock::iso(now)));
    }
    let scope: Vec<&str> = auth.scope.split('/').collect();
    let [day, signed_region, signed_service, "aws4_request"] = scope[..] else {
        return Err(Error::new("AuthorizationHeaderMalformed", "The Credential is malformed."));
    };
    if day != &time[..8] || signed_service != service {
        let message =
            "The authorization header is malformed; incorrect date or service in the credential scope.";
        return Err(Error::new("AuthorizationHeaderMalformed", message));
    }
    region(signed_region)?;
    let payload = match request.header("x-amz-content-sha256").or(payload) {
        Some(payload) => payload,
        None => return Err(Error::invalid("Missing required header for this request: x-amz-content-sha256")),
    };
    let canonical = canonical_request(request, &auth.signed, payload)?;
    let digest = hex(&sha256(&[canonical.clone().into()]));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{}\n{digest}", auth.scope);
    let key = signing_key(&secret, day, signed_region, service);
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    if signature != auth.signature {
        let message = "The request signature we calculated does not match the signature you provided. Check your \
                       key and signing method.";
        return Err(Error::new("SignatureDoesNotMatch", message)
            .detail("StringToSign", to_sign)
            .detail("CanonicalRequest", canonical));
    }
    Ok(Identity::Signed(Signed { key, time: time.to_owned(), scope: auth.scope.to_owned(), signature }))
}

/// The key of one day, region and service.
pub fn signing_key(secret: &str, day: &str, region: &str, service: &str) -> [u8; 32] {
    let day = hmac(format!("AWS4{secret}").as_bytes(), day.as_bytes());
    let region = hmac(&day, region.as_bytes());
    let service = hmac(&region, service.as_bytes());
    hmac(&service, b"aws4_request")
}

/// The canonical request, made from what was received rather than from what a client believes to have sent.
fn canonical_request(request: &Request, signed: &[&str], payload: &str) -> Result<String, Error> {
    let unsigned = request.headers.iter().map(|(name, _)| name.as_str());
    let unsigned: Vec<&str> = unsigned
        .filter(|name| (*name == "host" || name.starts_with("x-amz-")) && !signed.contains(name))
        .collect();
    if !unsigned.is_empty() {
        let denied = Error {
            message: "There were headers present in the request which were not signed".into(),
            ..Error::denied()
        };
        return Err(denied.detail("HeadersNotSigned", unsigned.join(", ")));
    }
    let path = uri::encode_path(&uri::decode(&request.path).unwrap_or_default());
    let mut query: Vec<(String, String)> =
        request.query.iter().map(|(name, value)| (uri::encode(name), uri::encode(value))).collect();
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = String::new();
    for name in signed {
        let values = request.headers.iter().filter(|(found, _)| found == name);
        let values: Vec<String> =
            values.map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let signed = signed.join(";");
    Ok(format!("{}\n{path}\n{}\n{headers}\n{signed}\n{payload}", request.method, query.join("&")))
}
