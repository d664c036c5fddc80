//! nginx, as upstream and as peers.

use super::image::Reply;
use super::peers::{Legs, Peer};
use super::pki::Pki;
use super::process::Server;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What stands behind `listen`.
pub(crate) fn listen(pki: &Pki, port: u16, legs: Legs) -> String {
    let ssl = if legs.client { " ssl" } else { "" };
    let h2 = if legs.h2 { " http2" } else { "" };
    let files = match legs.client {
        true => format!(
            "; ssl_certificate {}; ssl_certificate_key {}",
            pki.certificate.display(),
            pki.key.display()
        ),
        false => String::new(),
    };
    format!("127.0.0.1:{port}{ssl}{h2}{files}")
}

/// The site of a proxy in front of `scheme://127.0.0.1:upstream`.
pub(crate) fn proxy(peer: Peer, listen: &str, scheme: &str, upstream: u16) -> String {
    let buffering = match peer {
        Peer::NginxTuned => {
            "proxy_buffering on; proxy_buffer_size 64k; proxy_buffers 16 256k; proxy_busy_buffers_size 2m; \
             proxy_max_temp_file_size 0;"
        }
        Peer::NginxOff => {
            "proxy_buffering off; proxy_buffer_size 256k; proxy_buffers 4 256k; proxy_busy_buffers_size 512k;"
        }
        _ => "",
    };
    format!(
        "upstream u {{ server 127.0.0.1:{upstream}; keepalive 128; }} server {{ listen {listen}; {buffering} \
         location / {{ proxy_pass {scheme}://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_ssl_session_reuse on; }} }}"
    )
}

/// The site that serves files; `like` says with which headers beside its own.
pub(crate) fn files(listen: &str, root: &Path, like: Option<&Reply>) -> String {
    let headers: String = like
        .into_iter()
        .flat_map(Reply::fields)
        .map(|(name, value)| match name {
            "content-type" => format!("types {{}} default_type {value}; "),
            // Its own.
            "accept-ranges" => String::new(),
            "etag" => format!("etag off; add_header etag '{value}'; "),
            name => format!("add_header {name} '{value}'; "),
        })
        .collect();
    format!(
        "server {{ listen {listen}; root {}; open_file_cache max=100; location / {{ {headers} }} }}",
        root.display()
    )
}

/// Starts one worker with these sites on core `core`.
pub(crate) fn start(folder: &Path, name: &str, sites: &str, core: usize) -> Server {
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
