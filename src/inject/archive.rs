//! Is a stream of bytes a tar archive? Follows the entries without keeping any.

use super::refusal::Refusal;
use tar::{EntryType, Header};

const BLOCK: usize = 512;
/// Extended headers hold a few names; what is larger is no layer anybody made in earnest.
const EXTENDED_LIMIT: u64 = 1 << 20;

/// The shape of a tar archive (POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU long names), checked as it passes: every
/// header has its checksum, every entry its content, and only zeros follow the end. Like the readers of container
/// runtimes it takes the end of the stream between two entries for the end of the archive.
pub(super) struct Archive {
    state: State,
    block: [u8; BLOCK],
    filled: usize,
    at: u64,
    /// Records of a pax header, while its content passes and until the entry it belongs to.
    records: Option<Vec<u8>>,
}

enum State {
    Header,
    /// Content that is left, and the padding behind it.
    Content(u64, u64),
    Extended(u64, u64),
    End,
}

impl Archive {
    pub(super) fn new() -> Archive {
        Archive { state: State::Header, block: [0; BLOCK], filled: 0, at: 0, records: None }
    }

    /// Takes in the next bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Content(left, padding) => skip(left, padding, bytes.len()),
                State::Extended(left, padding) => {
                    let content = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let records = self.records.get_or_insert_default();
                    records.extend_from_slice(&bytes[..content]);
                    skip(left, padding, bytes.len())
                }
                State::End if bytes.iter().all(|&byte| byte == 0) => bytes.len(),
                State::End => return Err(Refusal::BehindArchive),
                State::Header => {
                    let taken = bytes.len().min(BLOCK - self.filled);
                    self.block[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
                    self.filled += taken;
                    taken
                }
            };
            self.at += taken as u64;
            bytes = &bytes[taken..];
            match self.state {
                State::Content(0, 0) | State::Extended(0, 0) => self.state = State::Header,
                State::Header if self.filled == BLOCK => {
                    self.filled = 0;
                    self.state = self.header()?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The stream has ended.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.state {
            _ if self.at == 0 => Err(Refusal::NotTar),
            State::End => Ok(()),
            State::Header if self.filled == 0 && self.records.is_none() => Ok(()),
            State::Header if self.at < BLOCK as u64 => Err(Refusal::NotTar),
            _ => Err(Refusal::CutOff),
        }
    }

    fn header(&mut self) -> Result<State, Refusal> {
        let start = self.at - BLOCK as u64;
        let damaged = if start == 0 { Refusal::NotTar } else { Refusal::Damaged(start) };
        if self.block.iter().all(|&byte| byte == 0) {
            return Ok(State::End);
        }
        let header = Header::from_byte_slice(&self.block);
        if !header.cksum().is_ok_and(|sum| sums(&self.block).contains(&sum)) {
            return Err(damaged);
        }
        let Ok(stated) = header.entry_size() else { return Err(damaged) };
        let padding = |size: u64| size.wrapping_neg() % BLOCK as u64;
        match header.entry_type() {
            EntryType::XHeader if stated > EXTENDED_LIMIT => Err(damaged),
            EntryType::XHeader => {
                self.records = Some(Vec::new());
                Ok(some_content(State::Extended(stated, padding(stated))))
            }
            // The records of the entry that comes stay; these describe the archive or a long name.
            EntryType::XGlobalHeader | EntryType::GNULongName | EntryType::GNULongLink => {
                Ok(some_content(State::Content(stated, padding(stated))))
            }
            EntryType::GNUSparse => Err(Refusal::Sparse),
            kind => {
                let records = self.records.take().unwrap_or_default();
                let size = match size_record(&records) {
                    // Two readers could see two archives.
                    Some(size) if stated != 0 && stated != size => return Err(damaged),
                    Some(size) => size,
                    None => stated,
                };
                let size = if is_header_only(kind) { 0 } else { size };
                Ok(some_content(State::Content(size, padding(size))))
            }
        }
    }
}

fn some_content(state: State) -> State {
    match state {
        State::Content(0, 0) | State::Extended(0, 0) => State::Header,
        state => state,
    }
}

fn skip(left: &mut u64, padding: &mut u64, available: usize) -> usize {
    let content = (*left).min(available as u64);
    let behind = (*padding).min(available as u64 - content);
    *left -= content;
    *padding -= behind;
    (content + behind) as usize
}

/// Entries without content, whatever their size field says.
fn is_header_only(kind: EntryType) -> bool {
    kind.is_hard_link()
        || kind.is_symlink()
        || kind.is_dir()
        || kind.is_character_special()
        || kind.is_block_special()
        || kind.is_fifo()
}

/// The checksum of a header, as the standard has it and as old writers with signed characters had it.
fn sums(block: &[u8; BLOCK]) -> [u32; 2] {
    let byte = |index: usize| if (148..156).contains(&index) { b' ' } else { block[index] };
    let unsigned: u32 = (0..BLOCK).map(|index| u32::from(byte(index))).sum();
    let signed: i32 = (0..BLOCK).map(|index| i32::from(byte(index) as i8)).sum();
    [unsigned, signed as u32]
}

/// `size` among pax records, each `length key=value\n`.
fn size_record(records: &[u8]) -> Option<u64> {
    tar::PaxExtensions::new(records)
        .filter_map(Result::ok)
        .filter(|record| record.key_bytes() == b"size")
        .last()
        .and_then(|record| record.value().ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &[u8]) -> Result<(), Refusal> {
        let whole = verdict(content, content.len().max(1));
        assert_eq!(whole, verdict(content, 1), "the pieces a stream comes in do not matter");
        whole
    }

    fn verdict(content: &[u8], piece: usize) -> Result<(), Refusal> {
        let mut archive = Archive::new();
        content.chunks(piece).try_for_each(|bytes| archive.update(bytes))?;
        archive.finish()
    }

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in [("a", "hello".to_string()), (&*"long/".repeat(40), "x".repeat(700))] {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, format!("{name}x"), content.as_bytes()).unwrap();
        }
        builder.append_pax_extensions([("size", &b"3"[..])]).unwrap();
        let mut header = Header::new_ustar();
        header.set_size(3);
        builder.append_data(&mut header, "pax", &b"abc"[..]).unwrap();
        let mut link = Header::new_ustar();
        link.set_entry_type(EntryType::Link);
        // A hard link has no content although its size field says so.
        link.set_size(5);
        link.set_link_name("a").unwrap();
        link.set_path("b").unwrap();
        link.set_cksum();
        builder.append(&link, &b""[..]).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn archives_and_others() {
        let tar = archive();
        assert_eq!(check(&tar), Ok(()));
        assert_eq!(check(&[tar.clone(), vec![0; 9000]].concat()), Ok(()));
        assert_eq!(check(&tar[..tar.len() - 1024]), Ok(()));
        assert_eq!(check(&[tar.clone(), b"x".to_vec()].concat()), Err(Refusal::BehindArchive));
        assert_eq!(check(&tar[..515]), Err(Refusal::CutOff));
        assert_eq!(check(&tar[..1024 + 100]), Err(Refusal::CutOff));
        assert_eq!(check(b""), Err(Refusal::NotTar));
        assert_eq!(check(b"Hello world"), Err(Refusal::NotTar));
        assert_eq!(check(&[b'x'; 4096]), Err(Refusal::NotTar));
        assert_eq!(check(&[0; 1024]), Ok(()));
        let mut damaged = tar.clone();
        damaged[1024] ^= 1;
        assert_eq!(check(&damaged), Err(Refusal::Damaged(1024)));
    }

    #[test]
    fn a_size_has_one_meaning() {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions([("size", &b"1024"[..])]).unwrap();
        let mut header = Header::new_ustar();
        header.set_size(3);
        builder.append_data(&mut header, "x", &b"abc"[..]).unwrap();
        assert!(matches!(check(&builder.into_inner().unwrap()), Err(Refusal::Damaged(_))));
    }

    #[test]
    fn sparse_files_are_refused() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_size(0);
        header.set_cksum();
        assert_eq!(check(header.as_bytes()), Err(Refusal::Sparse));
    }
}
