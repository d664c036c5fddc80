//! The life of a request: logged, planned against, let in, carried out, answered.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request as Head, Response};

use super::answer::{Answer, Outgoing};
use super::auth::sigv4::{self, Identity};
use super::checksum::hex;
use super::error::Error;
use super::faults::Action;
use super::incoming::{self, Broken, Payload};
use super::log::Ticket;
use super::op::Op;
use super::ops;
use super::request::Request;
use super::server::{ForeignRegion, Shared};
use super::store::no_bucket;
use super::wire::Breaker;
use super::xml;

/// The connection is to be dropped.
#[derive(Debug)]
pub struct Drop;

impl std::fmt::Display for Drop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is dropped as planned")
    }
}

impl std::error::Error for Drop {}

/// Answers one request of a connection.
pub async fn serve(
    shared: Arc<Shared>,
    connection: u64,
    breaker: Breaker,
    head: Head<Incoming>,
) -> Result<Response<Outgoing>, Drop> {
    let (parts, body) = head.into_parts();
    let (request, broken) = match Request::parse(&parts) {
        Ok(request) => (request, None),
        Err(error) => (Request::unreadable(&parts), Some(error)),
    };
    let ticket = shared.log.begin(connection, &request);
    let action = shared.faults.pick(&request, shared.log.in_flight());
    before(&action, &breaker).await?;
    let until = match action {
        Some(Action::ResetUpload { at }) => Some(at),
        _ => None,
    };
    let raw = match incoming::read(body, &ticket, until).await {
        Ok(raw) => Ok(raw),
        Err(Broken::Refused(error)) => Err(error),
        Err(Broken::Connection) => {
            if until.is_some() {
                breaker.arm();
            }
            return Err(Drop);
        }
    };
    if until.is_some() {
        breaker.arm();
        return Err(Drop);
    }
    let answer = match &action {
        Some(Action::Close) => return Err(Drop),
        Some(Action::Error { status, code }) => Err(planned(*status, code)),
        Some(Action::ErrorBody { code } | Action::Blanks { code: Some(code), .. }) => Err(planned(200, code)),
        _ => match broken.map_or(raw, Err) {
            Ok(raw) => act(&shared, &request, raw),
            Err(error) => Err(error),
        },
    };
    let answer = match (&action, answer) {
        (Some(Action::ResetAfterEffect), _) => {
            breaker.arm();
            return Err(Drop);
        }
        (Some(Action::ErrorAfter { status, code }), Ok(_)) => Err(planned(*status, code)),
        (_, answer) => answer,
    };
    let id = format!("{:016X}", super::body::mix(connection ^ (parts_hash(&request) << 8)));
    let answer = answer.unwrap_or_else(|error| {
        let resource = format!("/{}/{}", request.bucket, request.key);
        Answer::refusal(&located(&shared, &request, error), &resource, &id, request.method == "HEAD")
    });
    tokio::time::sleep(shared.network.first_byte()).await;
    Ok(respond(&shared, answer, action, &id, breaker, ticket))
}

/// What a plan does before the request is looked at.
async fn before(action: &Option<Action>, breaker: &Breaker) -> Result<(), Drop> {
    match action {
        Some(Action::Reset) => {
            breaker.arm();
            Err(Drop)
        }
        Some(Action::Stall) => std::future::pending().await,
        Some(Action::Delay(length)) => {
            tokio::time::sleep(*length).await;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Lets a request in and carries it out.
fn act(shared: &Shared, request: &Request, raw: Vec<Bytes>) -> Result<Answer, Error> {
    let identity = admit(shared, request)?;
    let lengthy =
        matches!(request.op, Op::PutObject | Op::UploadPart | Op::CompleteUpload | Op::DeleteObjects);
    if lengthy && request.header("content-length").is_none() {
        // S3 takes no body of unknown length.
        return Err(Error::new("MissingContentLength", "You must provide the Content-Length HTTP header."));
    }
    let payload: Payload = incoming::unpack(request, &identity, raw)?;
    ops::run(shared, request, payload)
}

/// Who asks, and whether they may.
fn admit(shared: &Shared, request: &Request) -> Result<Identity, Error> {
    let settings = shared.store.lock().get(&request.bucket).map(|bucket| bucket.settings.clone());
    let home = settings.as_ref().map_or(super::store::REGION, |settings| settings.region.as_str());
    let region = |signed: &str| match shared.config.foreign_region {
        _ if signed == home => Ok(()),
        ForeignRegion::Redirect => Err(Error::new(
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint.",
        )
        .detail("Endpoint", format!("{}.s3.{home}.amazonaws.com", request.bucket))
        .detail("Bucket", &request.bucket)
        .header("x-amz-bucket-region", home)),
        ForeignRegion::Malformed => Err(Error::new(
            "AuthorizationHeaderMalformed",
            format!(
                "The authorization header is malformed; the region '{signed}' is wrong; expecting '{home}'"
            ),
        )
        .detail("Region", home)),
    };
    let identity = sigv4::verify(request, &shared.keys, shared.clock.now(), "s3", None, region)?;
    if request.key.len() > 1024 {
        return Err(Error::new("KeyTooLongError", "Your key is too long"));
    }
    let Some(settings) = settings else {
        let free = matches!(request.op, Op::ListBuckets | Op::CreateBucket);
        return if free { Ok(identity) } else { Err(no_bucket(&request.bucket)) };
    };
    let owner = request.header("x-amz-expected-bucket-owner");
    let denied = matches!(identity, Identity::Anonymous) && !settings.public && !shared.config.anonymous
        || settings.requester_pays && request.header("x-amz-request-payer") != Some("requester")
        || settings.list_denied && request.op.lists()
        || settings.read_only && request.op.writes()
        || owner.is_some_and(|owner| owner != shared.config.owner);
    if denied { Err(Error::denied()) } else { Ok(identity) }
}

/// A refusal of a HEAD of a bucket names its region whoever asks.
fn located(shared: &Shared, request: &Request, error: Error) -> Error {
    let region = shared.store.lock().get(&request.bucket).map(|bucket| bucket.settings.region.clone());
    match region {
        Some(region) if request.op == Op::HeadBucket && error.headers.is_empty() => {
            error.header("x-amz-bucket-region", region)
        }
        _ => error,
    }
}

fn planned(status: u16, code: &'static str) -> Error {
    Error::new(code, "This was planned.").status(status)
}

fn parts_hash(request: &Request) -> u64 {
    let digest = super::checksum::md5(&[format!("{request:?}").into()]);
    u64::from_le_bytes(digest[..8].try_into().unwrap_or_default())
}

/// The response that hyper sends.
fn respond(
    shared: &Shared,
    mut answer: Answer,
    action: Option<Action>,
    id: &str,
    breaker: Breaker,
    ticket: Ticket,
) -> Response<Outgoing> {
    let mut length = answer.length.unwrap_or(answer.len());
    match &action {
        Some(Action::Corrupt { at }) => corrupt(&mut answer.body, *at),
        Some(Action::Headers(headers)) => {
            answer = headers.iter().fold(answer, |answer, (name, value)| answer.with(name, *value));
        }
        Some(Action::Blanks { times, .. }) => {
            // S3 sends the declaration first, so that blanks may follow it.
            let declaration = std::iter::once(Bytes::from_static(xml::DECLARATION.as_bytes()));
            let blanks = std::iter::repeat_n(Bytes::from_static(b" "), *times);
            let document: Vec<Bytes> =
                answer.body.iter().map(|part| part.slice(xml::DECLARATION.len().min(part.len())..)).collect();
            answer.body = declaration.chain(blanks).chain(document).collect();
        }
        Some(Action::Length { delta }) => length = length.saturating_add_signed(*delta),
        _ => {}
    }
    let mut response = Response::builder()
        .status(answer.status)
        .header("x-amz-request-id", id)
        .header("x-amz-id-2", hex(id.as_bytes()))
        .header("server", "AmazonS3")
        .header("date", httpdate::fmt_http_date(shared.clock.now()));
    for (name, value) in &answer.headers {
        response = response.header(name, value.as_bytes());
    }
    let chunked = matches!(action, Some(Action::Blanks { .. }));
    if answer.status != 204 && answer.status != 304 && !chunked {
        response = response.header("content-length", length);
    }
    ticket.note(|entry| entry.status = answer.status);
    let body = Outgoing::new(answer.body, action.as_ref(), breaker, ticket);
    response.body(body).expect("names and values of headers were received as such, or are the server's own")
}

/// Turns a bit of the byte at an offset, if there is one.
fn corrupt(body: &mut [Bytes], at: u64) {
    let mut base = 0;
    for segment in body {
        let end = base + segment.len() as u64;
        if (base..end).contains(&at) {
            let mut copy = segment.to_vec();
            copy[(at - base) as usize] ^= 1;
            *segment = copy.into();
            return;
        }
        base = end;
    }
}
