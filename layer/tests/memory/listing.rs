//! A folder of very many keys.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::full;
use crate::mounted::{Mounted, program};
use crate::support::s3::{Object, Op, Server};

/// Most bytes for one name the kernel knows.
const ENTRY: u64 = 300;

fn keys() -> u64 {
    if full() { 1_000_000 } else { 200_000 }
}

fn served() -> Server {
    let server = Server::start();
    server.store().bucket("b");
    let names = (0..keys()).map(|number| format!("many/sample_{number:07}.fastq.gz"));
    server.store().fill("b", names, Object::generated(3, 1000));
    server
}

/// With a budget that keeps little of a listing, so that what is measured is what every entry takes.
fn mounted(name: &str, server: &Server) -> Mounted {
    let mut command = Command::new(program());
    command.env("FUSION_MEMORY", "64M");
    Mounted::new(name, command, server)
}

#[test]
fn names_stream_in_bounded_memory() {
    let server = served();
    let mounted = mounted("names", &server);
    let before = mounted.memory("VmRSS");
    let begin = Instant::now();
    let mut names = fs::read_dir(mounted.path().join("b/many")).unwrap();
    names.next().unwrap().unwrap();
    let (first, pages) = (begin.elapsed(), server.log().count(Op::ListObjects));
    let rest = names.fold(0, |count, name| name.map(|_| count + 1).unwrap());
    let all = begin.elapsed();
    assert_eq!(rest + 1, keys());
    assert_eq!(server.log().count(Op::HeadObject), 1, "the lookup of the folder, and nothing for its names");
    let grown = mounted.memory("VmHWM") - before;
    println!(
        "{} names: the first after {} ms and {pages} lists, all after {} ms; {} KiB more memory at most",
        keys(),
        first.as_millis(),
        all.as_millis(),
        grown >> 10
    );
    assert!(pages <= 4, "{pages} lists before the first name");
    // Listings that are kept are bounded, whatever the folder.
    assert!(grown <= 48 << 20, "{} MiB", grown >> 20);
}

#[test]
fn an_entry_takes_less_than_300_bytes() {
    let server = served();
    let mounted = mounted("entries", &server);
    let before = mounted.memory("VmRSS");
    let begin = Instant::now();
    let output = Command::new("ls").arg("-lU").arg(mounted.path().join("b/many")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(lines, keys() + 1);
    let grown = mounted.memory("VmRSS") - before;
    println!(
        "{} entries: {} ms, {} lists, {} bytes an entry",
        keys(),
        begin.elapsed().as_millis(),
        server.log().count(Op::ListObjects),
        grown / keys()
    );
    // What a folder of any size takes, pages of listings above all, is not the entries'.
    let fixed = if full() { 0 } else { 16 << 20 };
    assert!(grown <= ENTRY * keys() + fixed, "{} bytes an entry", grown / keys());
}
