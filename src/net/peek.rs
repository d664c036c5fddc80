//! What a client speaks on the plain port: one look at the first bytes, which stay in the socket.

use tokio::net::TcpStream;

/// The first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// HTTP/2 with prior knowledge (RFC 9113, 3.4).
    Http2,
    /// A TLS handshake: some clients try TLS first on loopback addresses and wait for a refusal.
    Tls,
    /// Anything else is for the HTTP/1.1 parser to judge.
    Http1,
    /// The client went away without a word.
    Nothing,
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Looks at no more than the 24 bytes of the HTTP/2 preface, and waits only while they could still be one.
pub async fn opening(stream: &TcpStream) -> std::io::Result<Opening> {
    let mut first = [0; PREFACE.len()];
    let mut seen = 0;
    loop {
        let count = stream.peek(&mut first).await?;
        let bytes = &first[..count];
        match bytes {
            [] => return Ok(Opening::Nothing),
            // A handshake record of TLS (RFC 8446, 5.1).
            [0x16, 0x03, ..] | [0x16] => return Ok(Opening::Tls),
            _ if bytes == PREFACE => return Ok(Opening::Http2),
            // `P` also starts POST and PUT.
            _ if !PREFACE.starts_with(bytes) => return Ok(Opening::Http1),
            _ if count == seen => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            _ => seen = count,
        }
    }
}
