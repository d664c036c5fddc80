//! The security token service: AssumeRoleWithWebIdentity and, signed, AssumeRole.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::super::auth::sigv4::{self, Identity};
use super::super::checksum::{hex, sha256};
use super::super::request::{Request, find};
use super::super::server::Shared;
use super::super::uri;
use super::super::xml::Xml;
use super::{Asked, Reply, Side, endpoint};

/// A running service.
pub struct Sts {
    side: Arc<Side>,
}

endpoint!(Sts);

impl Sts {
    pub fn start(handle: &Handle, shared: Arc<Shared>) -> Sts {
        let side = Side::start(handle, shared, answer);
        side.lock().accepted = Some("web-identity-token".to_owned());
        Sts { side }
    }

    /// For `AWS_ENDPOINT_URL_STS`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.side.addr)
    }

    /// From now on this is the web identity token (`web-identity-token` if never said); others are 400.
    pub fn web_token(&self, token: &str) {
        self.side.lock().accepted = Some(token.to_owned());
    }
}

fn answer(side: &Side, request: &Request, asked: &Asked) -> Reply {
    let form = uri::query(&asked.body).unwrap_or_default();
    let value = |name: &str| find(&form, name).or(request.query(name));
    if value("Version") != Some("2011-06-15") {
        return refusal(400, "InvalidAction", "Could not find the operation for this version");
    }
    let Some(role) = value("RoleArn").filter(|role| role.starts_with("arn:")) else {
        return refusal(400, "ValidationError", "RoleArn is missing or invalid");
    };
    if value("RoleSessionName").is_none_or(|name| name.len() < 2 || name.len() > 64) {
        return refusal(400, "ValidationError", "RoleSessionName must have length from 2 to 64");
    }
    match value("Action") {
        Some("AssumeRoleWithWebIdentity") => {
            if value("WebIdentityToken").map(str::to_owned) != side.lock().accepted {
                return refusal(400, "InvalidIdentityToken", "The web identity token is not valid");
            }
            credentials(side, "AssumeRoleWithWebIdentity", role)
        }
        Some("AssumeRole") => {
            let (keys, now) = (&side.shared.keys, side.shared.clock.now());
            let payload = hex(&sha256(&[asked.body.clone().into()]));
            match sigv4::verify(request, keys, now, "sts", Some(&payload), |_| Ok(())) {
                Ok(Identity::Signed(_)) => credentials(side, "AssumeRole", role),
                Ok(Identity::Anonymous) => {
                    refusal(403, "MissingAuthenticationToken", "The request is not signed")
                }
                Err(error) => refusal(403, error.code, &error.message),
            }
        }
        _ => refusal(400, "InvalidAction", "Could not find the operation"),
    }
}

fn credentials(side: &Side, action: &str, role: &str) -> Reply {
    let issued = side.issue();
    let mut document = Xml::document();
    document.inside(
        &format!("{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\""),
        |xml| {
            xml.inside(&format!("{action}Result"), |xml| {
                xml.inside("AssumedRoleUser", |xml| {
                    xml.leaf("Arn", role);
                    xml.leaf("AssumedRoleId", "AROATEST:session");
                });
                xml.inside("Credentials", |xml| {
                    xml.leaf("AccessKeyId", &issued.access);
                    xml.leaf("SecretAccessKey", &issued.secret);
                    xml.leaf("SessionToken", &issued.token);
                    xml.leaf("Expiration", &issued.expiration);
                });
            });
            xml.inside("ResponseMetadata", |xml| {
                xml.leaf("RequestId", "c6104cbe-af31-11e0-8154-cbc7ccf896c7")
            });
        },
    );
    Reply { status: 200, kind: "text/xml", body: document.finish() }
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let mut document = Xml::document();
    document.inside("ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"", |xml| {
        xml.inside("Error", |xml| {
            xml.leaf("Type", "Sender");
            xml.leaf("Code", code);
            xml.leaf("Message", message);
        });
        xml.leaf("RequestId", "c6104cbe-af31-11e0-8154-cbc7ccf896c7");
    });
    Reply { status, kind: "text/xml", body: document.finish() }
}
