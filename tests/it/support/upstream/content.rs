//! What a body is made of: bytes in memory, or bytes that are made when they are needed.

use bytes::Bytes;
use std::ops::Range;
use wave_registry::oci::{Algorithm, Digest, Digester};

/// Bytes made at a time.
const PIECE: usize = 64 * 1024;

/// A blob of any size that is never held: the same seed gives the same bytes at the same offset.
#[derive(Clone, Copy, Debug)]
pub struct Blob {
    pub seed: u64,
    pub size: u64,
    pub digest: Digest,
}

impl Blob {
    /// Its digest is computed here, once, piece by piece.
    pub fn random(seed: u64, size: u64) -> Blob {
        let mut digester = Digester::new(Algorithm::Sha256).expect("sha256 can be computed");
        let (mut buffer, mut at) = (vec![0; PIECE], 0);
        while at < size {
            let piece = &mut buffer[..PIECE.min((size - at) as usize)];
            fill(seed, at, piece);
            digester.update(piece);
            at += piece.len() as u64;
        }
        Blob { seed, size, digest: digester.finish() }
    }

    /// The bytes of `range`, which has to be small enough to be held.
    pub fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        Content::from(*self).read(range)
    }
}

/// Bytes by offset.
#[derive(Clone, Debug)]
pub enum Content {
    Held(Bytes),
    Made(Blob),
}

/// Bytes that look random: the same for the same seed, and no two pieces of them are the same.
pub fn noise(size: usize, seed: u64) -> Bytes {
    let mut content = vec![0; size];
    fill(seed, 0, &mut content);
    content.into()
}

impl Content {
    pub fn len(&self) -> u64 {
        match self {
            Content::Held(bytes) => bytes.len() as u64,
            Content::Made(blob) => blob.size,
        }
    }

    pub fn read(&self, Range { start, end }: Range<u64>) -> Vec<u8> {
        assert!(start <= end && end <= self.len(), "{start}..{end} of {}", self.len());
        match self {
            Content::Held(bytes) => bytes[start as usize..end as usize].to_vec(),
            Content::Made(blob) => {
                let mut buffer = vec![0; (end - start) as usize];
                fill(blob.seed, start, &mut buffer);
                buffer
            }
        }
    }

    pub fn digest(&self) -> Digest {
        match self {
            Content::Held(bytes) => Digest::sha256(bytes),
            Content::Made(blob) => blob.digest,
        }
    }
}

impl From<Blob> for Content {
    fn from(blob: Blob) -> Content {
        Content::Made(blob)
    }
}

impl<B: Into<Bytes>> From<B> for Content {
    fn from(bytes: B) -> Content {
        Content::Held(bytes.into())
    }
}

/// Eight bytes at a time, each word by its place alone (splitmix64).
fn fill(seed: u64, at: u64, buffer: &mut [u8]) {
    let (mut word, skip) = (at / 8, (at % 8) as usize);
    let (head, rest) = buffer.split_at_mut(buffer.len().min((8 - skip) % 8));
    if !head.is_empty() {
        head.copy_from_slice(&mixed(seed, word)[skip..skip + head.len()]);
        word += 1;
    }
    for piece in rest.chunks_mut(8) {
        piece.copy_from_slice(&mixed(seed, word)[..piece.len()]);
        word += 1;
    }
}

fn mixed(seed: u64, word: u64) -> [u8; 8] {
    let mut z = seed.wrapping_add(word.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).to_le_bytes()
}
