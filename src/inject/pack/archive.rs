//! The tar of a layer: ustar headers, pax records where ustar has no room (POSIX.1-2001, pax).

use super::tree::{Entry, Kind, Tree};
use super::{Failure, Progress};
use std::fs::File;
use std::io::{self, Read as _, Write};
use tar::{EntryType, Header};

const BLOCK: usize = 512;
const BUFFER: usize = 256 * 1024;
/// What eleven octal digits hold.
const USTAR_SIZE: u64 = (1 << 33) - 1;

/// Writes all of `tree`: owner 0:0 without names, time 0, modes as they are.
pub(super) fn write(tree: &Tree, out: &mut impl Write, progress: &mut dyn Progress) -> Result<(), Failure> {
    let mut buffer = vec![0; BUFFER];
    let mut done = 0;
    progress.advance(0, tree.total);
    for entry in &tree.entries {
        let io = |error| Failure::io(&entry.path, error);
        head(entry, out).map_err(io)?;
        let Kind::File(size) = entry.kind else { continue };
        let mut file = File::open(&entry.path).map_err(io)?.take(size);
        let mut left = size;
        while left > 0 {
            let count = file.read(&mut buffer).map_err(io)?;
            if count == 0 {
                return Err(Failure::new(&entry.path, "became shorter while it was packed"));
            }
            out.write_all(&buffer[..count]).map_err(io)?;
            left -= count as u64;
            done += count as u64;
            progress.advance(done, tree.total);
        }
        pad(size, out).map_err(io)?;
    }
    // Two zero blocks end an archive.
    out.write_all(&[0; 2 * BLOCK]).map_err(|error| Failure::new("layer".as_ref(), error.to_string()))?;
    progress.finish();
    Ok(())
}

fn head(entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    let (kind, size, target) = match &entry.kind {
        Kind::Directory => (EntryType::Directory, 0, None),
        Kind::File(size) => (EntryType::Regular, *size, None),
        Kind::Symlink(target) => (EntryType::Symlink, 0, Some(target)),
        Kind::Hardlink(target) => (EntryType::Link, 0, Some(target)),
    };
    let mut header = plain(kind, entry.mode);
    let mut records = Vec::new();
    if !entry.name.is_ascii() || header.set_path(&entry.name).is_err() {
        record(&mut records, "path", &entry.name);
        stand_in(&mut header, &entry.name);
    }
    if let Some(target) = target
        && (!target.is_ascii() || header.set_link_name_literal(target).is_err())
    {
        record(&mut records, "linkpath", target);
    }
    // A size that needs a record is written as 0 beside it: no reader has two sizes to choose from.
    if size > USTAR_SIZE {
        record(&mut records, "size", &size.to_string());
    } else {
        header.set_size(size);
    }
    if !records.is_empty() {
        let mut extended = plain(EntryType::XHeader, 0o644);
        stand_in(&mut extended, "PaxHeaders/entry");
        extended.set_size(records.len() as u64);
        extended.set_cksum();
        out.write_all(extended.as_bytes())?;
        out.write_all(&records)?;
        pad(records.len() as u64, out)?;
    }
    header.set_cksum();
    out.write_all(header.as_bytes())
}

fn plain(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

/// What readers without pax see: the end of the name, in ASCII.
fn stand_in(header: &mut Header, name: &str) {
    let ascii: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let tail = &ascii[ascii.len().saturating_sub(99)..];
    let field = &mut header.as_ustar_mut().expect("made as ustar").name;
    field.fill(0);
    let tail = tail.trim_start_matches('/');
    field[..tail.len()].copy_from_slice(tail.as_bytes());
}

/// `length key=value\n`, where the length counts itself.
fn record(records: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
}

fn pad(size: u64, out: &mut impl Write) -> io::Result<()> {
    let padding = (size.wrapping_neg() % BLOCK as u64) as usize;
    out.write_all(&[0; BLOCK][..padding])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for length in 1..1200 {
            let mut records = Vec::new();
            record(&mut records, "path", &"x".repeat(length));
            let text = String::from_utf8(records).unwrap();
            assert_eq!(text.split(' ').next().unwrap().parse::<usize>().unwrap(), text.len());
        }
    }

    #[test]
    fn a_huge_file_has_its_size_in_a_record() {
        let kind = Kind::File(USTAR_SIZE + 1);
        let entry = Entry { name: "big".into(), path: "big".into(), mode: 0o600, kind };
        let mut out = Vec::new();
        head(&entry, &mut out).unwrap();
        assert!(out[BLOCK..].starts_with(b"19 size=8589934592\n"));
        assert_eq!(Header::from_byte_slice(&out[2 * BLOCK..]).entry_size().unwrap(), 0);
    }
}
