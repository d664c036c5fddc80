//! The role of an EC2 instance, by IMDSv2.

use std::time::Duration;

use http::{HeaderValue, Request};

use super::chain::Chain;
use super::fetch::Question;
use super::{Credentials, json};
use crate::config::aws::Endpoint;

/// The service on every instance.
const SERVICE: &str = "http://169.254.169.254";

/// Outside EC2 nobody answers, and that should not take long.
const CONNECT: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(5);

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// The instance's credentials; or why there are none, which is no error: this may not be an instance, or have no
/// role.
pub(super) async fn load(chain: &Chain) -> Result<Result<Credentials, String>, String> {
    let address = chain.sources.instance_url.as_deref().unwrap_or(SERVICE);
    let Endpoint { origin, prefix } = Endpoint::parse("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)?;
    let request = |method: &str, path: &str, header: (&'static str, HeaderValue)| {
        let path = format!("{prefix}{path}");
        let request = Request::builder().method(method).uri(path).header(header.0, header.1).body(());
        request.map_err(|error| error.to_string())
    };
    let life = ("x-aws-ec2-metadata-token-ttl-seconds", HeaderValue::from_static("21600"));
    let first = Question { origin: &origin, body: b"", patience: CONNECT };
    let token = match first.ask(&chain.http, request("PUT", "/latest/api/token", life)?).await {
        Ok((200, token)) => token,
        Ok((status, _)) => return Ok(Err(format!("the instance metadata service answers {status}"))),
        Err(reason) => return Ok(Err(no_answer(&reason))),
    };
    let mut token = HeaderValue::from_bytes(token.trim_ascii())
        .map_err(|_| "the instance metadata service gives a token that cannot be".to_owned())?;
    token.set_sensitive(true);
    let question = Question { patience: PATIENCE, ..first };
    let told = |reason: String| format!("the instance metadata service: {reason}");
    let get = async |path: &str| {
        let request = request("GET", path, ("x-aws-ec2-metadata-token", token.clone()))?;
        question.ask(&chain.http, request).await.map_err(told)
    };
    let role = match get(ROLES).await? {
        (200, role) => String::from_utf8(role).map_err(|_| told("it names no role".to_owned()))?,
        (404, _) => return Ok(Err("this instance has no role: attach an instance profile".to_owned())),
        (status, _) => return Err(told(format!("it answers {status}"))),
    };
    let role = role.lines().next().unwrap_or_default().trim();
    match get(&format!("{ROLES}{}", crate::s3::encode::path(role))).await? {
        (200, document) => json::credentials(&document).map_err(told).map(Ok),
        (status, _) => Err(told(format!("it answers {status} for the role {role}"))),
    }
}

/// On an instance with a hop limit of 1 the answer is lost on its way into a container.
fn no_answer(reason: &str) -> String {
    format!(
        "the instance metadata service does not answer ({reason}); on EC2, raise its hop limit to 2 \
         (aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2)"
    )
}
