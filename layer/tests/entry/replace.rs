//! As any PID but 1: the command takes our place.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;

use crate::support::{Outcome, bare, entry, entry_sh, link_to};

#[test]
fn the_exit_code_is_the_commands() {
    for code in [0, 7, 255] {
        Outcome::of(&mut entry(["sh", "-c", &format!("exit {code}")])).is(code, "");
    }
    assert_eq!(entry(["sh", "-c", "kill -KILL $$"]).status().unwrap().signal(), Some(9));
}

#[test]
fn the_pid_stays() {
    let child = entry(["sh", "-c", "echo $$"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{pid}\n"));
}

#[test]
fn the_chain_is_one_word_or_an_array() {
    let printf = r"printf";
    Outcome::of(entry(["%s|", "a b", ""]).env("WAVE_ENTRY_CHAIN", printf)).is(0, "a b||");
    let array = r#"["printf","%s|","it's \"x\"","\u00e9"]"#;
    Outcome::of(entry(["last"]).env("WAVE_ENTRY_CHAIN", array)).is(0, "it's \"x\"|\u{e9}|last|");
    Outcome::of(entry(["printf", "x"]).env("WAVE_ENTRY_CHAIN", "[]")).is(0, "x");
    Outcome::of(entry(["printf", "x"]).env("WAVE_ENTRY_CHAIN", "")).is(0, "x");
}

#[test]
fn a_word_in_brackets_that_is_no_array_is_a_program() {
    let folder = link_to("/usr/bin/printf", "[1]");
    let path = folder.parent().unwrap();
    Outcome::of(entry(["x"]).env("WAVE_ENTRY_CHAIN", "[1]").env("PATH", path)).is(0, "x");
}

#[test]
fn the_command_sees_the_environment_without_the_chain() {
    let mut command = entry([]);
    command
        .env("WAVE_ENTRY_CHAIN", "/usr/bin/env")
        .env("WAVE_DEBUG", "")
        .env("A", "b=c\nd")
        .env("PATH", "/bin");
    Outcome::of(&mut command).is(0, "A=b=c\nd\nPATH=/bin\nWAVE_DEBUG=\n");
}

#[test]
fn an_empty_environment_stays_empty_and_has_a_path() {
    Outcome::of(entry(["env"]).env_clear()).is(0, "");
}

#[test]
fn words_may_be_any_bytes() {
    let word = OsStr::from_bytes(b"\xff\xfe");
    let output = entry(["printf", "%s"]).arg(word).output().unwrap();
    assert_eq!(output.stdout, word.as_bytes());
    let output = entry(["printenv", "X"]).env("X", word).output().unwrap();
    assert_eq!(output.stdout, b"\xff\xfe\n");
}

#[test]
fn the_command_has_the_name_it_was_called_by() {
    Outcome::of(&mut entry(["sh", "-c", "tr '\\0' ' ' </proc/$$/cmdline; :"]))
        .is(0, "sh -c tr '\\0' ' ' </proc/$$/cmdline; : ");
}

/// SIGPIPE as well, which Rust's start-up code ignores.
#[test]
fn signals_are_as_we_inherited_them() {
    let script = r#"trap '' HUP; exec "$@" grep '^Sig[BI]' /proc/self/status"#;
    let direct = Outcome::of(&mut bare("sh", ["-c", script, "sh", "env"]));
    let through_us = Outcome::of(&mut bare("sh", ["-c", script, "sh", entry_sh().to_str().unwrap()]));
    assert_eq!(direct.code, Some(0), "{direct:?}");
    assert_eq!(direct.stdout, through_us.stdout);
}

#[test]
fn a_chain_that_is_ourselves_is_skipped() {
    let me = entry_sh().to_str().unwrap();
    Outcome::of(entry(["printf", "x"]).env("WAVE_ENTRY_CHAIN", me)).is(0, "x");
    let array = format!(r#"["{me}","printf","%s|"]"#);
    Outcome::of(entry(["x"]).env("WAVE_ENTRY_CHAIN", array)).is(0, "x|");
    let folder = entry_sh().parent().unwrap();
    let by_path = format!("{}:/usr/bin", folder.display());
    Outcome::of(entry(["printf", "x"]).env("WAVE_ENTRY_CHAIN", "entry.sh").env("PATH", by_path)).is(0, "x");
    Outcome::of(entry([]).env("WAVE_ENTRY_CHAIN", me)).refuses(127, "nothing to run");
}

#[test]
fn debug_tells_the_steps_and_no_secret() {
    let mut command = entry(["hunter3"]);
    command.env("WAVE_DEBUG", "1").env("WAVE_ENTRY_CHAIN", r#"["printf","hunter2%s"]"#).env("KEY", "hunter4");
    let outcome = Outcome::of(&mut command);
    outcome.is(0, "hunter2hunter3");
    assert!(outcome.stderr.lines().all(|line| line.starts_with("[fusion] ")), "{outcome:?}");
    assert!(outcome.stderr.contains(r#"entry chain "printf" + 1 words"#), "{outcome:?}");
    assert!(outcome.stderr.contains(r#"replaced by "printf""#), "{outcome:?}");
    assert!(!outcome.stderr.contains("hunter"), "{outcome:?}");
}

#[test]
fn nothing_is_said_without_debug() {
    assert_eq!(Outcome::of(&mut entry(["true"])).stderr, "");
}

#[test]
fn version() {
    let fusion = link_to(env!("CARGO_BIN_EXE_fusion"), "fusion");
    let outcome = Outcome::of(&mut bare(fusion, ["version"]));
    outcome.is(0, concat!("fusion ", env!("CARGO_PKG_VERSION"), "\n"));
}
