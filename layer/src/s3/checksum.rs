//! Checksums of uploads: CRC-64/NVME, and MD5 for servers that refuse it.

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http::HeaderValue;
use http::header::HeaderMap;
use md5::{Digest as _, Md5};

use super::encode;

/// The header of CRC-64/NVME, in requests and in answers.
pub(super) const CRC64: &str = "x-amz-checksum-crc64nvme";

/// CRC-64/NVME, base64 of its eight bytes in network order.
pub(super) fn crc64(body: &[Bytes]) -> String {
    let mut digest = crc64fast_nvme::Digest::new();
    body.iter().for_each(|piece| digest.write(piece));
    encode::base64(&digest.sum64().to_be_bytes())
}

pub(super) fn md5(body: &[Bytes]) -> [u8; 16] {
    let mut digest = Md5::new();
    body.iter().for_each(|piece| digest.update(piece));
    digest.finalize().into()
}

/// The sum that goes with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Crc64,
    Md5,
}

impl Sum {
    /// The headers that tell the server.
    pub(super) fn add(self, headers: &mut HeaderMap, body: &[Bytes]) {
        let (name, value) = match self {
            Self::Crc64 => (CRC64, crc64(body)),
            Self::Md5 => ("content-md5", encode::base64(&md5(body))),
        };
        // Base64 is always a valid value.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
        if self == Self::Crc64 {
            headers.insert("x-amz-sdk-checksum-algorithm", HeaderValue::from_static("CRC64NVME"));
        }
    }
}

/// What is known of the server: nothing, that it takes CRC-64, or that it does not.
#[derive(Debug, Default)]
pub(super) struct Ability(AtomicU8);

const TAKEN: u8 = 1;
const REFUSED: u8 = 2;

impl Ability {
    /// The sum to send.
    pub(super) fn sum(&self) -> Sum {
        if self.0.load(Ordering::Relaxed) == REFUSED { Sum::Md5 } else { Sum::Crc64 }
    }

    /// A body was taken with this sum.
    pub(super) fn taken(&self, sum: Sum) {
        let value = if sum == Sum::Crc64 { TAKEN } else { REFUSED };
        self.0.store(value, Ordering::Relaxed);
    }

    /// An upload with CRC-64 was refused in a way that may be because of it: no server that has taken one before
    /// is suspected, and an answer must speak of what the server cannot do.
    pub(super) fn is_suspect(&self, status: u16, code: Option<&str>) -> bool {
        let unable = match code {
            Some("NotImplemented" | "InvalidRequest" | "InvalidArgument" | "InvalidHeader") => true,
            None => status == 400,
            Some(_) => false,
        };
        self.0.load(Ordering::Relaxed) != TAKEN && (status == 501 || (status == 400 && unable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums_of_bodies_in_pieces() {
        let body = [Bytes::from_static(b"1234"), Bytes::new(), Bytes::from_static(b"56789")];
        // The check value of the catalogue of CRCs: 0xae8b14860a799888.
        assert_eq!(crc64(&body), encode::base64(&0xae8b_1486_0a79_9888_u64.to_be_bytes()));
        assert_eq!(encode::hex(&md5(&body)), "25f9e794323b453885f5181f1b624d0b");
        let mut headers = HeaderMap::new();
        Sum::Md5.add(&mut headers, &body);
        assert_eq!(headers["content-md5"], "JfnnlDI7RTiF9RgfG2JNCw==");
    }

    #[test]
    fn only_a_server_that_never_took_one_is_suspected() {
        let ability = Ability::default();
        assert!(ability.is_suspect(501, Some("NotImplemented")));
        assert!(ability.is_suspect(400, Some("InvalidRequest")));
        assert!(!ability.is_suspect(400, Some("EntityTooLarge")));
        assert!(!ability.is_suspect(403, None));
        ability.taken(Sum::Crc64);
        assert!(!ability.is_suspect(501, None));
        ability.taken(Sum::Md5);
        assert_eq!(ability.sum(), Sum::Md5);
    }
}
