//! The instance metadata service, version 2 alone.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::super::clock::iso;
use super::super::request::Request;
use super::super::server::Shared;
use super::super::store::REGION;
use super::{Asked, Reply, Side, endpoint};

const ROLE: &str = "instance-role";
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";

/// A running service.
pub struct Imds {
    side: Arc<Side>,
}

endpoint!(Imds);

impl Imds {
    pub fn start(handle: &Handle, shared: Arc<Shared>) -> Imds {
        Imds { side: Side::start(handle, shared, answer) }
    }

    /// For `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.side.addr)
    }

    /// The name of the role whose credentials are given.
    pub fn role(&self) -> &str {
        ROLE
    }

    /// Sessions end, as after their time: the next request with an old one is 401.
    pub fn end_session(&self) {
        self.side.lock().accepted = None;
    }
}

fn answer(side: &Side, request: &Request, asked: &Asked) -> Reply {
    if request.path == "/latest/api/token" {
        let seconds = asked.header("x-aws-ec2-metadata-token-ttl-seconds").and_then(|ttl| ttl.parse().ok());
        return match (asked.method.as_str(), seconds) {
            ("PUT", Some(1..=21_600_u32)) => {
                let session = format!("session-{}==", side.lock().asked.len());
                side.lock().accepted = Some(session.clone());
                Reply::text(200, session)
            }
            ("PUT", _) => Reply::text(400, "the time to live is missing or not 1 to 21600 seconds"),
            _ => Reply::text(405, "PUT it"),
        };
    }
    let session = asked.header("x-aws-ec2-metadata-token").map(str::to_owned);
    if session.is_none() || session != side.lock().accepted {
        return Reply::text(401, "Unauthorized");
    }
    match request.path.strip_prefix(CREDENTIALS) {
        Some("") => Reply::text(200, ROLE),
        Some(ROLE) => {
            let (issued, updated) = (side.issue(), iso(side.shared.clock.now()));
            Reply::json(format!(
                "{{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"{updated}\",\n  \"Type\" : \"AWS-HMAC\",\n  \
                 \"AccessKeyId\" : \"{}\",\n  \"SecretAccessKey\" : \"{}\",\n  \"Token\" : \"{}\",\n  \
                 \"Expiration\" : \"{}\"\n}}",
                issued.access, issued.secret, issued.token, issued.expiration
            ))
        }
        None if request.path == "/latest/meta-data/placement/region" => Reply::text(200, REGION),
        _ => Reply::text(404, "not found"),
    }
}
