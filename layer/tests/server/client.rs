//! One HTTP/1.1 connection by hand, so that what is on the wire is seen as it is.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::s3::auth::sigv4::signing_key;
use crate::support::s3::checksum::{hex, hmac, sha256};
use crate::support::s3::clock::iso;
use crate::support::s3::request::find;
use crate::support::s3::uri;
use crate::support::s3::{ACCESS_KEY, Config, SECRET_KEY, Server};

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The connection was closed before `Content-Length` bytes.
    Short,
    Reset,
    /// Nothing came for two seconds.
    Silent,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("documents are UTF-8")
    }

    /// The text of the first element of a name in the document.
    pub(crate) fn leaf(&self, name: &str) -> Option<String> {
        let text = self.text();
        let from = text.find(&format!("<{name}>"))? + name.len() + 2;
        Some(text[from..from + text[from..].find('<')?].to_owned())
    }
}

/// A server with a bucket `b` that lets everybody in.
pub(crate) fn open_server() -> Server {
    let server = Server::with(Config { anonymous: true, min_part: 1, ..Config::default() });
    server.store().bucket("b");
    server
}

/// One request on a connection of its own.
pub(crate) fn ask(
    server: &Server,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    Client::to(server.addr()).ask(method, target, headers, body).expect("the server answers")
}

impl Client {
    pub(crate) fn to(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).expect("the server listens");
        stream.set_nodelay(true).expect("small writes can be sent at once");
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout can be set");
        Client { stream: BufReader::with_capacity(1 << 20, stream), host: addr.to_string() }
    }

    /// Sends a request and reads its answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        self.send(method, target, headers, body)?;
        let mut kept = Vec::new();
        let mut reply = self.receive(method == "HEAD", |part| kept.extend_from_slice(part))?;
        reply.body.append(&mut kept);
        Ok(reply)
    }

    /// The same, signed with the key that every server knows. The body's digest is in the signature.
    pub(crate) fn ask_signed(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        let digest = hex(&sha256(&[body.to_vec().into()]));
        let headers: Vec<(&str, &str)> =
            [("x-amz-content-sha256", digest.as_str())].into_iter().chain(headers.iter().copied()).collect();
        let key = Signer { access: ACCESS_KEY, secret: SECRET_KEY, region: "us-east-1", service: "s3" };
        let signed = key.sign(&self.host, method, target, &headers, &digest).0;
        let signed: Vec<(&str, &str)> =
            signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.ask(method, target, &signed, body)
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.host));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        if !body.is_empty() || matches!(method, "PUT" | "POST") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads an answer, its body piece by piece.
    pub(crate) fn receive(&mut self, head_only: bool, mut take: impl FnMut(&[u8])) -> io::Result<Reply> {
        let first = self.line()?;
        let status =
            first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| other(&first))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        if find(&headers, "transfer-encoding") == Some("chunked") {
            return self.receive_chunks(status, headers);
        }
        let length =
            find(&headers, "content-length").and_then(|length| length.parse::<u64>().ok()).unwrap_or(0);
        let mut left = if head_only { 0 } else { length };
        let mut end = End::Whole;
        while left > 0 {
            let part = match self.stream.fill_buf() {
                Ok([]) => Err(End::Short),
                Ok(part) => Ok(part.len().min(usize::try_from(left).unwrap_or(usize::MAX))),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(End::Reset),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(End::Silent),
                Err(error) => return Err(error),
            };
            match part {
                Ok(length) => {
                    take(&self.stream.buffer()[..length]);
                    self.stream.consume(length);
                    left -= length as u64;
                }
                Err(found) => {
                    end = found;
                    break;
                }
            }
        }
        Ok(Reply { status, headers, body: Vec::new(), end })
    }

    fn receive_chunks(&mut self, status: u16, headers: Vec<(String, String)>) -> io::Result<Reply> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = usize::from_str_radix(&size, 16).map_err(|_| other(&size))?;
            let from = body.len();
            body.resize(from + size, 0);
            self.stream.read_exact(&mut body[from..])?;
            self.line()?;
            if size == 0 {
                return Ok(Reply { status, headers, body, end: End::Whole });
            }
        }
    }

    /// Whether the server has closed the connection, for which it has two seconds.
    pub(crate) fn closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// A client's half of the signature.
pub(crate) struct Signer<'a> {
    pub(crate) access: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

impl Signer<'_> {
    /// The headers with time, host and signature added, and the signature by itself.
    pub(crate) fn sign(
        &self,
        host: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        payload: &str,
    ) -> (Vec<(String, String)>, String) {
        let time = compact(SystemTime::now());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut pairs: Vec<String> = uri::query(query)
            .expect("tests write queries that can be read")
            .iter()
            .map(|(name, value)| format!("{}={}", uri::encode(name), uri::encode(value)))
            .collect();
        pairs.sort();
        let mut all: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if !all.iter().any(|(name, _)| name == "x-amz-date") {
            all.push(("x-amz-date".to_owned(), time));
        }
        all.push(("host".to_owned(), host.to_owned()));
        all.sort();
        let time = find(&all, "x-amz-date").expect("it was added").to_owned();
        let names = all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let lines: String = all.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let canonical = format!("{method}\n{path}\n{}\n{lines}\n{names}\n{payload}", pairs.join("&"));
        let scope = format!("{}/{}/{}/aws4_request", &time[..8], self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&sha256(&[canonical.into()])));
        let key = signing_key(self.secret, &time[..8], self.region, self.service);
        let signature = hex(&hmac(&key, text.as_bytes()));
        let header = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access
        );
        all.push(("authorization".to_owned(), header));
        (all, signature)
    }
}

/// `20261130T074835Z` of a time.
pub(crate) fn compact(at: SystemTime) -> String {
    assert!(at > UNIX_EPOCH);
    iso(at).replace(['-', ':'], "").replace(".000", "")
}

fn other(line: &str) -> io::Error {
    io::Error::other(format!("not a status line: {line:?}"))
}
