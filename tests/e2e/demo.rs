//! What `make run` shows, and how it ends.

use std::path::Path;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::http::Peer;
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::run::run;
use crate::support::server::Server;
use crate::support::slow::Slow;
use crate::support::walk::walk;
use crate::support::{scratch, tools};

/// What `deploy/demo/run.sh` needs, but for the ports that people use.
struct Stage {
    folder: TempDir,
    registry: Registry,
    pack: Pack,
}

impl Stage {
    fn new() -> Self {
        Self { folder: scratch::small(), registry: Registry::plain(), pack: Pack::new() }
    }

    /// The script as a terminal starts it: in a session of its own, where no signal is ignored.
    fn script(&self, wave: &Path) -> Command {
        let mut command = tools::command("setsid");
        command.arg(tools::find("env")).arg("--default-signal=INT,TERM").arg(tools::find("sh"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/demo/run.sh"));
        command.arg(wave).arg(self.folder.path());
        command.env("WAVE_SERVER_BIND", "127.0.0.1:0").env("WAVE_ADMIN_BIND", "127.0.0.1:0");
        command.env("WAVE_DATA_DIR", self.folder.path().join("data"));
        command.env("WAVE_LAYER_PATH", self.pack.json());
        command.env("WAVE_REGISTRIES_DEFAULT", self.registry.authority());
        tools::with_cargo(&mut command);
        command
    }

    /// The digest the image of the demonstration has in its registry.
    fn base(&self) -> String {
        let index = std::fs::read(self.folder.path().join("layout/index.json")).expect("the layout is whole");
        let index: Value = serde_json::from_slice(&index).expect("an index is JSON");
        index["manifests"][0]["digest"].as_str().expect("a digest").to_owned()
    }
}

/// The script, which is told to end when it is dropped: killed, it would leave its proxy.
struct Script(Server);

impl Script {
    fn start(stage: &Stage) -> Self {
        Self(Server::start("deploy/demo/run.sh", &stage.script(&tools::wave())))
    }

    /// All that is printed before it only serves, and where it serves.
    fn shown(&self) -> (String, Peer) {
        let at = self.0.wait_for(|line| {
            let rest = line.text().strip_prefix("serving on localhost:")?;
            Some(format!("127.0.0.1:{}", rest.split(';').next()?))
        });
        self.0.wait_for(|line| (line.text() == "Ctrl-C stops it.").then_some(()));
        // Said on standard error, so its place among the other lines is anywhere.
        let mut right = 0;
        self.0.wait_for(|line| {
            right += usize::from(line.text().contains("every digest right"));
            (right == 2).then_some(())
        });
        (self.0.log(), Peer::http(&at))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // No panic while one may be under way.
        let _ = self.0.end(Signal::TERM);
    }
}

/// The values of a field of an inspection, such as `digest`.
fn values<'a>(inspection: &'a str, field: &str) -> Vec<&'a str> {
    let lines = inspection.lines().filter_map(|line| line.strip_prefix(field));
    lines.filter(|rest| rest.starts_with(' ')).map(str::trim).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_is_shown() {
    let stage = Stage::new();
    let script = Script::start(&stage);
    let (log, peer) = script.shown();
    let (_, shown) = log.split_once("before: ").expect("the image as it is");
    let (before, after) = shown.split_once("after: ").expect("the image as it becomes");

    assert_eq!(values(before, "digest"), [stage.base()]);
    assert_eq!(values(before, "layer").len(), 1, "{before}");
    assert_eq!(values(before, "entrypoint"), [r#"["/hello"]"#]);
    assert!(values(before, "env").is_empty(), "{before}");

    let pulled = walk(&peer, "demo.local/hello", "latest").await;
    assert_eq!(values(after, "digest"), [pulled.root.as_str()]);
    assert_ne!(values(after, "digest"), values(before, "digest"));
    let layers = values(after, "layer");
    assert_eq!(layers[..1], values(before, "layer"), "{after}");
    let digests: Vec<_> = layers.iter().filter_map(|layer| layer.split_whitespace().nth(1)).collect();
    assert_eq!(digests, pulled.first().layers());
    assert_eq!(digests.len(), 2, "{after}");
    assert_eq!(values(after, "entrypoint"), [r#"["/opt/fusion/entry.sh"]"#]);
    assert_eq!(values(after, "env"), ["WAVE_ENTRY_CHAIN=/hello"]);

    ends_cleanly(script, &peer, Server::terminate).await;
}

/// The terminal sends SIGINT to all processes of its session, and the proxy must hear of it once.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_lets_a_pull_under_way_finish() {
    let stage = Stage::new();
    let script = Script::start(&stage);
    let (_, peer) = script.shown();
    ends_cleanly(script, &peer, Server::interrupt).await;
}

async fn ends_cleanly(script: Script, peer: &Peer, tell: fn(&Server) -> ExitStatus) {
    let slow = Slow::start(peer, "library/large", "oci").await;
    let ended = tokio::task::spawn_blocking(move || (tell(&script.0), script.0.log()));
    peer.refuses().await;
    slow.finish().await;
    let (status, log) = ended.await.expect("the script ends");
    assert!(status.success(), "{status}\n{log}");
}

/// A product whose inspections fail, and which leaves the process id of its server.
#[test]
fn a_failed_inspection_leaves_nothing_behind() {
    let stage = Stage::new();
    let (wave, pid) = (stage.folder.path().join("wave"), stage.folder.path().join("pid"));
    let text = format!(
        "#!/bin/sh\n[ \"$1\" != inspect ] || exit 3\n[ \"$1\" != serve ] || echo $$ >{}\nexec {} \"$@\"\n",
        pid.display(),
        tools::wave().display()
    );
    // Written by a program that has ended: a file that somebody has open for writing cannot be executed.
    run(tools::command("sh")
        .args(["-euc", "printf %s \"$2\" >\"$1\"; chmod 755 \"$1\"", "sh"])
        .arg(&wave)
        .arg(text))
    .ok();
    let said = run(&stage.script(&wave)).fails();
    assert!(said.contains("before: ") && !said.contains("after: "), "{said}");
    let pid = std::fs::read_to_string(pid).expect("the proxy was started");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the proxy still runs");
}
