//! `wave.server` and `wave.admin`.

use super::super::keys::Key;
use super::super::reader::Reader;
use super::super::relaxed::Slot;
use super::super::units::{address, count, duration, duration_or_zero, port, truth};
use super::super::{Admin, Server, Tls};
use std::net::SocketAddr;

/// Of `wave.server.max-connections`, where files are plenty.
const CONNECTIONS: usize = 10_000;
/// The least default of `wave.server.max-connections-per-address`.
const FEW: usize = 1000;
/// Of `wave.server.max-pipes`, where connections are plenty.
const PIPES: usize = 1024;
/// Files we need besides connections: listeners, stores, the reactor, logs.
const OTHER_FILES: usize = 64;

pub(super) static KEYS: [Key; 18] = [
    Key::told(
        "wave.server.url",
        "the request's `Host`",
        "how clients reach us; its authority is put into image names",
    ),
    // Dual stack: `[::]` takes IPv4 too. The port of the original.
    Key::new("wave.server.bind", "[::]:9090", "address of the plain listener"),
    Key::unset("micronaut.server.port", "port of the plain listener, as the original spells it"),
    Key::new(
        "wave.server.tls.bind",
        "[::]:9443",
        "address of the TLS listener, which runs when it has a certificate",
    ),
    Key::unset("wave.server.tls.certificate", "PEM file with the certificate chain, leaf first"),
    Key::unset("wave.server.tls.key", "PEM file with the private key"),
    Key::told(
        "wave.server.max-connections",
        "`10000`, or what the limit of open files leaves",
        "open client connections, both listeners together",
    ),
    // One address cannot take all, yet one that stands for many, of a cluster behind NAT or of a load balancer in
    // front of us, gets far; where there are few, who comes too late had better wait than be refused.
    Key::told(
        "wave.server.max-connections-per-address",
        "half of `wave.server.max-connections`, but at least 1000",
        "open connections of one client address, or of one /64 of IPv6; more are closed at once",
    ),
    // Two more files for each content that is under way and waits for its client.
    Key::told(
        "wave.server.max-pipes",
        "`1024`, or an eighth of `wave.server.max-connections`",
        "pipes, of two open files each, through which contents are spliced; what finds none is copied",
    ),
    // A request in flight holds some 30 KiB of buffers: 4096 of them stay far below 150 MB.
    Key::new(
        "wave.server.max-requests",
        "4096",
        "requests in flight, bodies included; more are answered 503",
    ),
    // Heads are small: who needs longer is slow on purpose.
    Key::new(
        "wave.server.header-timeout",
        "10s",
        "from accept, or the end of the TLS handshake, to the end of the first request's head",
    ),
    // Clients keep connections for the next layer or the next pull; load balancers close theirs after 60 s, and it is
    // for them to do it first.
    Key::new("wave.server.idle-timeout", "75s", "from a response to the end of the next request's head"),
    Key::new("wave.server.tls-timeout", "10s", "for a TLS handshake"),
    // Above upstream's connect, TLS and head timeouts together: those name the culprit, this is the last resort.
    Key::new("wave.server.head-deadline", "60s", "from a request to the head of its response"),
    Key::new("wave.server.stall-timeout", "60s", "how long a client may leave a response unread"),
    Key::new("wave.server.grace-period", "60s", "for pulls in flight when we are asked to stop"),
    Key::new(
        "wave.server.splice",
        "true",
        "may blobs stay inside the kernel on plain connections? `false`: they are read and written",
    ),
    // Loopback: metrics tell what is pulled, and the log level can be set there.
    Key::new("wave.admin.bind", "127.0.0.1:9091", "address of metrics, probes and the log level"),
];

pub(super) fn server(read: &mut Reader) -> Server {
    let max_connections = connections(read);
    let per_address = read.optional(&Slot::of("wave.server.max-connections-per-address"), count);
    let pipes = read.optional(&Slot::of("wave.server.max-pipes"), count);
    Server {
        url: read.optional(&Slot::of("wave.server.url"), super::origin_url),
        bind: bind(read),
        tls: tls(read),
        max_connections,
        max_connections_per_address: per_address.unwrap_or((max_connections / 2).max(FEW)),
        max_pipes: pipes.unwrap_or((max_connections / 8).clamp(1, PIPES)),
        max_requests: read.value("wave.server.max-requests", count),
        header_timeout: read.value("wave.server.header-timeout", duration),
        idle_timeout: read.value("wave.server.idle-timeout", duration),
        tls_timeout: read.value("wave.server.tls-timeout", duration),
        head_deadline: read.value("wave.server.head-deadline", duration),
        stall_timeout: read.value("wave.server.stall-timeout", duration),
        grace_period: read.value("wave.server.grace-period", duration_or_zero),
        splice: read.value("wave.server.splice", truth),
    }
}

pub(super) fn admin(read: &mut Reader) -> Admin {
    let bind = read.value("wave.admin.bind", address);
    if !bind.ip().is_loopback() {
        read.note(
            "wave.admin.bind",
            format!("{bind} is not loopback: whoever reaches it reads metrics and sets the log level"),
        );
    }
    Admin { bind }
}

fn bind(read: &mut Reader) -> SocketAddr {
    let is_set = read.is_set(&Slot::of("wave.server.bind"));
    let mut bind = read.value("wave.server.bind", address);
    match read.optional(&Slot::of("micronaut.server.port"), port) {
        Some(port) if is_set && port != bind.port() => {
            read.problem("micronaut.server.port", format!("{port} and wave.server.bind {bind} disagree"));
        }
        Some(port) => bind.set_port(port),
        None => {}
    }
    bind
}

fn tls(read: &mut Reader) -> Option<Tls> {
    let bind_is_set = read.is_set(&Slot::of("wave.server.tls.bind"));
    let bind = read.value("wave.server.tls.bind", address);
    let certificate = read.existing_file(&Slot::of("wave.server.tls.certificate"));
    let key = read.existing_file(&Slot::of("wave.server.tls.key"));
    match (certificate, key) {
        (Some(certificate), Some(key)) => return Some(Tls { bind, certificate, key }),
        (Some(_), None) => read.problem("wave.server.tls.key", "is missing, and there is a certificate"),
        (None, Some(_)) => read.problem("wave.server.tls.certificate", "is missing, and there is a key"),
        (None, None) if bind_is_set => {
            read.problem("wave.server.tls.certificate", "is missing, and there is tls.bind")
        }
        (None, None) => {}
    }
    None
}

/// A proxied request needs a file for each side.
fn connections(read: &mut Reader) -> usize {
    let path = "wave.server.max-connections";
    let room = read.files.open_limit().map(|files| (files.saturating_sub(OTHER_FILES) / 2).max(1));
    match (read.optional(&Slot::of(path), count), room) {
        (Some(wanted), Some(room)) if wanted > room => {
            read.note(
                path,
                format!("{wanted} connections need more open files than the limit, which allows {room}"),
            );
            wanted
        }
        (Some(wanted), _) => wanted,
        (None, room) => room.map_or(CONNECTIONS, |room| room.min(CONNECTIONS)),
    }
}
