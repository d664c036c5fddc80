//! One request and the head of its response over one connection, and what then carries the content.

use super::driven::{self, Driven};
use super::wire::Wire;
use crate::body::{Socket, Source};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body as _;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// Room for a response head, which some registries fill to more than 32 KiB. Content is read in smaller pieces: see
/// `wire`.
pub(super) const HEAD: usize = 64 * 1024;

/// What takes a connection back.
pub(super) type Back = driven::Back;

/// Sends `request`, whose URI is absolute, and reads the head of its response. The content comes from the connection
/// itself where it is a plain one and the content has a known size, and is driven by whoever reads it elsewhere;
/// `back` is called with the connection when the content has been read to its end.
pub(super) async fn exchange(
    wire: Wire,
    mut request: Request<Empty<Bytes>>,
    back: Back,
) -> hyper::Result<Response<Option<Source>>> {
    let plain = matches!(wire, Wire::Tcp(..)) && request.method() == Method::GET;
    let bare = request.method() == Method::HEAD;
    address(&mut request);
    let (mut send, mut connection) = Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(wire)).await?;
    let response = {
        let mut sent = pin!(send.send_request(request));
        poll_fn(|cx| head(sent.as_mut(), &mut connection, cx)).await?
    };
    let back = Some(back).filter(|_| is_kept(&response));
    let known = response.body().size_hint().exact();
    let (parts, body) = response.into_parts();
    let none = bare || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let whole = matches!(parts.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    let source = match known {
        // It has to be driven to its end all the same, to be used again.
        _ if none => {
            drop(Driven::new(body, connection, send, back));
            None
        }
        Some(size) if plain && whole => Some(Source::Socket(take(body, connection, send, back, size)?)),
        _ => Some(Source::Driven(Box::new(Driven::new(body, connection, send, back)))),
    };
    Ok(Response::from_parts(parts, source))
}

fn head<F>(
    sent: Pin<&mut F>,
    connection: &mut driven::Conn,
    cx: &mut Context<'_>,
) -> Poll<hyper::Result<Response<Incoming>>>
where
    F: Future<Output = hyper::Result<Response<Incoming>>>,
{
    // The error of the request says more than that of the connection, which answers it before it ends.
    let _ended = connection.poll_without_shutdown(cx);
    sent.poll(cx)
}

/// Takes the connection away from hyper, with what it has read of the content.
fn take(
    mut body: Incoming,
    connection: driven::Conn,
    send: SendRequest<Empty<Bytes>>,
    back: Option<Back>,
    size: u64,
) -> hyper::Result<Socket> {
    let mut prefix = BytesMut::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut cx) {
        if let Ok(data) = frame?.into_data() {
            prefix.extend_from_slice(&data);
        }
    }
    let parts = connection.into_parts();
    drop((body, send));
    prefix.extend_from_slice(&parts.read_buf);
    let Wire::Tcp(stream, place) = parts.io.into_inner() else {
        unreachable!("only plain connections are taken")
    };
    // One that is not kept holds its place until it is closed, too.
    let back: crate::body::Back = Box::new(move |stream| match back {
        Some(back) => back(Wire::Tcp(stream, place)),
        None => drop((stream, place)),
    });
    Ok(Socket::new(stream, prefix.freeze(), size, Some(back)))
}

/// Origin form and `Host`, as HTTP/1.1 has them (RFC 9112, 3.2.1).
fn address(request: &mut Request<Empty<Bytes>>) {
    let uri = std::mem::take(request.uri_mut());
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = match (uri.host(), uri.port_u16()) {
        (Some(host), Some(port)) if port != default => HeaderValue::try_from(format!("{host}:{port}")),
        (host, _) => HeaderValue::try_from(host.unwrap_or_default()),
    };
    if let Ok(host) = host {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    *request.uri_mut() = uri.into_parts().path_and_query.map(Uri::from).unwrap_or_default();
}

/// May the connection carry another request (RFC 9112, 9.3)?
fn is_kept(response: &Response<Incoming>) -> bool {
    let closes = |headers: &HeaderMap| {
        let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
    };
    response.version() == Version::HTTP_11 && !closes(response.headers())
}
