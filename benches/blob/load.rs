//! Programs that ask for one small document as often as they can: wrk for HTTP/1.1, h2load for HTTP/2.

use super::client::Target;
use super::peers::Legs;
use std::process::Command;

/// Connections of wrk, each with one request at a time.
const CONNECTIONS: usize = 64;
/// As many requests in flight over fewer connections, as HTTP/2 is used.
const H2: (usize, usize) = (16, 4);

/// Asks for `seconds`; how many requests were answered, in how many seconds.
pub(crate) fn load(target: &Target, legs: Legs, seconds: u64) -> (f64, f64) {
    let scheme = if legs.client { "https" } else { "http" };
    let url = format!("{scheme}://127.0.0.1:{}{}", target.port, target.path);
    if legs.h2 { h2load(&url, seconds) } else { wrk(&url, target.authorization, seconds) }
}

fn wrk(url: &str, authorization: Option<&str>, seconds: u64) -> (f64, f64) {
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "--timeout", "10s"]);
    if let Some(value) = authorization {
        command.args(["-H", &format!("Authorization: {value}")]);
    }
    let text = output(command.arg(url));
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let line = text.lines().find(|line| line.contains(" requests in ")).unwrap_or_else(|| panic!("{text}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    let took = words.get(3).and_then(|word| word.strip_suffix("s,"));
    (number(words.first().copied(), &text), number(took, &text))
}

fn h2load(url: &str, seconds: u64) -> (f64, f64) {
    let (connections, streams) = H2;
    let mut command = Command::new("h2load");
    command.args([
        "-t1",
        &format!("-c{connections}"),
        &format!("-m{streams}"),
        "-D",
        &seconds.to_string(),
        url,
    ]);
    let text = output(&mut command);
    assert!(text.contains("Application protocol: h2") && text.contains(" 0 failed, 0 errored"), "{text}");
    let after = |word: &str| {
        let line = text.lines().find_map(|line| line.split_once(word)).unwrap_or_else(|| panic!("{text}"));
        line.1.split_whitespace().next()
    };
    let rate =
        text.lines().find(|line| line.starts_with("finished in ")).and_then(|line| line.split(", ").nth(1));
    let rate = rate.and_then(|rate| rate.strip_suffix(" req/s"));
    let done = number(after("status codes: "), &text);
    (done, done / number(rate, &text))
}

fn number(word: Option<&str>, text: &str) -> f64 {
    word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("a program");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
