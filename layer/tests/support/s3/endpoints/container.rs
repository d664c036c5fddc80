//! The credential endpoint of ECS tasks and EKS pods (`AWS_CONTAINER_CREDENTIALS_FULL_URI`).

use std::sync::Arc;

use tokio::runtime::Handle;

use super::super::request::Request;
use super::super::server::Shared;
use super::{Asked, Reply, Side, endpoint};

const PATH: &str = "/v2/credentials/0c8a3f4e-task";
const TOKEN: &str = "container-authorization-token";

/// A running endpoint.
pub struct Container {
    side: Arc<Side>,
}

endpoint!(Container);

impl Container {
    pub fn start(handle: &Handle, shared: Arc<Shared>) -> Container {
        let side = Side::start(handle, shared, answer);
        side.lock().accepted = Some(TOKEN.to_owned());
        Container { side }
    }

    /// For `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    pub fn uri(&self) -> String {
        format!("http://{}{PATH}", self.side.addr)
    }

    /// For `AWS_CONTAINER_AUTHORIZATION_TOKEN`; other values of `Authorization`, and none, are 401.
    pub fn token(&self) -> String {
        self.side.lock().accepted.clone().unwrap_or_default()
    }

    /// From now on this is the token, as when the file it is read from was renewed.
    pub fn set_token(&self, token: &str) {
        self.side.lock().accepted = Some(token.to_owned());
    }
}

fn answer(side: &Side, request: &Request, asked: &Asked) -> Reply {
    if request.path != PATH || asked.method != "GET" {
        return Reply::text(404, "no such credentials");
    }
    if asked.header("authorization").map(str::to_owned) != side.lock().accepted {
        return Reply::text(401, "the authorization token is wrong");
    }
    let issued = side.issue();
    Reply::json(format!(
        "{{\"RoleArn\":\"arn:aws:iam::111122223333:role/task\",\"AccessKeyId\":\"{}\",\"SecretAccessKey\":\"{}\",\
         \"Token\":\"{}\",\"Expiration\":\"{}\"}}",
        issued.access, issued.secret, issued.token, issued.expiration
    ))
}
