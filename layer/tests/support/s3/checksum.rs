//! Digests and the `x-amz-checksum-*` family.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc, Table};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::error::Error;

static CRC32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);

/// The algorithms that are known; the header of each is `x-amz-checksum-` and its name.
pub const NAMES: [&str; 4] = ["crc32", "crc32c", "crc64nvme", "sha256"];

/// The base64 checksum of a body by an algorithm of [`NAMES`].
pub fn compute(name: &str, segments: &[Bytes]) -> Option<String> {
    Some(match name {
        "crc32" => base64(&crc32(&CRC32, segments).to_be_bytes()),
        "crc32c" => base64(&crc32(&CRC32C, segments).to_be_bytes()),
        "crc64nvme" => {
            let mut digest = CRC64.digest();
            segments.iter().for_each(|segment| digest.update(segment));
            base64(&digest.finalize().to_be_bytes())
        }
        "sha256" => base64(&sha256(segments)),
        _ => return None,
    })
}

/// Compares what the request says of its body, by header or trailer, with the body. Gives the checksum headers
/// that S3 keeps with the object.
pub fn verify(headers: &[(String, String)], segments: &[Bytes]) -> Result<Vec<(String, String)>, Error> {
    let mut kept = Vec::new();
    for (name, claimed) in headers {
        if name == "content-md5" {
            let claimed = STANDARD.decode(claimed).ok().filter(|digest| digest.len() == 16);
            let claimed = claimed
                .ok_or_else(|| Error::new("InvalidDigest", "The Content-MD5 you specified is not valid."))?;
            if claimed != md5(segments) {
                return Err(Error::new(
                    "BadDigest",
                    "The Content-MD5 you specified did not match what we received.",
                ));
            }
        }
        let Some(algorithm) = name.strip_prefix("x-amz-checksum-") else { continue };
        if algorithm == "type" || algorithm == "mode" || algorithm == "algorithm" {
            continue;
        }
        let Some(computed) = compute(algorithm, segments) else {
            return Err(Error::invalid(&format!(
                "The algorithm type you specified in {name} is not supported"
            )));
        };
        if computed != *claimed {
            let message = format!(
                "The {} you specified did not match the calculated checksum.",
                algorithm.to_uppercase()
            );
            return Err(Error::new("BadDigest", message));
        }
        kept.push((name.clone(), computed));
    }
    Ok(kept)
}

/// MD5 of a body.
pub fn md5(segments: &[Bytes]) -> [u8; 16] {
    let mut hash = Md5::new();
    segments.iter().for_each(|segment| hash.update(segment));
    hash.finalize().into()
}

/// SHA-256 of a body.
pub fn sha256(segments: &[Bytes]) -> [u8; 32] {
    let mut hash = Sha256::new();
    segments.iter().for_each(|segment| hash.update(segment));
    hash.finalize().into()
}

/// HMAC-SHA256, RFC 2104.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn crc32(algorithm: &'static Crc<u32, Table<16>>, segments: &[Bytes]) -> u32 {
    let mut digest = algorithm.digest();
    segments.iter().for_each(|segment| digest.update(segment));
    digest.finalize()
}
