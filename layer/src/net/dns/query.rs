//! The resolver of our own: files first, then the name servers by UDP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::files::{self, Settings};
use super::wire::{self, Answer};

/// The port of name servers.
const PORT: u16 = 53;

/// The largest answer, as announced in the question.
const MAX_ANSWER: usize = 1232;

/// Files above this size are no such files.
const MAX_FILE: u64 = 1 << 20;

/// All addresses of a name.
pub(super) async fn lookup(host: &str) -> Result<Vec<IpAddr>, String> {
    let files = tokio::task::spawn_blocking(|| (read("/etc/hosts"), read("/etc/resolv.conf"))).await;
    let (hosts, settings) = files.map_err(|error| error.to_string())?;
    let known = files::hosts(&hosts, host);
    if !known.is_empty() {
        return Ok(known);
    }
    ask(&Settings::parse(&settings), host, PORT).await
}

/// A file of the image, empty if it is not there.
fn read(path: &str) -> String {
    let small = std::fs::metadata(Path::new(path)).is_ok_and(|file| file.len() <= MAX_FILE);
    if !small {
        return String::new();
    }
    std::fs::read(path).map(|text| String::from_utf8_lossy(&text).into()).unwrap_or_default()
}

async fn ask(settings: &Settings, host: &str, port: u16) -> Result<Vec<IpAddr>, String> {
    let mut failure = "there is no such name".to_owned();
    for name in settings.candidates(host) {
        let (v4, v6) =
            tokio::join!(ask_all(settings, &name, wire::A, port), ask_all(settings, &name, wire::AAAA, port));
        let mut addresses = Vec::new();
        for answer in [v4, v6] {
            match answer {
                Ok(found) => addresses.extend(found),
                Err(reason) => failure = reason,
            }
        }
        if !addresses.is_empty() {
            return Ok(addresses);
        }
    }
    Err(failure)
}

/// Asks one server after the other, each as often as the settings say.
async fn ask_all(settings: &Settings, name: &str, kind: u16, port: u16) -> Result<Vec<IpAddr>, String> {
    let mut failure = String::new();
    for _ in 0..settings.attempts {
        for &server in &settings.servers {
            let server = SocketAddr::new(server, port);
            match timeout(settings.timeout, ask_one(server, name, kind)).await {
                Ok(Ok(Answer::Addresses(addresses))) => return Ok(addresses),
                Ok(Ok(Answer::NoName)) => return Ok(Vec::new()),
                Ok(Ok(Answer::Failed(code))) => failure = format!("{server} refuses with code {code}"),
                Ok(Err(reason)) => failure = format!("{server}: {reason}"),
                Err(_) => failure = format!("{server} is silent"),
            }
        }
    }
    Err(failure)
}

async fn ask_one(server: SocketAddr, name: &str, kind: u16) -> Result<Answer, String> {
    let mut id = [0; 2];
    SystemRandom::new().fill(&mut id).map_err(|_| "the machine has no random numbers".to_owned())?;
    let question = wire::question(u16::from_be_bytes(id), name, kind)
        .ok_or_else(|| format!("{name} is not a name that can be asked for"))?;
    let local: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let io = |error: std::io::Error| error.to_string();
    // A port of its own for every question, which makes answers harder to forge.
    let socket = UdpSocket::bind((local, 0)).await.map_err(io)?;
    socket.connect(server).await.map_err(io)?;
    socket.send(&question).await.map_err(io)?;
    let mut message = [0; MAX_ANSWER];
    loop {
        let length = socket.recv(&mut message).await.map_err(io)?;
        if let Some(answer) = wire::answer(&question, &message[..length]) {
            return Ok(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name server that knows `store.test` and answers all else with "no such name".
    async fn server() -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let port = socket.local_addr().expect("bound").port();
        tokio::spawn(async move {
            let mut message = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut message).await {
                let question = &message[..length];
                let known = question[12..].starts_with(b"\x05store\x04test\0\0\x01");
                let mut reply = question[..length - 11].to_vec();
                reply[2] = 0x81;
                reply[3] = if known { 0x80 } else { 0x83 };
                reply[6..12].copy_from_slice(&[0, known.into(), 0, 0, 0, 0]);
                if known {
                    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 7]);
                }
                let _ = socket.send_to(&reply, peer).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn a_name_is_found_below_a_search_domain() {
        let port = server().await;
        let settings = Settings::parse("nameserver 127.0.0.1\nsearch nowhere test");
        let found = ask(&settings, "store", port).await.expect("the server knows it");
        assert_eq!(found, [IpAddr::from([10, 0, 0, 7])]);
        let message = ask(&settings, "other", port).await.expect_err("nobody knows it");
        assert_eq!(message, "there is no such name");
    }
}
