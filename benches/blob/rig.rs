//! What all servers have in common, and how each of them is started.

use super::client::Target;
use super::image::{self, Reply, digest};
use super::nginx;
use super::peers::{Legs, Peer};
use super::pki::Pki;
use super::process::{Server, free_port};
use super::wave::Wave;
use std::process::Command;
use std::sync::OnceLock;

/// Folder, certificates, upstream.
pub(crate) struct Rig {
    folder: tempfile::TempDir,
    pki: Pki,
    plain: u16,
    tls: u16,
    reply: OnceLock<Reply>,
    _upstream: Server,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The blob whose digest repeats this letter.
    Blob(char),
    /// The manifest of a changed image.
    Manifest,
}

/// The blobs there are, by the letter their digests repeat, and their sizes.
pub(crate) const BLOBS: [(char, u64); 4] =
    [('a', 4 << 30), ('b', 256 << 20), ('c', 1 << 20), ('d', 16 << 10)];

impl Rig {
    pub(crate) fn new() -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let pki = Pki::new(folder.path());
        let www = folder.path().join("www");
        let blobs = www.join("v2/lib/x/blobs");
        std::fs::create_dir_all(&blobs).expect("a folder");
        for (letter, size) in BLOBS {
            let file = std::fs::File::create(blobs.join(digest(letter))).expect("a file");
            file.set_len(size).expect("room");
        }
        image::write(&www.join("v2/lib/x"));
        let (plain, tls) = (free_port(), free_port());
        let site = |listen: &str| {
            format!(
                "server {{ listen {listen}; root {}; location / {{ }} \
                 location ~ /manifests/ {{ types {{}} default_type {}; }} }}",
                www.display(),
                image::MANIFEST
            )
        };
        let secure = Legs { client: true, ..Legs::default() };
        let sites = [(plain, Legs::default()), (tls, secure)];
        let sites: String =
            sites.iter().map(|(port, legs)| site(&nginx::listen(&pki, *port, *legs))).collect();
        let upstream = nginx::start(folder.path(), "upstream", &sites, 0);
        upstream.listening(plain);
        Rig { folder, pki, plain, tls, reply: OnceLock::new(), _upstream: upstream }
    }

    fn upstream(&self, legs: Legs) -> (&'static str, u16) {
        if legs.upstream { ("https", self.tls) } else { ("http", self.plain) }
    }

    /// The manifest as we serve it, for peers to serve the same.
    fn reply(&self) -> &Reply {
        self.reply.get_or_init(|| {
            let (plain, legs) = (free_port(), Legs::default());
            let wave = self.wave(Peer::Wave, plain, plain, legs);
            let server = wave.start();
            server.listening(plain);
            Reply::fetch(plain, &wave.mint())
        })
    }

    /// Starts `peer` on the second core.
    pub(crate) fn start(&self, peer: Peer, legs: Legs, content: Content) -> (Server, Target) {
        let port = free_port();
        let (scheme, upstream) = self.upstream(legs);
        let like = (content == Content::Manifest).then(|| self.reply());
        let mut path = match content {
            Content::Blob(letter) => format!("/v2/lib/x/blobs/{}", digest(letter)),
            Content::Manifest => self.reply().path(),
        };
        let mut authorization = None;
        let listen = nginx::listen(&self.pki, port, legs);
        let folder = self.folder.path();
        let server = match peer {
            Peer::Wave | Peer::WaveFrames | Peer::WaveFull => {
                let plain = if legs.client { free_port() } else { port };
                let wave = self.wave(peer, port, plain, legs);
                let server = wave.start();
                path = match content {
                    Content::Blob(letter) => {
                        format!("/v2/127.0.0.1:{upstream}/lib/x/blobs/{}", digest(letter))
                    }
                    Content::Manifest => {
                        server.listening(plain);
                        wave.mint()
                    }
                };
                authorization = wave.authorization();
                server
            }
            Peer::Haproxy => self.haproxy(port, legs, upstream),
            Peer::Registry => self.registry(port, upstream),
            Peer::NginxStatic => {
                let root = folder.join("www");
                like.iter().for_each(|reply| reply.save(&root));
                nginx::start(folder, "static", &nginx::files(&listen, &root, like), 1)
            }
            Peer::NginxTuned | Peer::NginxOff | Peer::NginxDefault => {
                nginx::start(folder, "peer", &nginx::proxy(peer, &listen, scheme, upstream), 1)
            }
            Peer::Epoll | Peer::Bare => {
                let file = folder.join("reply");
                std::fs::write(&file, self.reply().message()).expect("a file");
                let mut command = Command::new(std::env::current_exe().expect("this program"));
                let kind = if peer == Peer::Epoll { "epoll" } else { "bare" };
                command.args(["--respond", kind, &port.to_string()]).arg(&file);
                command.env("TOKIO_WORKER_THREADS", "1");
                Server::start(&mut command, 1, &folder.join("respond.log"))
            }
        };
        let tls = legs.client.then(|| self.pki.client());
        (server, Target { port, path, tls, authorization })
    }

    fn wave(&self, peer: Peer, port: u16, plain: u16, legs: Legs) -> Wave {
        let upstream = self.upstream(legs);
        Wave::new(self.folder.path(), &self.pki, peer, upstream, plain, legs.client.then_some(port))
    }

    fn haproxy(&self, port: u16, legs: Legs, upstream: u16) -> Server {
        let config = self.folder.path().join("haproxy.cfg");
        let bind = match legs.client {
            true => format!("127.0.0.1:{port} ssl crt {}", self.pki.both.display()),
            false => format!("127.0.0.1:{port}"),
        };
        let server = if legs.upstream { " ssl verify none" } else { "" };
        let text = format!(
            "global\n  maxconn 4000\n  nbthread 1\n  tune.pipesize 1048576\ndefaults\n  mode http\n  timeout client 60s\n  \
             timeout server 60s\n  timeout connect 5s\n  option splice-response\n  http-reuse always\nfrontend f\n  bind {bind}\n  \
             default_backend b\nbackend b\n  server s 127.0.0.1:{upstream}{server}\n"
        );
        std::fs::write(&config, text).expect("a file");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&config);
        Server::start(&mut command, 1, &self.folder.path().join("haproxy.log"))
    }

    /// A registry whose own storage has the blob: how that came there is not measured.
    fn registry(&self, port: u16, upstream: u16) -> Server {
        let root = self.folder.path().join("registry");
        for (letter, _) in BLOBS {
            let hex = letter.to_string().repeat(64);
            let blob = root.join(format!("docker/registry/v2/blobs/sha256/{}/{hex}", &hex[..2]));
            let link = root.join(format!("docker/registry/v2/repositories/lib/x/_layers/sha256/{hex}"));
            std::fs::create_dir_all(&blob).expect("a folder");
            std::fs::create_dir_all(&link).expect("a folder");
            let _ = std::fs::hard_link(
                self.folder.path().join("www/v2/lib/x/blobs").join(digest(letter)),
                blob.join("data"),
            );
            std::fs::write(link.join("link"), digest(letter)).expect("a file");
        }
        let config = self.folder.path().join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\"}}\nproxy: {{remoteurl: \"http://127.0.0.1:{upstream}\"}}\n",
            root.display()
        );
        std::fs::write(&config, text).expect("a file");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).env("GOMAXPROCS", "1");
        Server::start(&mut command, 1, &self.folder.path().join("registry.log"))
    }
}
