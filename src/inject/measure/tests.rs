use super::*;
use crate::inject::testing::{gzip, layer_of, tar_of, zstd};
use crate::scratch::Scratch;

#[test]
fn every_compression_is_measured() {
    let tar = tar_of("foo.txt", b"hello");
    let want = Digest::sha256(&tar);
    for (content, compression) in [
        (tar.clone(), Compression::None),
        (gzip(&tar), Compression::Gzip),
        (zstd(&tar), Compression::Zstd),
        ([gzip(&tar[..700]), gzip(&tar[700..])].concat(), Compression::Gzip),
        ([zstd(&tar[..700]), zstd(&tar[700..])].concat(), Compression::Zstd),
        ([&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2][..], &zstd(&tar)].concat(), Compression::Zstd),
    ] {
        let measured = bytes(&content).unwrap();
        assert_eq!((measured.diff_id, measured.compression), (want, compression));
        assert_eq!((measured.digest, measured.size), (Digest::sha256(&content), content.len() as u64));
    }
}

#[test]
fn what_is_no_layer_is_refused_with_the_reason() {
    let tar = tar_of("foo.txt", b"hello");
    let good = gzip(&tar);
    let check = |content: &[u8], want: &str| {
        let said = bytes(content).unwrap_err().to_string();
        assert!(said.starts_with(want), "{said}");
    };
    check(b"", "is not a tar archive");
    check(b"Hello world", "is not a tar archive");
    check(&gzip(b"Hello world"), "is not a tar archive");
    check(&[&good[..], b"junk"].concat(), "has trailing garbage behind its compressed content");
    check(&[&good[..], &zstd(&tar)].concat(), "has trailing garbage behind its compressed content");
    check(&gzip(&[&tar[..], b"junk"].concat()), "has trailing garbage behind its tar archive");
    check(&good[..good.len() - 3], "is cut off");
    check(&good[..good.len() / 2], "is cut off");
    let mut wrong = good.clone();
    let sum = wrong.len() - 8;
    wrong[sum] ^= 1;
    check(&wrong, "cannot be decompressed: ");
    check(&zstd(&tar)[..20], "is cut off");
}

#[test]
fn a_bomb_is_cut() {
    let tar = tar_of("zeros", &vec![0; 80 << 20]);
    let bomb = zstd(&tar);
    assert!(bomb.len() < 100 << 10);
    assert_eq!(bytes(&bomb), Err(Refusal::TooLarge((64 << 20) + 200 * bomb.len() as u64)));
}

#[test]
fn an_inline_layer_inflates_to_a_gibibyte_at_most_whatever_its_size() {
    let mut header = tar::Header::new_gnu();
    header.set_size(2 << 30);
    header.set_path("zeros").unwrap();
    header.set_cksum();
    let skipped: u32 = 8 << 20;
    let padding =
        [&[0x50, 0x2a, 0x4d, 0x18][..], &skipped.to_le_bytes(), &vec![0; skipped as usize]].concat();
    let zeros = zstd(&vec![0; 64 << 20]);
    let content = [zstd(header.as_bytes()), padding, zeros.repeat(17)].concat();
    assert_eq!(bytes(&content), Err(Refusal::TooLarge(1 << 30)));
    assert!(decode::limit(content.len() as u64) > 1 << 30);
}

#[test]
fn promises_are_compared() {
    let (content, layer) = layer_of("foo.txt", b"hello");
    let measured = bytes(&content).unwrap();
    measured.keeps(&layer).unwrap();
    let other = Digest::sha256("other");
    let refused = |layer: Layer| measured.keeps(&layer).unwrap_err();
    assert_eq!(refused(Layer { size: 100, ..layer.clone() }), Refusal::Size(100, content.len() as u64));
    assert_eq!(refused(Layer { digest: other, ..layer.clone() }), Refusal::digest(other, layer.digest));
    assert_eq!(refused(Layer { diff_id: other, ..layer.clone() }), Refusal::diff_id(other, layer.diff_id));
    let zstd = Layer { compression: Compression::Zstd, ..layer };
    assert_eq!(refused(zstd).to_string(), "is compressed with gzip, not compressed with zstd");
}

#[test]
fn files_are_measured_and_their_errors_kept_apart() {
    let scratch = Scratch::new();
    let (content, layer) = layer_of("foo.txt", b"hello");
    let path = scratch.write("layer", &content);
    file(&path).unwrap().unwrap().keeps(&layer).unwrap();
    assert_eq!(file(&scratch.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(file(scratch.path()).is_err());
}
