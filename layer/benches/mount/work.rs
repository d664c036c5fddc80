//! What the drivers are made to do. Every work reads or writes the bucket of the [`Rig`] through a mount.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::measure::Figures;
use crate::rig::{BUCKET, Rig};
use crate::support::s3::generated;

/// Bytes of one read or write of a stream.
const CHUNK: u64 = 1 << 20;
/// Bytes of a random read.
const PIECE: u64 = 64 << 10;
/// The content of what is written.
const WRITTEN: u64 = 77;
/// Where it is written.
const OUT: &str = "out";

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    Sequential,
    Random,
    Random16,
    List,
    Find,
    Cat,
    Create,
    Write,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Random => "random",
            Self::Random16 => "random16",
            Self::List => "list",
            Self::Find => "find",
            Self::Cat => "cat",
            Self::Create => "create",
            Self::Write => "write",
        }
    }

    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Sequential => "one object of 2 GiB, 1 MiB at a time",
            Self::Random => "200 reads of 64 KiB, one after the other",
            Self::Random16 => "3200 reads of 64 KiB by 16 threads",
            Self::List => "ls -l of 10 000 objects",
            Self::Find => "find in 100 folders of 100 objects",
            Self::Cat => "cat of 500 objects of 1 KiB",
            Self::Create => "100 files of 3 bytes, written and closed",
            Self::Write => "one file of 512 MiB, written, synchronised and closed",
        }
    }
}

/// Does it once; `bucket` is the bucket as a folder. The clock is the caller's.
pub(crate) fn run(rig: &Rig, work: Work, bucket: &Path) -> Result<Figures, String> {
    match work {
        Work::Sequential => sequential(rig, bucket),
        Work::Random => random(rig, bucket, rig.count(200), 1),
        Work::Random16 => random(rig, bucket, rig.count(200), 16),
        Work::List => command(rig.count(10_000), "ls", &["-l"], &bucket.join("list")),
        Work::Find => command(rig.count(100) * 100, "find", &[], &bucket.join("tree")),
        Work::Cat => command(rig.count(500), "sh", &["-c", "exec cat \"$0\"/*"], &bucket.join("cat")),
        Work::Create => create(rig.count(100), bucket),
        Work::Write => write(rig.written_bytes(), bucket),
    }
}

/// Removes what an earlier run has written.
pub(crate) fn clean(rig: &Rig) {
    let store = rig.server.store();
    let written = store.keys(BUCKET).into_iter().filter(|key| key.starts_with(OUT));
    written.for_each(|key| {
        store.remove(BUCKET, &key);
    });
}

/// Whether what was written is on the server, whole.
pub(crate) fn verify(rig: &Rig, work: Work) -> Result<(), String> {
    let store = rig.server.store();
    let missing = |key: &str| format!("NOT ON THE SERVER when close(2) returned: {key}");
    match work {
        Work::Create => (0..rig.count(100)).map(created).try_for_each(|key| match store.get(BUCKET, &key) {
            Some(object) if object.bytes(0..object.len()) == "abc" => Ok(()),
            _ => Err(missing(&key)),
        }),
        Work::Write => {
            let bytes = rig.written_bytes();
            let object = store.get(BUCKET, OUT).filter(|object| object.len() == bytes);
            let object = object.ok_or_else(|| missing(OUT))?;
            let same = (0..bytes.div_ceil(CHUNK))
                .map(|n| n * CHUNK..((n + 1) * CHUNK).min(bytes))
                .all(|range| object.bytes(range.clone()) == generated(WRITTEN, range).concat());
            if same { Ok(()) } else { Err("OTHER BYTES on the server than were written".to_owned()) }
        }
        _ => Ok(()),
    }
}

fn said(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

fn sequential(rig: &Rig, bucket: &Path) -> Result<Figures, String> {
    let path = bucket.join("big");
    let mut file = File::open(&path).map_err(said(&path))?;
    let mut buffer = vec![0; CHUNK as usize];
    let mut at = 0;
    while at < rig.sequential_bytes() {
        let part = &mut buffer[..CHUNK.min(rig.sequential_bytes() - at) as usize];
        file.read_exact(part).map_err(said(&path))?;
        // One page of every chunk is enough to see that it is the right chunk.
        let page = 4096.min(part.len());
        if part[..page] != *generated(1, at..at + page as u64).concat() {
            return Err(format!("other bytes than the server's at {at}"));
        }
        at += part.len() as u64;
    }
    Ok(Figures { bytes: at, ..Figures::default() })
}

/// Every thread reads `count` pieces at places of its own.
fn random(rig: &Rig, bucket: &Path, count: u64, threads: u64) -> Result<Figures, String> {
    let path = bucket.join("big");
    let file = File::open(&path).map_err(said(&path))?;
    // An odd stride over a power of two visits every place once.
    let places = 1 << (rig.sequential_bytes() / PIECE).ilog2();
    let one = |thread: u64| -> Result<(), String> {
        let mut buffer = vec![0; PIECE as usize];
        for n in thread * count..(thread + 1) * count {
            let at = (n * 0x9e37_79b1 + 0x0123_4567) % places * PIECE;
            file.read_exact_at(&mut buffer, at).map_err(said(&path))?;
            if buffer != generated(1, at..at + PIECE).concat() {
                return Err(format!("other bytes than the server's at {at}"));
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("a reader does not panic"))
    })?;
    Ok(Figures { operations: count * threads, ..Figures::default() })
}

/// Runs a program over a folder; it has to print, and to do, something for each of `count` objects.
fn command(count: u64, program: &str, words: &[&str], folder: &Path) -> Result<Figures, String> {
    let (before, after) = if program == "find" { (&[][..], words) } else { (words, &[][..]) };
    let mut command = Command::new(program);
    command.args(before).arg(folder).args(after).stdin(Stdio::null());
    let output = command.output().map_err(said(Path::new(program)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program}: {}", said.lines().next().unwrap_or_default()));
    }
    let done = match program {
        "sh" => output.stdout.len() as u64 / 1024,
        _ => output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64,
    };
    if done < count {
        return Err(format!("{program}: {done} of {count} objects"));
    }
    Ok(Figures { operations: count, ..Figures::default() })
}

fn created(number: u64) -> String {
    format!("{OUT}/{number:03}")
}

fn create(count: u64, bucket: &Path) -> Result<Figures, String> {
    fs::create_dir(bucket.join(OUT)).map_err(said(&bucket.join(OUT)))?;
    for path in (0..count).map(|number| bucket.join(created(number))) {
        fs::write(&path, "abc").map_err(said(&path))?;
    }
    Ok(Figures { operations: count, ..Figures::default() })
}

fn write(bytes: u64, bucket: &Path) -> Result<Figures, String> {
    let path = bucket.join(OUT);
    let mut file = File::create(&path).map_err(said(&path))?;
    let parts = generated(WRITTEN, 0..bytes);
    parts.iter().try_for_each(|part| file.write_all(part)).map_err(said(&path))?;
    file.sync_all().map_err(said(&path))?;
    drop(file);
    Ok(Figures { bytes, ..Figures::default() })
}
