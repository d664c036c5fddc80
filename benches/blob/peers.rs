//! The servers that are compared, and the upstream that all of them proxy.

use super::client::Target;
use super::pki::Pki;
use super::process::{Server, free_port};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Wave,
    /// `proxy_buffering on` with room for 4 MiB and no temporary file.
    NginxTuned,
    /// `proxy_buffering off`.
    NginxOff,
    /// Out of the box.
    NginxDefault,
    /// `option splice-response`, pipes of 1 MiB.
    Haproxy,
    /// docker-registry 2.8 as a pull-through cache that has the blob.
    Registry,
    /// nginx serving a file.
    NginxStatic,
}

/// Whether the client, and the upstream, is spoken to over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Legs {
    pub(crate) client: bool,
    pub(crate) upstream: bool,
}

/// Folder, certificates, upstream.
pub(crate) struct Rig {
    folder: tempfile::TempDir,
    pki: Pki,
    plain: u16,
    tls: u16,
    _upstream: Server,
}

/// The blobs there are, by the letter their digests repeat, and their sizes.
pub(crate) const BLOBS: [(char, u64); 4] =
    [('a', 4 << 30), ('b', 256 << 20), ('c', 1 << 20), ('d', 16 << 10)];

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Wave => "wave",
            Peer::NginxTuned => "nginx tuned",
            Peer::NginxOff => "nginx off",
            Peer::NginxDefault => "nginx default",
            Peer::Haproxy => "haproxy splice",
            Peer::Registry => "docker-registry",
            Peer::NginxStatic => "nginx static",
        }
    }
}

impl Rig {
    pub(crate) fn new() -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let pki = Pki::new(folder.path());
        let blobs = folder.path().join("www/v2/lib/x/blobs");
        std::fs::create_dir_all(&blobs).expect("a folder");
        for (letter, size) in BLOBS {
            let file = std::fs::File::create(blobs.join(digest(letter))).expect("a file");
            file.set_len(size).expect("room");
        }
        let (plain, tls) = (free_port(), free_port());
        let www = folder.path().join("www");
        let site =
            |listen: &str| format!("server {{ listen {listen}; root {}; location / {{ }} }}", www.display());
        let sites = site(&format!("127.0.0.1:{plain}")) + &site(&secure(&pki, tls));
        let upstream = nginx(folder.path(), "upstream", &sites, 0);
        upstream.listening(plain);
        Rig { folder, pki, plain, tls, _upstream: upstream }
    }

    fn upstream(&self, legs: Legs) -> (&'static str, u16) {
        if legs.upstream { ("https", self.tls) } else { ("http", self.plain) }
    }

    /// Starts `peer` on the second core.
    pub(crate) fn start(&self, peer: Peer, legs: Legs, letter: char) -> (Server, Target) {
        let port = free_port();
        let (scheme, upstream) = self.upstream(legs);
        let mut path = format!("/v2/lib/x/blobs/{}", digest(letter));
        let server = match peer {
            Peer::Wave => {
                path = format!("/v2/127.0.0.1:{upstream}/lib/x/blobs/{}", digest(letter));
                self.wave(port, legs, upstream)
            }
            Peer::Haproxy => self.haproxy(port, legs, upstream),
            Peer::Registry => self.registry(port, upstream),
            Peer::NginxStatic => {
                let root = self.folder.path().join("www");
                let site = format!(
                    "server {{ listen {}; root {}; open_file_cache max=100; }}",
                    self.listen(port, legs),
                    root.display()
                );
                nginx(self.folder.path(), "static", &site, 1)
            }
            Peer::NginxTuned | Peer::NginxOff | Peer::NginxDefault => {
                let buffering = match peer {
                    Peer::NginxTuned => {
                        "proxy_buffering on; proxy_buffer_size 64k; proxy_buffers 16 256k; \
                         proxy_busy_buffers_size 2m; proxy_max_temp_file_size 0;"
                    }
                    Peer::NginxOff => {
                        "proxy_buffering off; proxy_buffer_size 256k; proxy_buffers 4 256k; \
                         proxy_busy_buffers_size 512k;"
                    }
                    _ => "",
                };
                let site = format!(
                    "upstream u {{ server 127.0.0.1:{upstream}; keepalive 128; }} server {{ listen {}; {buffering} \
                     location / {{ proxy_pass {scheme}://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
                     proxy_ssl_session_reuse on; }} }}",
                    self.listen(port, legs)
                );
                nginx(self.folder.path(), "peer", &site, 1)
            }
        };
        let tls = legs.client.then(|| self.pki.client());
        (server, Target { port, path, tls })
    }

    fn listen(&self, port: u16, legs: Legs) -> String {
        if legs.client { secure(&self.pki, port) } else { format!("127.0.0.1:{port}") }
    }

    fn wave(&self, port: u16, legs: Legs, upstream: u16) -> Server {
        let config = self.folder.path().join("wave.yml");
        let tls = format!(
            "    tls: {{bind: \"127.0.0.1:{port}\", certificate: {}, key: {}}}\n",
            self.pki.certificate.display(),
            self.pki.key.display()
        );
        let (bind, tls) = if legs.client { (free_port(), tls) } else { (port, String::new()) };
        let scheme = if legs.upstream { "https" } else { "http" };
        let text = format!(
            "wave:\n  data-dir: {}\n  server:\n    bind: \"127.0.0.1:{bind}\"\n    max-connections: 4000\n    \
             max-connections-per-address: 4000\n    max-requests: 4000\n{tls}  upstream: {{max-requests: 4000}}\n  \
             log: {{access: false}}\n  admin: {{bind: \"127.0.0.1:{}\"}}\n  \
             registries:\n    \"127.0.0.1:{upstream}\": {{url: \"{scheme}://127.0.0.1:{upstream}\", ca-file: {}}}\n",
            self.folder.path().join("data").display(),
            free_port(),
            self.pki.certificate.display(),
        );
        std::fs::write(&config, text).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_wave"));
        command.arg("serve").arg("--config").arg(&config).env("TOKIO_WORKER_THREADS", "1");
        Server::start(&mut command, 1, &self.folder.path().join("wave.log"))
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

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn secure(pki: &Pki, port: u16) -> String {
    format!(
        "127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {}",
        pki.certificate.display(),
        pki.key.display()
    )
}

fn nginx(folder: &Path, name: &str, sites: &str, core: usize) -> Server {
    let prefix: PathBuf = folder.join(name);
    std::fs::create_dir_all(&prefix).expect("a folder");
    let config = prefix.join("nginx.conf");
    let text = format!(
        "daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 8192; pid {0}/pid; error_log stderr crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000; \
         client_body_temp_path {0}/c; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; \
         scgi_temp_path {0}/s; {sites} }}\n",
        prefix.display()
    );
    std::fs::write(&config, text).expect("a file");
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&prefix).arg("-c").arg(&config);
    Server::start(&mut command, core, &prefix.join("log"))
}
