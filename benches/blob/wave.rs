//! The product: configured, started, and asked for a changed image.

use super::image::{exchange, header};
use super::peers::Peer;
use super::pki::Pki;
use super::process::{Server, free_port};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of ours, configured.
pub(crate) struct Wave {
    config: PathBuf,
    log: PathBuf,
    peer: Peer,
    /// Where it listens without TLS.
    plain: u16,
    /// The port of its registry.
    upstream: u16,
}

/// `alice:s3cret`, and the SHA-256 of the password.
const AUTHORIZATION: &str = "Basic YWxpY2U6czNjcmV0";
const PASSWORD: &str = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";

impl Wave {
    /// Writes the configuration: upstream by scheme and port, the plain port, the port for TLS.
    pub(crate) fn new(
        folder: &Path,
        pki: &Pki,
        peer: Peer,
        (scheme, upstream): (&str, u16),
        plain: u16,
        tls: Option<u16>,
    ) -> Wave {
        let config = folder.join("wave.yml");
        let tls = tls.map_or(String::new(), |port| {
            format!(
                "    tls: {{bind: \"127.0.0.1:{port}\", certificate: {}, key: {}}}\n",
                pki.certificate.display(),
                pki.key.display()
            )
        });
        let full = match peer {
            Peer::WaveFull => {
                format!(
                    "  accounts: {{alice: {PASSWORD}}}\n  rate-limit.pull.authenticated: 1000000 / 1m\n  \
                     log.level: warn\n"
                )
            }
            _ => String::new(),
        };
        let text = format!(
            "wave:\n  data-dir: {}\n  server:\n    bind: \"127.0.0.1:{plain}\"\n    max-connections: 4000\n    \
             max-connections-per-address: 4000\n    max-requests: 4000\n    splice: {}\n{tls}{full}  \
             upstream: {{max-requests: 4000}}\n  log: {{access: false}}\n  admin: {{bind: \"127.0.0.1:{}\"}}\n  \
             registries:\n    \"127.0.0.1:{upstream}\": {{url: \"{scheme}://127.0.0.1:{upstream}\", ca-file: {}}}\n",
            folder.join("data").display(),
            peer != Peer::WaveFrames,
            free_port(),
            pki.certificate.display(),
        );
        std::fs::write(&config, text).expect("a file");
        Wave { config, log: folder.join("wave.log"), peer, plain, upstream }
    }

    /// Starts it on the second core.
    pub(crate) fn start(&self) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wave"));
        command.arg("serve").arg("--config").arg(&self.config).env("TOKIO_WORKER_THREADS", "1");
        Server::start(&mut command, 1, &self.log)
    }

    /// What its clients say who they are.
    pub(crate) fn authorization(&self) -> Option<&'static str> {
        (self.peer == Peer::WaveFull).then_some(AUTHORIZATION)
    }

    /// Makes a token for a changed image; the path of the manifest that the image then has, by its digest.
    pub(crate) fn mint(&self) -> String {
        let authorization =
            self.authorization().map_or(String::new(), |value| format!("Authorization: {value}\r\n"));
        let wanted = format!(
            "{{\"containerImage\":\"127.0.0.1:{}/lib/x:latest\",\"containerConfig\":{{\"env\":[\"A=b\"]}}}}",
            self.upstream
        );
        let request = format!(
            "POST /container-token HTTP/1.1\r\nHost: localhost:{0}\r\n{authorization}Content-Type: application/json\r\n\
             Content-Length: {1}\r\nConnection: close\r\n\r\n{wanted}",
            self.plain,
            wanted.len()
        );
        let (_, body) = exchange(self.plain, &request);
        let minted: serde_json::Value = serde_json::from_slice(&body).expect("a token");
        let image = minted["targetImage"].as_str().expect("an image");
        let (_, name) = image.split_once('/').expect("a path");
        let name = name.strip_suffix(":latest").expect("the tag");
        let request = format!(
            "GET /v2/{name}/manifests/latest HTTP/1.1\r\nHost: localhost:{}\r\n{authorization}\
             Connection: close\r\n\r\n",
            self.plain
        );
        let (head, _) = exchange(self.plain, &request);
        format!("/v2/{name}/manifests/{}", header(&head, "docker-content-digest").expect("a digest"))
    }
}
