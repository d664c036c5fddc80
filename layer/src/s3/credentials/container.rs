//! The endpoint of a container's role, in ECS and EKS.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Request};

use super::chain::Chain;
use super::fetch::{self, Question};
use super::{Credentials, json};
use crate::config::aws::{Endpoint, Sources};
use crate::net::http::Origin;

/// ECS answers here.
const ECS: &str = "169.254.170.2";

/// Addresses that may be asked without TLS beside this machine's own: ECS, and EKS by both families.
const LINK_LOCAL: [&str; 3] = [ECS, "169.254.170.23", "fd00:ec2::23"];

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn is_set(sources: &Sources) -> bool {
    sources.container_path.is_some() || sources.container_url.is_some()
}

pub(super) async fn load(chain: &Chain) -> Result<Credentials, String> {
    let (origin, path) = place(&chain.sources)?;
    let mut request = Request::get(path).body(()).map_err(|error| error.to_string())?;
    let token = match (&chain.sources.container_token_file, &chain.sources.container_token) {
        (Some(file), _) => Some(fetch::file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file).await?),
        (None, token) => token.as_ref().map(|token| token.reveal().to_owned()),
    };
    if let Some(token) = token {
        let mut token = HeaderValue::from_str(token.trim())
            .map_err(|_| "the container's authorization token has characters it cannot have".to_owned())?;
        token.set_sensitive(true);
        request.headers_mut().insert("authorization", token);
    }
    let question = Question { origin: &origin, body: b"", patience: PATIENCE };
    let told = |reason: String| format!("the container's credentials endpoint {}: {reason}", origin.host);
    let (status, document) = question.ask(&chain.http, request).await.map_err(told)?;
    if status != 200 {
        return Err(told(format!("it answers {status}")));
    }
    json::credentials(&document).map_err(told)
}

/// Where to ask, and with what path.
fn place(sources: &Sources) -> Result<(Origin, String), String> {
    if let Some(path) = &sources.container_path {
        let origin = Origin { tls: false, host: ECS.into(), port: 80 };
        return Ok((origin, path.to_string()));
    }
    let name = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let url = sources.container_url.as_deref().unwrap_or_default();
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let Endpoint { origin, prefix } = Endpoint::parse(name, address)?;
    if !origin.tls && !may_be_plain(&origin.host) {
        return Err(format!("{name} must be https, or on this machine, or one of {}", LINK_LOCAL.join(", ")));
    }
    let path = if prefix.is_empty() { "/" } else { &*prefix };
    Ok((origin, query.map_or(path.to_owned(), |query| format!("{path}?{query}"))))
}

fn may_be_plain(host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback()) || LINK_LOCAL.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(url: &str) -> Result<(Origin, String), String> {
        place(&Sources { container_url: Some(url.into()), ..Sources::default() })
    }

    #[test]
    fn only_known_addresses_are_asked_without_tls() {
        for url in [
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/",
            "http://127.0.0.2:1/x",
            "http://localhost/",
            "https://creds.example.org/x",
        ] {
            assert!(full(url).is_ok(), "{url}");
        }
        for url in
            ["http://169.254.169.254/", "http://creds.example.org/x", "http://10.0.0.1/", "ftp://localhost/"]
        {
            let message = full(url).expect_err(url);
            assert!(message.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI"), "{message}");
        }
        assert_eq!(full("http://localhost/a?b=c").expect("allowed").1, "/a?b=c");
    }

    #[test]
    fn a_relative_path_is_that_of_ecs() {
        let sources = Sources { container_path: Some("/v2/x".into()), ..Sources::default() };
        let (origin, path) = place(&sources).expect("always");
        assert_eq!((&*origin.host, origin.port, path.as_str()), (ECS, 80, "/v2/x"));
    }
}
