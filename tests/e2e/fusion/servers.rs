//! S3: moto and our own server, and what is in them by the word of curl, which signs by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::images::sha256;
use crate::support::run::{run, run_within};
use crate::support::server::Server;
use crate::support::{scratch, tools};

/// The only bucket.
pub(super) const BUCKET: &str = "acme-data";

/// A running server with one bucket.
pub(super) struct S3 {
    server: Server,
    endpoint: String,
    account: Account,
    folder: TempDir,
}

struct Account {
    access: String,
    secret: String,
}

impl S3 {
    /// moto, which believes every signature.
    pub(super) fn moto() -> Self {
        let mut moto = tools::isolated(&tools::moto());
        let server = Server::start("moto", moto.args(["-H", "127.0.0.1", "-p", "0"]));
        let endpoint = server.wait_for(|line| {
            let (_, address) = line.text().split_once("Running on ")?;
            Some(address.trim().to_owned())
        });
        let account = Account { access: "testing".to_owned(), secret: "testing".to_owned() };
        let s3 = Self { server, endpoint, account, folder: scratch::small() };
        let answer = s3.folder.path().join("answer");
        assert_eq!(s3.status(&["--request", "PUT"], "", &answer), "200", "the bucket is made");
        s3
    }

    /// Our own server: it checks signatures, and may be slow.
    pub(super) fn own(options: &[&str]) -> Self {
        let mut command = tools::isolated(&own_server());
        command.args(["--log", "--bucket", BUCKET]).args(options);
        let server = Server::start("s3server", &command);
        let word = |start: &'static str| {
            server.wait_for(move |line| line.text().strip_prefix(start).map(str::to_owned))
        };
        let endpoint = word("listening on ");
        let account = Account { access: word("access key "), secret: word("secret key ") };
        Self { server, endpoint, account, folder: scratch::small() }
    }

    /// What a container is told: the bucket, where it is, and who asks.
    pub(super) fn environment(&self) -> Vec<String> {
        let Account { access, secret } = &self.account;
        vec![
            format!("NXF_FUSION_BUCKETS=s3://{BUCKET}"),
            format!("AWS_S3_ENDPOINT={}", self.endpoint),
            "AWS_REGION=us-east-1".to_owned(),
            format!("AWS_ACCESS_KEY_ID={access}"),
            format!("AWS_SECRET_ACCESS_KEY={secret}"),
        ]
    }

    /// Stores an object.
    pub(super) fn put(&self, key: &str, body: &[u8]) {
        let file = self.folder.path().join("body");
        std::fs::write(&file, body).expect("the folder is ours");
        let answer = self.folder.path().join("answer");
        assert_eq!(self.status(&["--upload-file", path(&file)], key, &answer), "200", "{key}");
    }

    /// An object, if there is one.
    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let file = self.folder.path().join("answer");
        match self.status(&[], key, &file).as_str() {
            "200" => Some(std::fs::read(file).expect("curl has written it")),
            "404" => None,
            other => panic!("{key}: {other}: {}", String::from_utf8_lossy(&std::fs::read(file).unwrap())),
        }
    }

    /// The SHA-256 of an object, in hex.
    pub(super) fn sum(&self, key: &str) -> String {
        let mut shell = tools::command("sh");
        shell.args(["-c", "\"$@\" | sha256sum", "sh"]);
        let curl = self.curl(&["--fail"], key);
        let said = run(shell.arg(curl.get_program()).args(curl.get_args())).ok();
        said.split(' ').next().expect("a digest").to_owned()
    }

    /// Are there uploads that are neither completed nor aborted?
    pub(super) fn has_uploads(&self) -> bool {
        let file = self.folder.path().join("answer");
        assert_eq!(self.status(&[], "?uploads=", &file), "200");
        std::fs::read_to_string(file).expect("curl has written it").contains("<UploadId>")
    }

    /// Waits for the end of a request, such as `200 CreateUpload /acme-data/key `.
    pub(super) fn has_answered(&self, start: &str) {
        self.server.wait_for(|line| line.text().starts_with(start).then_some(()));
    }

    /// The status of the answer, whose body goes into a file.
    fn status(&self, options: &[&str], key: &str, body: &Path) -> String {
        let mut curl = self.curl(options, key);
        run(curl.args(["--output", path(body), "--write-out", "%{http_code}"])).ok()
    }

    fn curl(&self, options: &[&str], key: &str) -> Command {
        let Account { access, secret } = &self.account;
        let mut curl = tools::command("curl");
        curl.args(["--silent", "--show-error", "--user", &format!("{access}:{secret}")]);
        curl.args(["--aws-sigv4", "aws:amz:us-east-1:s3"]);
        // curl 7.88 does not say by itself what is signed.
        curl.args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        curl.args(options).arg(format!("{}/{BUCKET}/{key}", self.endpoint));
        curl
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("our folders have plain names")
}

/// The SHA-256 of bytes, in hex.
pub(super) fn hex_sum(bytes: &[u8]) -> String {
    sha256(bytes)["sha256:".len()..].to_owned()
}

/// The program, which cargo has built already where it has built all tests.
fn own_server() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let mut cargo = tools::isolated(Path::new(env!("CARGO")));
        tools::with_cargo(&mut cargo);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--quiet", "--locked", "--workspace", "--example", "s3server"]);
        let said = run_within(900, cargo.arg("--message-format=json")).ok();
        let mut programs = said.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            Some(PathBuf::from(message["executable"].as_str()?))
        });
        programs.next_back().expect("cargo says where the program is")
    };
    PATH.get_or_init(find).clone()
}
