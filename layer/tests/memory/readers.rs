//! Many readers at once, where memory is short: the readers, the driver and the kernel's cache share one limit.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

use crc::{CRC_32_CKSUM, Crc, Table};

use crate::full;
use crate::group::Group;
use crate::mounted::{Mounted, program};
use crate::support::s3::{Object, Server, generated};

const READERS: u64 = 64;
const LIMIT: u64 = 512 << 20;

/// What cksum(1) prints of the generated object: its CRC covers the length as well.
fn sum(seed: u64, bytes: u64) -> String {
    let crc = Crc::<u32, Table<16>>::new(&CRC_32_CKSUM);
    let mut digest = crc.digest();
    generated(seed, 0..bytes).iter().for_each(|part| digest.update(part));
    let length = bytes.to_le_bytes();
    let used = 8 - bytes.leading_zeros() as usize / 8;
    digest.update(&length[..used]);
    format!("{} {bytes}", digest.finalize())
}

#[test]
fn sixty_four_readers_fit_into_512_mib() {
    let bytes: u64 = if full() { 1 << 30 } else { 16 << 20 };
    let server = Server::start();
    server.store().bucket("b");
    // Different keys are different objects to the driver, whatever they hold.
    server.store().fill("b", (0..READERS).map(|n| format!("{n}")), Object::generated(5, bytes));
    let group = Group::new("readers", LIMIT);
    let mut mounted = Mounted::new("readers", group.command(&program()), &server);
    let begin = Instant::now();
    let readers: Vec<Child> = (0..READERS)
        .map(|n| {
            let mut command = group.command(Path::new("cksum"));
            command.arg(mounted.path().join("b").join(n.to_string())).stdout(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let want = sum(5, bytes);
    for reader in readers {
        let output = reader.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && text.starts_with(&want),
            "{}: {text:?}, not {want:?}",
            output.status
        );
    }
    let seconds = begin.elapsed().as_secs_f64();
    assert!(mounted.is_running());
    assert_eq!(group.killed(), 0);
    let (driver, all) = (mounted.memory("VmHWM"), group.peak());
    // The log keeps the last 50 000 requests; those of a full run are more.
    let fetched: u64 = server.log().entries().iter().map(|entry| entry.bytes_out).sum();
    println!(
        "{READERS} readers of {} MiB in {} MiB: {seconds:.1} s, {:.0} MB/s; the driver took {} MiB at most, \
         all together {} MiB; {} MiB in the log of what was fetched",
        bytes >> 20,
        LIMIT >> 20,
        (READERS * bytes) as f64 / 1e6 / seconds,
        driver >> 20,
        all >> 20,
        fetched >> 20
    );
    // A quarter for data, and what the program, its connections and answers under way take beside it.
    assert!(driver <= LIMIT / 4 + (64 << 20), "{} MiB", driver >> 20);
    // Where memory is short some of what was read ahead is dropped and asked for again; most of it is not.
    let most = READERS * bytes / 2 * 3;
    assert!(fetched <= most, "{} MiB were fetched to read {} MiB", fetched >> 20, (READERS * bytes) >> 20);
}
