//! As PID 1 of a namespace, as in a container.

use std::time::{Duration, Instant};

use crate::support::{Outcome, Running, children, link_to, pid1, send, until};

/// The PID, in our namespace, of the PID 1 below `unshare`.
fn init_of(running: &Running) -> u32 {
    match children(running.pid())[..] {
        [(pid, _)] => pid,
        ref other => panic!("unshare has one child: {other:?}"),
    }
}

#[test]
fn the_command_is_supervised() {
    Outcome::of(&mut pid1(["sh", "-c", "echo $$ $PPID"])).is(0, "2 1\n");
}

#[test]
fn the_exit_code_is_the_commands() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)] {
        Outcome::of(&mut pid1(["sh", "-c", script])).is(code, "");
    }
    Outcome::of(&mut pid1(["no-such"])).refuses(127, "not found in PATH");
    Outcome::of(&mut pid1(["/etc/passwd"])).refuses(126, "Permission denied");
}

#[test]
fn supervision_can_be_declined() {
    Outcome::of(pid1(["sh", "-c", "echo $$"]).env("FUSION_SUPERVISE", "0")).is(0, "1\n");
}

#[test]
fn an_init_of_the_image_is_pid_1_itself() {
    let tini = link_to("/bin/sh", "tini");
    Outcome::of(&mut pid1([tini.to_str().unwrap(), "-c", "echo $$"])).is(0, "1\n");
    let chain = format!(r#"["{}","-c"]"#, tini.display());
    Outcome::of(pid1(["echo $$"]).env("WAVE_ENTRY_CHAIN", chain)).is(0, "1\n");
}

#[test]
fn every_signal_is_forwarded() {
    let names = ["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "WINCH", "CONT", "URG", "RTMIN"];
    let traps: String = names.iter().map(|name| trap(name)).collect();
    let script = format!("{traps} trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done");
    let mut running = Running::start(&mut pid1(["bash", "-c", &script]));
    let init = init_of(&running);
    for name in names {
        send(name, init);
        assert_eq!(running.line(), name);
    }
    send("TERM", init);
    assert_eq!(running.code(), Some(42));
}

fn trap(name: &str) -> String {
    format!("trap 'echo {name}' {name}; ")
}

/// As PID 1 a program without a handler would never see it.
#[test]
fn sigterm_ends_a_command_that_has_no_handler() {
    let script = "echo ready; exec sleep 1000";
    let mut running = Running::start(&mut pid1(["sh", "-c", script]));
    send("TERM", init_of(&running));
    assert_eq!(running.code(), Some(143));
}

#[test]
fn signals_from_inside_are_forwarded() {
    let script = "trap 'exit 42' TERM; kill -TERM 1; while :; do sleep 0.05; done";
    Outcome::of(&mut pid1(["sh", "-c", script])).is(42, "");
}

#[test]
fn nobody_inside_can_kill_us() {
    Outcome::of(&mut pid1(["sh", "-c", "kill -KILL 1; exit 5"])).is(5, "");
    Outcome::of(&mut pid1(["sh", "-c", "sleep 1000 & kill -KILL -1; exit 5"])).is(5, "");
}

/// Twenty orphans that end while the command, which does not wait for them, runs on.
const ORPHANS: &str = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do (sleep 0.3 &); done
    echo ready; exec sleep 1000";

#[test]
fn orphans_are_reaped() {
    let running = Running::start(&mut pid1(["sh", "-c", ORPHANS]));
    let init = init_of(&running);
    until("all orphans are our children", || children(init).len() > 1);
    until("the command is alone", || matches!(children(init)[..], [(_, 'S')]));
}

/// The counterpart of the test above: without us they pile up.
#[test]
fn orphans_are_not_reaped_by_a_command_that_is_pid_1() {
    let running = Running::start(pid1(["sh", "-c", ORPHANS]).env("FUSION_SUPERVISE", "0"));
    let init = init_of(&running);
    until("twenty zombies", || children(init).iter().filter(|(_, state)| *state == 'Z').count() == 20);
}

/// It leads a session of its own, so it is not in the command's group and does not see what is forwarded.
#[test]
fn what_outlives_the_command_is_told_to_end() {
    let rest = "trap 'echo told; exit' TERM; echo ready; while :; do sleep 0.05; done";
    let script = format!("setsid sh -c \"{rest}\" & exec sleep 1000");
    let mut running = Running::start(&mut pid1(["sh", "-c", &script]));
    send("TERM", init_of(&running));
    assert_eq!(running.line(), "told");
    assert_eq!(running.code(), Some(143));
}

#[test]
fn what_does_not_heed_sigterm_is_killed() {
    let start = Instant::now();
    Outcome::of(&mut pid1(["sh", "-c", "trap '' TERM; sleep 1000 & exit 3"])).is(3, "");
    let elapsed = start.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&elapsed), "{elapsed:?}");
}
