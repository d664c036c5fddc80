//! An object that two mounts overwrite while a third reads: a reader finds one version from its first byte to its
//! last, or `ESTALE`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::mount::{Mount, server};
use super::tools::size;
use crate::mounted::BUCKET;
use crate::support::s3::{Object, Op};

/// `errno` of a file whose object was replaced.
const ESTALE: i32 = 116;

/// Files that are overwritten in turn. The kernel asks for a name's newest version once a second, so one file alone
/// would hardly be read while it changes.
const FILES: u64 = 5;

/// Words of the longest version: several requests of the driver, and more than the kernel reads ahead.
const WORDS: u64 = 400_000;

/// Bytes of the shortest version.
const LEAST: u64 = (WORDS - 999) * 8;

/// Bytes that are read first.
const TAIL: usize = 4096;

/// A version: its number again and again, and a length that tells it as well.
fn version(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat((WORDS - number % 1000) as usize)
}

/// The version that these bytes are, from beginning to end.
fn identify(bytes: &[u8]) -> Result<u64, String> {
    let first = bytes.first_chunk().copied().map(u64::from_le_bytes).ok_or("it is empty")?;
    let expected = version(first);
    if bytes == expected {
        return Ok(first);
    }
    let differs = bytes.iter().zip(&expected).position(|(found, expected)| found != expected);
    Err(format!("begins as {first}, has {} bytes of {}, differs at {differs:?}", bytes.len(), expected.len()))
}

/// Reads a file: its end first, then `meanwhile` happens, then all of it from the beginning.
fn read(path: &Path, meanwhile: impl FnOnce()) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len().saturating_sub(TAIL as u64);
    let mut tail = vec![0; TAIL];
    file.read_exact_at(&mut tail, end)?;
    meanwhile();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    assert!(bytes.ends_with(&tail), "the end has changed since the file was opened");
    Ok(bytes)
}

#[test]
fn readers_see_one_version_or_estale_while_two_mounts_overwrite() {
    let server = server();
    // Some in a row go to the same file, so that it is opened again while the kernel still ends the last handle.
    let file_of = |number: u64| number / 4 % FILES;
    let name = |number: u64| file_of(number).to_string();
    let first = 4 * FILES;
    for number in (0..first).step_by(4) {
        server.store().put(BUCKET, &name(number), Object::of(version(number)));
    }
    let last = first + size("FUSION_OVERWRITES", 300);
    let mounts = [Mount::of(&server), Mount::of(&server), Mount::of(&server)];
    let [writer, other, reader] = mounts.each_ref().map(Mount::bucket);
    let begun = AtomicU64::new(first);
    let (mut seen, mut stale) = (HashSet::new(), 0);
    thread::scope(|scope| {
        let writers = [writer, other].map(|folder| {
            let begun = &begun;
            scope.spawn(move || {
                loop {
                    let number = begun.fetch_add(1, Ordering::SeqCst);
                    if number >= last {
                        break;
                    }
                    match fs::write(folder.join(name(number)), version(number)) {
                        // The other one was faster.
                        Err(error) if error.raw_os_error() == Some(ESTALE) => (),
                        result => result.unwrap_or_else(|error| panic!("version {number}: {error}")),
                    }
                }
            })
        });
        let finished = || writers.iter().all(|writer| writer.is_finished());
        for (round, file) in (0..FILES).cycle().enumerate() {
            if finished() {
                break;
            }
            // Every other time until the file was overwritten by both, so that the rest is of a version that has gone.
            let enough = begun.load(Ordering::SeqCst) + 8 * FILES * (round as u64 % 2);
            let meanwhile = || {
                while begun.load(Ordering::SeqCst) < enough && !finished() {
                    thread::park_timeout(Duration::from_millis(1));
                }
            };
            match read(&reader.join(file.to_string()), meanwhile) {
                Ok(bytes) => {
                    let number = identify(&bytes).unwrap_or_else(|torn| panic!("torn: {torn}"));
                    let begun = begun.load(Ordering::SeqCst);
                    assert!(
                        number < begun && file_of(number) == file,
                        "{number} in {file}, {begun} are begun"
                    );
                    seen.insert(number);
                }
                Err(error) if error.raw_os_error() == Some(ESTALE) => stale += 1,
                Err(error) => panic!("neither a version nor ESTALE: {error}"),
            }
        }
    });
    mounts.into_iter().for_each(Mount::end);
    let entries = server.log().entries();
    let torn = entries.iter().find(|entry| entry.op == Op::PutObject && entry.bytes_in < LEAST);
    assert!(torn.is_none(), "half a file was uploaded: {torn:?}");
    for file in 0..FILES {
        let number = identify(&server.store().body(BUCKET, &file.to_string()).expect("it is there"));
        assert!(number.as_ref().is_ok_and(|&number| file_of(number) == file), "{file} ends as {number:?}");
    }
    assert!(seen.len() as u64 >= FILES && stale > 0, "{stale} reads met an overwrite; seen was {seen:?}");
}
