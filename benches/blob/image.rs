//! The image of the upstream registry, and its changed manifest as it goes over the wire.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use wave_registry::oci::Digest;

/// The type of the manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// With so many layers the changed manifest has some 2 KiB.
const LAYERS: usize = 10;

/// A response: the path it was asked for by, its head and its content.
pub(crate) struct Reply {
    path: String,
    head: String,
    body: Vec<u8>,
}

/// A digest that repeats `letter`.
pub(crate) fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

/// Writes manifest and configuration into the folder of a repository. The layers are not there: nobody pulls them.
pub(crate) fn write(repository: &Path) {
    let diff_ids: Vec<_> = (0..LAYERS).map(|n| Digest::sha256(format!("diff {n}")).to_string()).collect();
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
    .to_string();
    let layers: Vec<_> = (0..LAYERS)
        .map(|n| {
            serde_json::json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": Digest::sha256(format!("layer {n}")).to_string(),
                "size": 1_000_000 + n,
            })
        })
        .collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::sha256(&config).to_string(),
            "size": config.len(),
        },
        "layers": layers,
    })
    .to_string();
    let manifests = repository.join("manifests");
    std::fs::create_dir_all(&manifests).expect("a folder");
    std::fs::write(manifests.join("latest"), &manifest).expect("a file");
    std::fs::write(manifests.join(Digest::sha256(&manifest).to_string()), &manifest).expect("a file");
    std::fs::write(repository.join("blobs").join(Digest::sha256(&config).to_string()), config)
        .expect("a file");
}

impl Reply {
    /// Asks the server at `port` for `path`.
    pub(crate) fn fetch(port: u16, path: &str) -> Reply {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        let (head, body) = exchange(port, &request);
        Reply { path: path.into(), head, body }
    }

    /// The path, as a client of ours asks for it.
    pub(crate) fn path(&self) -> String {
        self.path.clone()
    }

    /// What a server would not set by itself.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = ["content-length", "date", "connection"];
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(move |(name, _)| !own.contains(name))
    }

    /// Writes the content as a file that a server of files finds.
    pub(crate) fn save(&self, root: &Path) {
        let file = root.join(&self.path[1..]);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, &self.body).expect("a file");
    }

    /// The whole message of a connection that is kept.
    pub(crate) fn message(&self) -> Vec<u8> {
        let kept = |line: &&str| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:");
        let lines = self.head.lines().filter(kept).map(|line| format!("{line}\r\n"));
        let mut message = lines.collect::<String>().into_bytes();
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(&self.body);
        message
    }
}

/// Sends `request`, which closes the connection; head and content of the answer, which must be 200.
pub(crate) fn exchange(port: u16, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a listener");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).expect("text");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}{}", String::from_utf8_lossy(&body));
    (head, body)
}

/// A field of a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
