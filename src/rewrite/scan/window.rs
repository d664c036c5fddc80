//! Many bytes at a time. Written so that compilers make vector instructions of it: comparisons are the least of
//! differences, and end with a subtraction that stops at zero.

use crate::rewrite::steps;

/// So many bytes make one word of marks.
pub(super) const WINDOW: usize = 64;
/// So many are compared together.
const BLOCK: usize = 16;

/// A bit for each of the `WINDOW` bytes from `at` that is a quote, a backslash, a control character or not ASCII, the
/// first one lowest; none behind the end. There must be a byte at `at`, and as many as a window has in all.
#[inline(always)]
pub(super) fn marks(bytes: &[u8], at: usize) -> u64 {
    let start = at.min(bytes.len() - WINDOW);
    let window = bytes[start..].first_chunk().expect("the last window ends where the document does");
    in_window(window) >> (at - start)
}

#[inline(always)]
fn in_window(window: &[u8; WINDOW]) -> u64 {
    steps::count(WINDOW / BLOCK);
    let (blocks, _) = window.as_chunks::<BLOCK>();
    let mut marks = 0;
    for (place, block) in blocks.iter().enumerate() {
        let [low, high] = halves(equal(block, |byte| {
            // Where what is not ASCII comes first, plain bytes come last.
            let other = (byte ^ 0x80).saturating_sub(0x80 + b' ' - 1);
            (byte ^ b'"').min(byte ^ b'\\').min(other)
        }));
        marks |= (bits(low) | bits(high) << 8) << (place * BLOCK);
    }
    marks
}

/// The place behind white space (RFC 8259, 2).
pub(super) fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        steps::count(1);
        let blanks = equal(block, |byte| (byte ^ b' ').min(byte ^ b'\n').min(byte ^ b'\t').min(byte ^ b'\r'));
        let [low, high] = halves(blanks).map(|half| (half ^ ONES).trailing_zeros() as usize / 8);
        let blank = if low < 8 { low } else { 8 + high };
        at += blank;
        if blank < BLOCK {
            return at;
        }
    }
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(at) {
        steps::count(1);
        at += 1;
    }
    at
}

/// One for each byte that makes no difference.
#[inline(always)]
fn equal(block: &[u8; BLOCK], difference: impl Fn(u8) -> u8) -> [u8; BLOCK] {
    let mut ones = [0; BLOCK];
    for (one, byte) in ones.iter_mut().zip(block) {
        *one = 1_u8.saturating_sub(difference(*byte));
    }
    ones
}

#[inline(always)]
fn halves(block: [u8; BLOCK]) -> [u64; 2] {
    let whole = u128::from_le_bytes(block);
    [whole as u64, (whole >> 64) as u64]
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// The eight bytes, each zero or one, as bits: byte `i` is brought to bit `56 + i`, and no two others to one place.
#[inline(always)]
fn bits(bytes: u64) -> u64 {
    bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place, behind and in front of all that may be there.
    #[test]
    fn every_byte_is_judged_as_one_by_one() {
        let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | ..0x20 | 0x80..);
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        let check = |bytes: &[u8]| {
            for at in [0, 15, bytes.len() - 1] {
                let want = bytes[at..].iter().take(WINDOW).enumerate();
                let want = want.fold(0, |bits, (place, byte)| bits | u64::from(!is_plain(byte)) << place);
                assert_eq!(marks(bytes, at), want, "{bytes:?}");
                assert_eq!(
                    space(bytes, at),
                    at + bytes[at..].iter().take_while(|byte| is_blank(byte)).count()
                );
            }
        };
        for byte in 0..=u8::MAX {
            for place in (0..20).chain([31, 32, 70]) {
                for front in *b"x \r" {
                    let mut bytes = [front; 90];
                    bytes[place] = byte;
                    check(&bytes);
                    for behind in [b'!', b'"', b'#'] {
                        bytes[place + 1..].fill(behind);
                        check(&bytes);
                        check(&bytes[..place.max(62) + 2]);
                    }
                }
            }
        }
    }
}
