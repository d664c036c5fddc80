//! Supervision that was asked for, as a PID other than 1.

use std::time::{Duration, Instant};

use crate::support::{Outcome, Running, bare, entry, entry_sh, send, state};

fn supervised<const N: usize>(args: [&str; N]) -> std::process::Command {
    let mut command = entry(args);
    command.env("FUSION_SUPERVISE", "1");
    command
}

#[test]
fn the_exit_code_is_the_commands() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
        Outcome::of(&mut supervised(["sh", "-c", script])).is(code, "");
    }
}

#[test]
fn the_command_is_a_child_that_leads_its_group() {
    let outcome = Outcome::of(&mut supervised([
        "sh",
        "-c",
        "read -r pid name state parent group rest </proc/$$/stat
        [ $group = $$ ] && [ $parent = $PPID ] && readlink /proc/$PPID/exe",
    ]));
    outcome.is(0, &format!("{}\n", std::fs::canonicalize(entry_sh()).unwrap().display()));
}

#[test]
fn signals_reach_the_command() {
    let script = "trap 'echo usr1' USR1; trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done";
    let mut running = Running::start(&mut supervised(["sh", "-c", script]));
    send("USR1", running.pid());
    assert_eq!(running.line(), "usr1");
    send("TERM", running.pid());
    assert_eq!(running.code(), Some(42));
}

#[test]
fn the_command_has_default_signals_whatever_we_inherited() {
    let script =
        r#"trap "" HUP INT CHLD PIPE; FUSION_SUPERVISE=1 exec "$0" grep '^Sig[BI]' /proc/self/status"#;
    let outcome = Outcome::of(&mut bare("sh", ["-c", script, entry_sh().to_str().unwrap()]));
    outcome.is(0, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

#[test]
fn an_inherited_disregard_for_children_loses_no_exit_code() {
    let script = r#"trap "" CHLD; FUSION_SUPERVISE=1 exec "$0" sh -c 'exit 7'"#;
    Outcome::of(&mut bare("sh", ["-c", script, entry_sh().to_str().unwrap()])).is(7, "");
}

#[test]
fn what_outlives_the_command_is_ended() {
    // An orphan, a stopped orphan, and one in a session of its own.
    let script =
        "(sleep 1000 & echo $!); (sleep 1000 & echo $!; kill -STOP $!); (setsid -f sleep 1000); exit 3";
    let start = Instant::now();
    let outcome = Outcome::of(&mut supervised(["sh", "-c", script]));
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(start.elapsed() < Duration::from_secs(2), "SIGTERM was enough: {:?}", start.elapsed());
    for pid in outcome.stdout.lines() {
        assert_eq!(state(pid.parse().unwrap()), None, "{pid} is gone");
    }
}

#[test]
fn what_does_not_heed_sigterm_is_killed() {
    let start = Instant::now();
    let script = "(trap '' TERM; sleep 1000 & echo $!); exit 3";
    let outcome = Outcome::of(&mut supervised(["sh", "-c", script]));
    let elapsed = start.elapsed();
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert_eq!(state(outcome.stdout.trim().parse().unwrap()), None);
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&elapsed), "{elapsed:?}");
}

/// Our own broken pipe must neither end the command nor wake us for ever, hence the time limit.
#[test]
fn a_trace_that_nobody_reads_does_no_harm() {
    let mut command = bare("timeout", ["-s", "KILL", "10"]);
    command.arg(entry_sh()).args(["sh", "-c", "sleep 0.1; exit 7"]).env("FUSION_SUPERVISE", "1");
    let mut child = command.env("WAVE_DEBUG", "1").stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

/// `script` runs its command on a new terminal, in a session of its own.
#[test]
fn the_command_has_the_terminal_and_gives_it_back() {
    let group = "read -r pid name state parent group session tty foreground rest </proc/$$/stat
        [ $foreground = $group ] && echo ours || echo not ours";
    // A shell with job control would hand the terminal round itself; this one has none.
    let line = format!("sh -c 'FUSION_SUPERVISE=1 {} sh -c \"$G\"; eval \"$G\"'", entry_sh().display());
    let outcome = Outcome::of(bare("script", ["-qec", &line, "/dev/null"]).env("G", group));
    outcome.is(0, "ours\r\nours\r\n");
}
