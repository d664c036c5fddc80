//! Bodies in chunks, "Signature Calculations: Transferring Payload in Multiple Chunks" and its trailers.

use bytes::Bytes;

use super::super::checksum::{hex, hmac, sha256};
use super::super::error::Error;
use super::sigv4::{Identity, Signed};

/// The segments of a body, and its trailers.
pub type Decoded = (Vec<Bytes>, Vec<(String, String)>);

/// The segments of a body in chunks, and its trailers. `form` is what follows `STREAMING-`.
pub fn decode(form: &str, mut body: Bytes, identity: &Identity) -> Result<Decoded, Error> {
    let (signer, trailer) = match (form, identity) {
        ("AWS4-HMAC-SHA256-PAYLOAD", Identity::Signed(signed)) => (Some(signed), false),
        ("AWS4-HMAC-SHA256-PAYLOAD-TRAILER", Identity::Signed(signed)) => (Some(signed), true),
        ("UNSIGNED-PAYLOAD-TRAILER", _) => (None, true),
        _ => return Err(Error::invalid("The value of x-amz-content-sha256 header is invalid.")),
    };
    let mut previous = signer.map(|signed| signed.signature.clone()).unwrap_or_default();
    let mut segments = Vec::new();
    loop {
        let head = line(&mut body)?;
        let (size, extension) = head.split_once(';').unwrap_or((&head, ""));
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| incomplete())?;
        if size > body.len() {
            return Err(incomplete());
        }
        let chunk = body.split_to(size);
        if let Some(signed) = signer {
            let expected = chunk_signature(signed, &previous, &chunk);
            if extension.trim().strip_prefix("chunk-signature=") != Some(&expected) {
                return Err(mismatch());
            }
            previous = expected;
        }
        if size == 0 {
            break;
        }
        if !line(&mut body)?.is_empty() {
            return Err(incomplete());
        }
        segments.push(chunk);
    }
    let mut trailers = Vec::new();
    let mut signature = None;
    // What follows the last chunk: an empty line, before it the trailers if there are some.
    while trailer && !body.is_empty() {
        let text = line(&mut body)?;
        let Some((name, value)) = text.split_once(':') else { break };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        match name.as_str() {
            "x-amz-trailer-signature" => signature = Some(value),
            _ => trailers.push((name, value)),
        }
    }
    if let (Some(signed), true) = (signer, trailer)
        && signature != Some(trailer_signature(signed, &previous, &trailers))
    {
        return Err(mismatch());
    }
    Ok((segments, trailers))
}

fn chunk_signature(signed: &Signed, previous: &str, chunk: &Bytes) -> String {
    let (empty, digest) = (hex(&sha256(&[])), hex(&sha256(std::slice::from_ref(chunk))));
    let Signed { key, time, scope, .. } = signed;
    let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{previous}\n{empty}\n{digest}");
    hex(&hmac(key, text.as_bytes()))
}

fn trailer_signature(signed: &Signed, previous: &str, trailers: &[(String, String)]) -> String {
    let canonical: String = trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let digest = hex(&sha256(&[canonical.into()]));
    let Signed { key, time, scope, .. } = signed;
    hex(&hmac(key, format!("AWS4-HMAC-SHA256-TRAILER\n{time}\n{scope}\n{previous}\n{digest}").as_bytes()))
}

/// The text up to the next CRLF.
fn line(body: &mut Bytes) -> Result<String, Error> {
    let end = body.windows(2).take(16 << 10).position(|pair| pair == b"\r\n").ok_or_else(incomplete)?;
    let text = body.split_to(end + 2);
    String::from_utf8(text[..end].to_vec()).map_err(|_| incomplete())
}

fn incomplete() -> Error {
    Error::new("IncompleteBody", "The request body terminated unexpectedly")
}

fn mismatch() -> Error {
    Error::new(
        "SignatureDoesNotMatch",
        "The chunk signature we calculated does not match the one you provided.",
    )
}
