//! A registry that speaks raw HTTP/1.1, so that its answers can break anywhere.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use wave_registry::oci::Digest;

/// Serves blobs on a loopback port until it is dropped.
pub struct Faulty {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    blobs: Mutex<BTreeMap<String, Bytes>>,
    asked: Mutex<Vec<Asked>>,
    counts: Mutex<BTreeMap<String, usize>>,
    /// Bytes of content that were written to sockets.
    sent: Mutex<u64>,
    plan: Box<dyn Fn(&Asked) -> Reply + Send + Sync>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// How many requests with this method and path came before.
    pub before: usize,
}

/// How a request for a blob is answered. The default is: as it should be.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Another status, with these header lines and no content.
    pub status: Option<(u16, String)>,
    /// More header lines.
    pub headers: String,
    /// The connection is closed after so many bytes of content.
    pub breaks: Option<u64>,
    /// Nothing more comes after so many bytes of content.
    pub stalls: Option<u64>,
    /// This byte of the blob is another one.
    pub flips: Option<u64>,
    /// Another content than the blob.
    pub content: Option<Bytes>,
    /// Without a length.
    pub chunked: bool,
    /// Whether `Range` is heard.
    pub ranges: bool,
    /// Bytes that are written at once, and the time between two such pieces.
    pub pace: Option<(usize, Duration)>,
}

impl Default for Reply {
    fn default() -> Reply {
        Reply {
            status: None,
            headers: String::new(),
            breaks: None,
            stalls: None,
            flips: None,
            content: None,
            chunked: false,
            ranges: true,
            pace: None,
        }
    }
}

impl Asked {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The first byte asked for.
    pub fn first(&self) -> u64 {
        let digits = self.header("range").trim_start_matches("bytes=").split('-').next();
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    pub fn is_get(&self) -> bool {
        self.method == "GET"
    }
}

impl Faulty {
    /// Answers each request for a blob as `plan` says.
    pub async fn start(plan: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Faulty {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            blobs: Mutex::default(),
            asked: Mutex::default(),
            counts: Mutex::default(),
            sent: Mutex::default(),
            plan: Box::new(plan),
        });
        let all = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = all.clone();
                tokio::spawn(async move {
                    // What breaks, breaks on purpose.
                    let _ = shared.converse(stream).await;
                });
            }
        });
        Faulty { address, shared, task }
    }

    /// Adds a blob.
    pub fn blob(&self, content: impl Into<Bytes>) -> Digest {
        let content = content.into();
        let digest = Digest::sha256(&content);
        self.shared.blobs.lock().unwrap().insert(digest.to_string(), content);
        digest
    }

    /// Adds a blob of `size` bytes that look random.
    pub fn noise(&self, size: usize, seed: u64) -> (Digest, Bytes) {
        let content = noise(size, seed);
        (self.blob(content.clone()), content)
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// The requests with this method.
    pub fn count(&self, method: &str) -> usize {
        self.asked().iter().filter(|asked| asked.method == method && asked.path.contains("/blobs/")).count()
    }

    /// Bytes of content sent so far.
    pub fn sent(&self) -> u64 {
        *self.shared.sent.lock().unwrap()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Bytes that look random: no two pieces of them are the same.
pub fn noise(size: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut content = Vec::with_capacity(size + 8);
    while content.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(size);
    content.into()
}

impl Shared {
    async fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        loop {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                match line.trim_end() {
                    "" => break,
                    text => lines.push(text.to_string()),
                }
            }
            let asked = self.note(&lines);
            if !self.answer(&asked, stream.get_mut()).await? {
                return Ok(());
            }
        }
    }

    fn note(&self, lines: &[String]) -> Asked {
        let mut words = lines[0].split(' ').map(String::from);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_string())).collect();
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(format!("{method} {path}")).or_default();
        let asked = Asked { method, path, headers, before: *count };
        *count += 1;
        self.asked.lock().unwrap().push(asked.clone());
        asked
    }

    /// Writes the answer; whether the connection is used again.
    async fn answer(&self, asked: &Asked, stream: &mut TcpStream) -> std::io::Result<bool> {
        let key = asked.path.rsplit('/').next().unwrap_or_default();
        let blob = self.blobs.lock().unwrap().get(key).cloned();
        let reply = (self.plan)(asked);
        if let Some((status, headers)) = &reply.status {
            let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            return Ok(true);
        }
        let Some(blob) = reply.content.clone().or(blob) else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?;
            return Ok(true);
        };
        let total = blob.len() as u64;
        let range = asked.header("range").trim_start_matches("bytes=").split_once('-');
        let range = range.filter(|_| reply.ranges).map(|(first, last)| match first.parse::<u64>() {
            Ok(first) => first..last.parse().map_or(total, |last: u64| (last + 1).min(total)),
            Err(_) => total.saturating_sub(last.parse().unwrap_or(0))..total,
        });
        if range.as_ref().is_some_and(|range| range.is_empty()) {
            let head =
                format!("HTTP/1.1 416 X\r\ncontent-range: bytes */{total}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            return Ok(true);
        }
        let mut head = match &range {
            Some(range) => format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {}-{}/{total}\r\n",
                range.start,
                range.end - 1
            ),
            None => "HTTP/1.1 200 OK\r\n".to_string(),
        };
        let range = range.unwrap_or(0..total);
        let part = blob.slice(range.start as usize..range.end as usize);
        match reply.chunked {
            true => head.push_str("transfer-encoding: chunked\r\n"),
            false => write!(head, "content-length: {}\r\n", part.len()).unwrap(),
        }
        write!(head, "{}\r\n", reply.headers).unwrap();
        stream.write_all(head.as_bytes()).await?;
        if asked.method == "HEAD" {
            return Ok(true);
        }
        let mut part = part.to_vec();
        if let Some(at) = reply.flips.filter(|at| range.contains(at)) {
            part[(at - range.start) as usize] ^= 1;
        }
        let end = reply.breaks.or(reply.stalls).unwrap_or(u64::MAX).min(part.len() as u64) as usize;
        let (piece, pause) = reply.pace.unwrap_or((64 * 1024, Duration::ZERO));
        for chunk in part[..end].chunks(piece) {
            if reply.chunked {
                stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
            }
            stream.write_all(chunk).await?;
            *self.sent.lock().unwrap() += chunk.len() as u64;
            if reply.chunked {
                stream.write_all(b"\r\n").await?;
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        if reply.stalls.is_some_and(|at| at < part.len() as u64) {
            std::future::pending::<()>().await;
        }
        if reply.breaks.is_some() {
            return Ok(false);
        }
        if reply.chunked {
            stream.write_all(b"0\r\n\r\n").await?;
        }
        Ok(true)
    }
}
