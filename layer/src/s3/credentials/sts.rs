//! Roles, by the Security Token Service.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Request};

use super::Credentials;
use super::chain::Chain;
use super::fetch::{self, Question};
use crate::config::aws::Endpoint;
use crate::s3::sign::{self, Scope, Subject};
use crate::s3::{encode, endpoint, time, xml};

const PATIENCE: Duration = Duration::from_secs(10);

const VERSION: &str = "2011-06-15";

/// A role that another identity takes.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session: Option<String>,
    pub(super) external_id: Option<String>,
    /// Seconds.
    pub(super) duration: Option<String>,
}

/// AssumeRoleWithWebIdentity: the token in the file is the proof, and the request is not signed. The file is read
/// each time, as the cluster replaces it.
pub(super) async fn web_identity(
    chain: &Chain,
    file: &Path,
    role: &str,
    session: Option<&str>,
) -> Result<Credentials, String> {
    let token = fetch::file("AWS_WEB_IDENTITY_TOKEN_FILE", file).await?;
    let session = session.map_or_else(own_session, str::to_owned);
    let form = form(&[
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", VERSION),
        ("RoleArn", role),
        ("RoleSessionName", &session),
        ("WebIdentityToken", token.trim()),
    ]);
    ask(chain, role, form, HeaderMap::new()).await
}

/// AssumeRole, signed by those who take the role.
pub(super) async fn assume(
    chain: &Chain,
    role: &Role,
    by: &Credentials,
    clock: SystemTime,
) -> Result<Credentials, String> {
    let session = role.session.clone().unwrap_or_else(own_session);
    let mut pairs = vec![
        ("Action", "AssumeRole"),
        ("Version", VERSION),
        ("RoleArn", role.arn.as_str()),
        ("RoleSessionName", &session),
    ];
    pairs.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
    pairs.extend(role.duration.as_deref().map(|seconds| ("DurationSeconds", seconds)));
    let form = form(&pairs);
    let Endpoint { origin, prefix } = chain.sts();
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(&endpoint::host_header(&origin)).map_err(|error| error.to_string())?;
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, FORM);
    let path = format!("{prefix}/");
    let subject = Subject { method: "POST", path: &path, query: &[] };
    let scope = Scope { region: &chain.region, service: "sts", now: clock };
    let payload = sign::payload_hash(false, &[Bytes::copy_from_slice(form.as_bytes())]);
    sign::sign(&mut headers, subject, scope, &payload, by).map_err(|error| error.to_string())?;
    ask(chain, &role.arn, form, headers).await
}

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");

async fn ask(chain: &Chain, role: &str, form: String, headers: HeaderMap) -> Result<Credentials, String> {
    let Endpoint { origin, prefix } = chain.sts();
    let told = |reason: &str| format!("the role {role} cannot be taken at {}: {reason}", origin.host);
    let request = Request::post(format!("{prefix}/")).body(());
    let mut request = request.map_err(|error| told(&error.to_string()))?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(CONTENT_TYPE, FORM);
    let question = Question { origin: &origin, body: form.as_bytes(), patience: PATIENCE };
    let (status, document) = question.ask(&chain.http, request).await.map_err(|reason| told(&reason))?;
    if status != 200 {
        let error = xml::error(&document).unwrap_or_default();
        return Err(told(&format!("{status} {} {}", error.code, error.message)));
    }
    read(&document).map_err(|reason| told(&reason))
}

fn read(document: &[u8]) -> Result<Credentials, String> {
    let names = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];
    let [access, secret, token, expires] = xml::texts(document, names)?;
    let (Some(access), Some(secret), Some(token)) = (access, secret, token) else {
        return Err("its answer has no credentials".to_owned());
    };
    Ok(Credentials::temporary(&access, &secret, &token, expires.as_deref().and_then(time::iso8601)))
}

fn form(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", encode::query(value))).collect::<Vec<_>>().join("&")
}

/// A session's name that tells in the account's log where it comes from.
fn own_session() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("fusion-{}", since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_an_answer() {
        let document = b"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>
            <SecretAccessKey>S</SecretAccessKey><SessionToken>T==</SessionToken>
            <Expiration>2026-01-31T23:59:59Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let credentials = read(document).expect("complete");
        assert_eq!((credentials.access(), credentials.token()), ("A", Some("T==")));
        assert!(credentials.expires.is_some());
        assert!(read(b"<AssumeRoleResponse/>").is_err());
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(
            form(&[("RoleArn", "arn:aws:iam::1:role/r"), ("T", "a=b&c")]),
            "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&T=a%3Db%26c"
        );
    }
}
