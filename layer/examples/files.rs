//! What a shell does with files, for an image that has none: the whole content of the smallest image with the mount.
//!
//! ```text
//! files STEP [, STEP]...
//!
//! list DIR          sizes and names            mkdir DIR
//! sum FILE          SHA-256 and name           write FILE LINE    makes the file
//! cat FILE          content                    append FILE LINE   at its end
//! move FILE TO                                 count FILE LAST    the numbers from 1, one a line
//! link TARGET NAME  a symbolic link            exit CODE
//!                                              kill               by SIGKILL
//! ```
//!
//! The first step that fails ends it with code 1.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;

use rustix::process::{Signal, getpid, kill_process};
use sha2::{Digest, Sha256};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    for step in words.split(|word| word == ",") {
        match run(step) {
            Ok(None) => {}
            Ok(Some(code)) => return code.into(),
            Err(error) => {
                eprintln!("files: {}: {error}", step.join(" "));
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// One step, and the code of the one that ends the program.
fn run(step: &[String]) -> io::Result<Option<u8>> {
    let words: Vec<&str> = step.iter().map(String::as_str).collect();
    match words[..] {
        ["list", folder] => list(folder)?,
        ["sum", file] => println!("{}  {file}", sum(file)?),
        ["cat", file] => _ = io::copy(&mut File::open(file)?, &mut io::stdout())?,
        ["mkdir", folder] => fs::create_dir(folder)?,
        ["write", file, line] => write(File::create(file)?, line)?,
        ["append", file, line] => write(File::options().append(true).open(file)?, line)?,
        ["count", file, last] => count(file, last.parse().map_err(io::Error::other)?)?,
        ["move", file, to] => fs::rename(file, to)?,
        ["link", target, name] => std::os::unix::fs::symlink(target, name)?,
        ["exit", code] => return Ok(Some(code.parse().map_err(io::Error::other)?)),
        ["kill"] => kill_process(getpid(), Signal::KILL)?,
        _ => return Err(io::Error::other("there is no such step")),
    }
    Ok(None)
}

fn list(folder: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        println!("{} {}", entry.metadata()?.len(), entry.file_name().display());
    }
    Ok(())
}

fn sum(file: &str) -> io::Result<String> {
    let (mut file, mut digest, mut block) = (File::open(file)?, Sha256::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut block)? {
            0 => break,
            bytes => digest.update(&block[..bytes]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write(mut file: File, line: &str) -> io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())
}

fn count(file: &str, last: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 17, File::create(file)?);
    (1..=last).try_for_each(|number| writeln!(file, "{number}"))?;
    file.flush()
}
