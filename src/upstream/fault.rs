//! What an upstream's answer means: a response to pass on, or which [`Error`].

use super::redirect::is_redirect;
use super::{Failure, Redirects};
use crate::body::{Body, bounded};
use crate::error::{Error, Side};
use crate::oci::{Challenge, Code, Reference};
use crate::pull::{Fetch, Verb, What};
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::time::Duration;

/// Bytes of an error body that are read.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;
/// How long an error body is waited for.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(5);
/// Characters of an upstream's message that are relayed.
const MESSAGE_LIMIT: usize = 300;
/// What a client is told to wait when an upstream that is overrun does not say how long.
pub(crate) const PAUSE: Duration = Duration::from_secs(30);
/// Headers that belong to one connection or to one browser, and never travel on.
const HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("keep-alive"),
];

/// The outcome of `fetch` as the rest of the program sees it; see [`super::Upstream`].
pub async fn judge(fetch: &Fetch, outcome: Result<Response<Body>, Failure>) -> Result<Response<Body>, Error> {
    let mut response = outcome?;
    HOP.iter().for_each(|name| _ = response.headers_mut().remove(name));
    match response.status().as_u16() {
        200..=299 => plain(fetch, response),
        416 => Ok(without_content(response)),
        _ if handed_out(fetch, &response) => Ok(response),
        _ => Err(refusal(fetch, response).await),
    }
}

/// A content coding that nobody asked for changes the bytes and makes every length and digest wrong.
fn plain(fetch: &Fetch, response: Response<Body>) -> Result<Response<Body>, Error> {
    let coded = |value: &http::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if response.headers().get_all(header::CONTENT_ENCODING).iter().any(coded) {
        return Err(
            Error::bad_gateway(format!("registry '{}' encoded the content", fetch.registry.host)).answered()
        );
    }
    Ok(response)
}

/// Some registries declare the length of the blob on a 416 and send less; only `Content-Range` says something.
fn without_content(mut response: Response<Body>) -> Response<Body> {
    *response.body_mut() = Body::empty();
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING] {
        response.headers_mut().remove(name);
    }
    response
}

fn handed_out(fetch: &Fetch, response: &Response<Body>) -> bool {
    let located = is_redirect(response) && response.headers().contains_key(header::LOCATION);
    located && fetch.redirects == Redirects::HandOut
}

/// Marks what a registry that has no HEAD answers to one: some of these also refuse for another reason, and only GET
/// tells.
#[derive(Debug)]
struct NoHead;

/// Was this HEAD refused in a way that GET may not be?
pub fn lacks_head(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<NoHead>())
}

async fn refusal(fetch: &Fetch, response: Response<Body>) -> Error {
    let status = response.status().as_u16();
    let error = refused_with(fetch, response).await;
    match (fetch.verb, status) {
        (Verb::Head, 400 | 403 | 405 | 501) => error.with_source(NoHead),
        _ => error,
    }
}

async fn refused_with(fetch: &Fetch, response: Response<Body>) -> Error {
    let status = response.status();
    let after = retry_after(response.headers());
    let Said { code, message } = said(response.into_body()).await;
    let message = message.as_deref();
    match status.as_u16() {
        401 | 403 => refused(fetch, status, message),
        404 | 410 => Error::new(unknown(&fetch.what), Side::Client, say(fetch, "not found", message)),
        429 => {
            let error =
                Error::new(Code::TooManyRequests, Side::Upstream, say(fetch, "asked for too often", message));
            error.with_retry_after(after.unwrap_or(PAUSE))
        }
        // A registry without the referrers API; there is another way to ask.
        405 if matches!(fetch.what, What::Referrers { .. }) => {
            Error::new(Code::Unsupported, Side::Upstream, say(fetch, "refused (405)", message))
        }
        451 => Error::new(Code::Denied, Side::Upstream, say(fetch, "unavailable (451)", message)),
        // In the registry's own words, where it has any.
        400 | 402 | 406..=499 if code.is_some() || status == StatusCode::BAD_REQUEST => {
            let text = say(fetch, &format!("refused ({})", status.as_u16()), message);
            Error::new(code.unwrap_or(Code::ManifestInvalid), Side::Upstream, text).with_status(status)
        }
        status => {
            let text = say(fetch, &format!("not served, upstream answered {status}"), message);
            let error = Error::bad_gateway(text);
            if status >= 500 { error } else { error.answered() }
        }
    }
}

/// An upstream that wants other credentials. The caller is asked for his only where they are what is used upstream;
/// nobody is asked for a password that is the operator's.
pub(crate) fn refused(fetch: &Fetch, status: StatusCode, message: Option<&str>) -> Error {
    let registry = &fetch.registry;
    let operators = registry.policy.credentials.is_some() && registry.access().id() == fetch.access.id();
    let text = say(fetch, &format!("unauthorized ({})", status.as_u16()), message);
    if registry.policy.forward_credentials && !operators {
        let challenge = Challenge::Basic { realm: registry.host.to_string() };
        return Error::new(Code::Unauthorized, Side::Client, text).with_challenge(challenge);
    }
    Error::new(Code::Denied, Side::Upstream, text)
}

fn unknown(what: &What) -> Code {
    match what {
        What::Manifest(_) => Code::ManifestUnknown,
        What::Blob(_) => Code::BlobUnknown,
        What::Tags { .. } | What::Referrers { .. } => Code::NameUnknown,
    }
}

fn say(fetch: &Fetch, outcome: &str, message: Option<&str>) -> String {
    let mut text = format!("repository '{}/{}", fetch.registry.host, fetch.repository);
    let written = match &fetch.what {
        What::Manifest(Reference::Tag(tag)) => write!(text, ":{tag}"),
        What::Manifest(Reference::Digest(digest)) | What::Blob(digest) => write!(text, "@{digest}"),
        What::Tags { .. } | What::Referrers { .. } => Ok(()),
    };
    written.expect("a string takes everything");
    match message {
        Some(message) => format!("{text}' {outcome}: {message}"),
        None => format!("{text}' {outcome}"),
    }
}

/// What an error body says.
#[derive(Default)]
struct Said {
    /// The code of the first error in a registry's envelope, if it says that the request was wrong. One that says
    /// who may do what is not relayed: whose credentials were used, only we know.
    code: Option<Code>,
    /// The message of the first error in a registry's envelope, of other JSON, or plain text.
    message: Option<String>,
}

async fn said(body: Body) -> Said {
    let body = tokio::time::timeout(BODY_TIME, bounded(body, BODY_LIMIT)).await;
    let Ok(Ok(body)) = body else { return Said::default() };
    let (code, text) = match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(value) => {
            let field =
                |value: Option<&serde_json::Value>| value.and_then(|v| v.as_str()).map(str::to_string);
            let message = value.pointer("/errors/0/message").or_else(|| value.get("message"));
            (field(value.pointer("/errors/0/code")), field(message))
        }
        Err(_) => (None, Some(String::from_utf8_lossy(&body).into_owned())),
    };
    let code = code.and_then(|code| Code::parse(&code));
    Said {
        code: code.filter(|code| matches!(code.status().as_u16(), 400 | 404 | 405)),
        message: text.map(|text| sanitise(&text)).filter(|text| !text.is_empty()),
    }
}

/// One line of plain text: the first that says something, without tags and control characters.
fn sanitise(text: &str) -> String {
    let mut depth = 0_usize;
    let untagged: String = text
        .chars()
        .filter(|c| match c {
            '<' => {
                depth += 1;
                false
            }
            '>' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect();
    let line = untagged.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(MESSAGE_LIMIT).collect()
}

/// `Retry-After` as a duration: seconds, or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    // A date in the past means now.
    Some(Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or_default())
}

impl std::fmt::Display for NoHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("perhaps for want of HEAD")
    }
}

impl std::error::Error for NoHead {}

#[cfg(test)]
mod tests;
