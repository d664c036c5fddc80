//! HTTP/1.1 by hand, so that it can be done wrong.

use super::Shared;
use super::objects::Reply;
use super::plan::{Body, Edit, Framing, Plan, Start, Stop};
use super::seen::{Ended, Seen};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::io::{self, Write as _};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Bytes of the largest request head.
const HEAD: usize = 64 * 1024;
const PIECE: usize = 64 * 1024;
/// What is gzipped is held.
const GZIP: u64 = 16 << 20;

/// A request head, taken apart.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
}

/// One connection, until one side has had enough.
pub(super) async fn serve(mut stream: TcpStream, number: usize, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(request) = head(&mut stream, &mut buffer).await? {
        let last = request.headers.get("connection").is_some_and(|value| value == "close");
        let (seen, plan) = shared.plan(request, number);
        let outcome = answer(&mut stream, &seen, &plan, shared).await;
        let ended = *outcome.as_ref().unwrap_or(&Ended::Left);
        shared.progress(&seen, |progress| progress.ended = Some(ended));
        if outcome? != Ended::Whole || last || plan.hang_up {
            return Ok(());
        }
    }
    Ok(())
}

/// The next request; `None` at the end of the connection. What came behind it stays in `buffer`.
async fn head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if buffer.len() > HEAD || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head: Vec<u8> = buffer.drain(..end).collect();
    Ok(parse(std::str::from_utf8(&head).unwrap_or_default()))
}

fn parse(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut line = lines.next()?.split(' ');
    let (method, target) = (line.next()?.parse().ok()?, line.next()?);
    let mut headers = HeaderMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.append(name.parse::<HeaderName>().ok()?, value.trim().parse().ok()?);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Request { method, path: path.into(), query: query.into(), headers })
}

async fn answer(stream: &mut TcpStream, seen: &Seen, plan: &Plan, shared: &Shared) -> io::Result<Ended> {
    if !plan.delay.is_zero() && pause(stream, plan.delay).await == Ended::Left {
        return Ok(Ended::Left);
    }
    let reply = match &plan.start {
        Start::Stored | Start::Other(_) => shared.stored(seen, plan),
        Start::Given(answer) => answer.clone().into(),
        Start::Nothing(stop) => return end(stream, *stop).await,
    };
    let reply = framed(reply, plan, &seen.method);
    stream.write_all(&written(&reply)).await?;
    let none = seen.method == Method::HEAD || matches!(reply.status, 204 | 304);
    if none { Ok(Ended::Whole) } else { body(stream, &reply.body, plan, seen, shared).await }
}

/// The reply with what the plan does to it, and with a length.
fn framed(mut reply: Reply, plan: &Plan, method: &Method) -> Reply {
    reply.status = plan.status.unwrap_or(reply.status);
    if plan.edits.contains(&Edit::Gzip) {
        reply.body = gzipped(&reply.body);
        reply.set("content-encoding", "gzip");
    }
    reply.body.edits.clone_from(&plan.edits);
    // Whoever answers HEAD from nothing has nothing to say of its length.
    let unknown = method == Method::HEAD && reply.body.declared() == 0;
    match plan.framing {
        Framing::Length if unknown || matches!(reply.status, 204 | 304) => {}
        Framing::Length => {
            let declared = HeaderValue::from(reply.body.declared());
            reply.headers.entry(CONTENT_LENGTH).or_insert(declared);
        }
        Framing::Chunked | Framing::Unended => {
            reply.headers.remove(CONTENT_LENGTH);
            reply.set("transfer-encoding", "chunked");
        }
    }
    for (name, value) in &plan.headers {
        match value {
            Some(value) => reply.set(name, value),
            None => _ = reply.headers.remove(*name),
        }
    }
    reply
}

fn gzipped(body: &Body) -> Body {
    assert!(body.len() <= GZIP, "too large to be held");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&body.piece(0, GZIP as usize)).expect("memory takes it");
    Body::of(encoder.finish().expect("memory takes it"))
}

fn written(reply: &Reply) -> Vec<u8> {
    let reason = StatusCode::from_u16(reply.status).ok().and_then(|status| status.canonical_reason());
    let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason.unwrap_or("Scripted")).into_bytes();
    for (name, value) in &reply.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

async fn body(
    stream: &mut TcpStream,
    body: &Body,
    plan: &Plan,
    seen: &Seen,
    shared: &Shared,
) -> io::Result<Ended> {
    let (mut at, mut stop) = (0, plan.stop);
    loop {
        if let Some((after, how)) = stop
            && at >= after
        {
            match how {
                Stop::Stall(time) if pause(stream, time).await == Ended::Whole => stop = None,
                Stop::Stall(_) => return Ok(Ended::Left),
                how => return end(stream, how).await,
            }
        }
        if at == body.len() {
            break;
        }
        let most = plan.pace.map_or(PIECE, |(bytes, _)| bytes);
        let most = stop.map_or(most, |(after, _)| most.min((after - at) as usize));
        let piece = body.piece(at, most);
        at += piece.len() as u64;
        match plan.framing {
            Framing::Length => stream.write_all(&piece).await?,
            Framing::Chunked | Framing::Unended => {
                let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
                stream.write_all(&chunk).await?;
            }
        }
        shared.progress(seen, |progress| progress.sent += piece.len() as u64);
        if let Some((_, interval)) = plan.pace
            && pause(stream, interval).await == Ended::Left
        {
            return Ok(Ended::Left);
        }
    }
    match plan.framing {
        Framing::Unended => return end(stream, Stop::Close).await,
        Framing::Chunked => stream.write_all(b"0\r\n\r\n").await?,
        Framing::Length => {}
    }
    Ok(Ended::Whole)
}

/// Breaks the connection off; the caller drops it.
async fn end(stream: &mut TcpStream, how: Stop) -> io::Result<Ended> {
    match how {
        // Closing with no time to linger sends RST (tcp(7), SO_LINGER).
        Stop::Reset => socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))?,
        Stop::Close => stream.shutdown().await?,
        Stop::Stall(time) if pause(stream, time).await == Ended::Left => return Ok(Ended::Left),
        Stop::Stall(_) => {}
    }
    Ok(Ended::Broken)
}

/// Waits; ends sooner when the client leaves.
async fn pause(stream: &TcpStream, time: Duration) -> Ended {
    let (deadline, mut byte) = (tokio::time::sleep(time), [0]);
    tokio::pin!(deadline);
    tokio::select! {
        () = &mut deadline => return Ended::Whole,
        read = stream.peek(&mut byte) => if !matches!(read, Ok(1)) { return Ended::Left },
    }
    // The next request is there already, so only time can tell.
    deadline.await;
    Ended::Whole
}
