//! What a client of the plain listener speaks, from one look at its first bytes.

use std::io;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// What the first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113, 3.3).
    Http2,
    /// A TLS ClientHello: the client has the wrong port, or tries https first, as docker does.
    Tls,
    /// The client left without a byte.
    Nothing,
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Waits for the first bytes and looks at 24 of them, once; they stay unread.
pub(super) async fn peek(stream: &TcpStream) -> io::Result<Speaks> {
    let mut first = [0; PREFACE.len()];
    let read = stream.peek(&mut first).await?;
    Ok(recognize(&first[..read]))
}

/// Answers a ClientHello the way that lets clients fall back to http: Go's TLS recognizes the start of an
/// HTTP response, and containerd and podman act on it. Reading the ClientHello first keeps the close from
/// becoming a reset.
pub(super) async fn decline_tls(mut stream: TcpStream) {
    let _ = stream.try_read(&mut [0; 4096]);
    let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    // A client that does not take it has gone already.
    let _ = stream.write_all(answer).await;
}

/// `PRI` is no method of HTTP/1, and four bytes tell it from `PUT`, `POST` and `PATCH`.
fn recognize(first: &[u8]) -> Speaks {
    match first {
        [] => Speaks::Nothing,
        [0x16] | [0x16, 0x03, ..] => Speaks::Tls,
        _ if first.len() >= 4 && PREFACE.starts_with(first) => Speaks::Http2,
        _ => Speaks::Http1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes() {
        assert_eq!(recognize(PREFACE), Speaks::Http2);
        assert_eq!(recognize(b"PRI "), Speaks::Http2);
        assert_eq!(recognize(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), Speaks::Http1);
        assert_eq!(recognize(b"P"), Speaks::Http1);
        assert_eq!(recognize(b"GET / HTTP/1.1\r\n"), Speaks::Http1);
        assert_eq!(recognize(&[0x16, 3, 1, 2, 0, 1]), Speaks::Tls);
        assert_eq!(recognize(&[0x16]), Speaks::Tls);
        assert_eq!(recognize(&[]), Speaks::Nothing);
    }
}
