//! The sources of credentials, one after the other.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Credentials, Found, container, instance, profile, sts};
use crate::config::aws::{Endpoint, Keys, Sources};
use crate::net::http::Http;
use crate::s3::endpoint;

/// What the sources need.
#[derive(Debug)]
pub(in crate::s3) struct Chain {
    pub(super) http: Arc<Http>,
    pub(super) sources: Sources,
    /// Where STS is asked, and what its signatures are for.
    pub(super) region: Box<str>,
}

impl Chain {
    pub(in crate::s3) fn new(http: Arc<Http>, sources: Sources, region: Option<&str>) -> Self {
        Self { http, sources, region: region.unwrap_or("us-east-1").into() }
    }

    /// Asks one source after the other. The first that is set up decides: if it fails, the next is not asked, as
    /// nobody would find out why the wrong credentials are used.
    pub(super) async fn load(&self, clock: SystemTime) -> Result<Found, String> {
        let sources = &self.sources;
        if sources.anonymous {
            return Ok(none("FUSION_AWS_ANONYMOUS is set"));
        }
        if let Some(keys) = &sources.keys {
            return Ok(some(of_environment(keys)));
        }
        if let Some(file) = &sources.web_identity_file {
            let role = sources.role.as_deref();
            let role = role.ok_or("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN")?;
            let session = sources.session.as_deref();
            return sts::web_identity(self, file, role, session).await.map(some);
        }
        if container::is_set(sources) {
            return container::load(self).await.map(some);
        }
        if let Some(credentials) = profile::load(self, clock).await? {
            return Ok(some(credentials));
        }
        if !sources.instance {
            return Ok(none(NOTHING));
        }
        instance::load(self).await.map(|answer| match answer {
            Ok(credentials) => some(credentials),
            Err(note) => none(&format!("{NOTHING}, and {note}")),
        })
    }

    /// Where STS is.
    pub(super) fn sts(&self) -> Endpoint {
        let amazon = || Endpoint { origin: endpoint::amazon("sts", &self.region), prefix: "".into() };
        self.sources.sts.clone().unwrap_or_else(amazon)
    }
}

const NOTHING: &str = "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, \
    a web identity or a container role";

pub(super) fn of_environment(keys: &Keys) -> Credentials {
    Credentials {
        access: keys.access.clone(),
        secret: keys.secret.clone(),
        token: keys.token.clone(),
        expires: None,
    }
}

fn some(credentials: Credentials) -> Found {
    Found { credentials: Some(credentials), note: String::new() }
}

fn none(note: &str) -> Found {
    Found { credentials: None, note: note.to_owned() }
}
