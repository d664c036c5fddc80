//! The program as a process: what it prints, and how it ends.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use wave_registry::oci::Digest;

/// `wave` in `folder`, with nothing of this process's environment.
fn wave(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wave"));
    command.env_clear().current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

fn output(folder: &Path, arguments: &[&str]) -> Output {
    wave(folder, arguments).output().expect("the program starts")
}

/// A folder with this `config.yml`; what it does not say is out of the way of other tests.
fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let quiet = "wave.server.bind: 127.0.0.1:0\nwave.admin.bind: 127.0.0.1:0\n";
    std::fs::write(folder.path().join("config.yml"), format!("{quiet}{config}")).unwrap();
    folder
}

/// A process that is ended with the test.
struct Running(Child);

impl Running {
    fn terminate(&self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it runs");
    }

    fn ends_within(&mut self, limit: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < limit, "it still runs after {limit:?}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn check_prints_what_holds_or_all_that_is_wrong() {
    let good = folder("wave.registries.quay.io: { username: alice, password: hunter2 }\n");
    let report = output(good.path(), &["check"]);
    let text = String::from_utf8(report.stdout).unwrap();
    assert!(report.status.success() && text.contains("wave.registries.quay.io.username: alice\n"), "{text}");
    assert!(!text.contains("hunter2"));

    let bad = folder("wave.no-such-key: 1\nwave.log.level: =\n");
    for arguments in [&["check"][..], &["serve"], &["check", "--config", "config.yml"]] {
        let refused = output(bad.path(), arguments);
        let text = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(64), "{text}");
        assert!(text.contains("wave.no-such-key") && text.contains("wave.log.level"), "{text}");
    }
    assert_eq!(output(bad.path(), &["frobnicate"]).status.code(), Some(64));
}

#[test]
fn what_the_configuration_names_is_part_of_it() {
    let pair = "wave.server.tls: { bind: '127.0.0.1:0', certificate: cert.pem, key: key.pem }\n";
    let folder = folder(&format!("{pair}wave.layer-path: layer.json\n"));
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let [one, two] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap());
    put("cert.pem", &one.cert.pem());
    put("key.pem", &two.signing_key.serialize_pem());
    put("layer.json", r#"{"layers":[{"location":"missing.tar.gz"}]}"#);
    let told = |arguments: &[&str]| {
        let refused = output(folder.path(), arguments);
        let text = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(64), "{text}");
        text
    };
    let text = told(&["check"]);
    assert!(text.contains("wave.server.tls: ") && text.contains("wave.layer-path: "), "{text}");
    assert!(told(&["serve"]).contains("wave.layer-path: "));
    put("layer.json", r#"{"layers":[]}"#);
    assert!(told(&["check"]).starts_with("wave.server.tls: certificate and key: "));
    assert!(told(&["serve"]).contains("wave.server.tls: certificate and key: "));
    put("key.pem", &one.signing_key.serialize_pem());
    assert_eq!(output(folder.path(), &["check"]).status.code(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_no_mistake_of_the_configuration() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = format!("wave.server.bind: {}\nwave.admin.bind: 127.0.0.1:0\n", taken.local_addr().unwrap());
    std::fs::write(folder.path().join("config.yml"), config).unwrap();
    let refused = output(folder.path(), &["serve"]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("in use"), "{text}");
}

#[test]
fn nobody_has_to_read_what_is_printed() {
    let folder = folder("");
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let checked = wave(folder.path(), &["check"]).stdout(gone()).stderr(gone()).status().unwrap();
    assert_eq!(checked.code(), Some(0));
    let mut server = wave(folder.path(), &["serve"]);
    let mut server = Running(server.stdout(gone()).stderr(gone()).spawn().unwrap());
    // Signals are taken before the state is opened, and it prints after that.
    let started = Instant::now();
    while !folder.path().join("data/state.redb").exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "it does not start");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    server.terminate();
    assert_eq!(server.ends_within(Duration::from_secs(20)).code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = folder("wave.registries: { default: local.test, local.test: { layout: layout } }\n");
    let blobs = folder.path().join("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(folder.path().join("layout/index.json"), r#"{"manifests":[]}"#).unwrap();
    // Whoever opens this waits for a writer, and no writer comes.
    let digest = Digest::sha256("never");
    let made = Command::new("mkfifo").arg(blobs.join(digest.hex())).status().unwrap();
    assert!(made.success());

    let mut server = wave(folder.path(), &["serve"]);
    let mut server = Running(server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let plain = lines.find_map(|line| line.strip_prefix("listening plain ").map(String::from)).unwrap();
    assert!(lines.any(|line| line == "ready"));
    let mut stream = TcpStream::connect(plain).unwrap();
    write!(stream, "GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "the answer does not come");

    server.terminate();
    std::thread::park_timeout(Duration::from_millis(200));
    assert!(server.0.try_wait().unwrap().is_none(), "what is under way may finish");
    server.terminate();
    assert_eq!(server.ends_within(Duration::from_secs(3)).code(), Some(1));
}
