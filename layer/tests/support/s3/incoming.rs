//! The body of a request: read, taken out of its chunks, and compared with what its headers say of it.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::auth::chunks;
use super::auth::sigv4::Identity;
use super::checksum;
use super::error::Error;
use super::log::Ticket;
use super::request::Request;

/// The largest body of one request, as S3 has it.
pub const LARGEST: u64 = 5 << 30;

/// A body that is what its headers say.
#[derive(Debug, Default)]
pub struct Payload {
    pub segments: Vec<Bytes>,
    /// The request's headers and the trailers of the body, from which checksums are taken.
    pub claims: Vec<(String, String)>,
}

impl Payload {
    /// The body as text, for documents.
    pub fn text(&self) -> Result<String, Error> {
        let malformed = || Error::new("MalformedXML", "The XML you provided was not well-formed");
        let all: Vec<u8> = self.segments.concat();
        if all.len() > 4 << 20 {
            return Err(malformed());
        }
        String::from_utf8(all).map_err(|_| malformed())
    }
}

/// How reading a body can fail.
#[derive(Debug)]
pub enum Broken {
    /// The client went away, or the plan says to break here.
    Connection,
    /// The body is refused.
    Refused(Error),
}

/// Reads a body whole, `until` so many bytes if a plan breaks it off there.
pub async fn read(mut body: Incoming, ticket: &Ticket, until: Option<u64>) -> Result<Vec<Bytes>, Broken> {
    let mut segments = Vec::new();
    let mut length = 0_u64;
    loop {
        if until.is_some_and(|until| length >= until) {
            return Err(Broken::Connection);
        }
        let Some(frame) = body.frame().await else { return Ok(segments) };
        let Ok(data) = frame.map_err(|_| Broken::Connection)?.into_data() else { continue };
        length += data.len() as u64;
        ticket.note(|entry| entry.bytes_in = length);
        if length > LARGEST {
            let message = "Your proposed upload exceeds the maximum allowed size";
            return Err(Broken::Refused(Error::new("EntityTooLarge", message)));
        }
        segments.push(data);
    }
}

/// The payload in the bytes of a request's body.
pub fn unpack(request: &Request, identity: &Identity, raw: Vec<Bytes>) -> Result<Payload, Error> {
    let claims = request.headers.clone();
    let Some(declared) = request.header("x-amz-content-sha256") else {
        return Ok(Payload { segments: raw, claims });
    };
    if declared == "UNSIGNED-PAYLOAD" {
        return Ok(Payload { segments: raw, claims });
    }
    if let Some(form) = declared.strip_prefix("STREAMING-") {
        let joined = raw.iter().fold(BytesMut::new(), |mut all, part| {
            all.extend_from_slice(part);
            all
        });
        let (segments, trailers) = chunks::decode(form, joined.freeze(), identity)?;
        let length = segments.iter().map(|part| part.len() as u64).sum::<u64>();
        if request.header("x-amz-decoded-content-length") != Some(length.to_string().as_str()) {
            let message = "You did not provide the number of bytes specified by x-amz-decoded-content-length";
            return Err(Error::new("IncompleteBody", message));
        }
        return Ok(Payload { segments, claims: claims.into_iter().chain(trailers).collect() });
    }
    if checksum::hex(&checksum::sha256(&raw)) != declared {
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(Error::new("XAmzContentSHA256Mismatch", message));
    }
    Ok(Payload { segments: raw, claims })
}
