//! The program for arm64, on whatever machine this is: Linux of that processor is played by qemu.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::rootfs::{COMPRESSED, LARGEST, build, compressed};
use crate::support::{Outcome, bare};

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build("aarch64-unknown-linux-musl").join("opt/fusion/entry.sh"))
}

/// The program called `name`, on the processor it is for. What it executes is this machine's.
fn emulated<const N: usize>(name: &str, args: [&str; N]) -> Command {
    let mut command = bare("qemu-aarch64-static", ["-0", name]);
    command.arg(program()).args(args);
    command
}

#[test]
fn it_is_what_it_should_be() {
    let program = fs::read(program()).unwrap();
    // e_machine of ELF: EM_AARCH64 is 183.
    assert_eq!((&program[..5], &program[18..20]), (&b"\x7fELF\x02"[..], &183_u16.to_le_bytes()[..]));
    assert!(program.len() < LARGEST, "{} bytes", program.len());
    let compressed = compressed(self::program());
    assert!(compressed < COMPRESSED, "{compressed} bytes");
}

#[test]
fn it_runs() {
    let version = concat!("fusion ", env!("CARGO_PKG_VERSION"), "\n");
    Outcome::of(&mut emulated("/usr/bin/fusion", ["version"])).is(0, version);
    let mut echo = emulated("/opt/fusion/entry.sh", ["more", "words"]);
    Outcome::of(echo.env("WAVE_ENTRY_CHAIN", r#"["/bin/echo","two words"]"#)).is(0, "two words more words\n");
    Outcome::of(&mut emulated("/opt/fusion/entry.sh", ["absent"])).refuses(127, "not found in PATH");
}
