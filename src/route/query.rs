//! The query of a request for something to pull.

use crate::error::Error;
use crate::oci::Code;
use crate::oci::path::Object;
use crate::pull::What;
use crate::pull::request::SKIP;

/// The parameters of a query; the last of each name counts.
#[derive(Default)]
pub(super) struct Query {
    /// The registry a mirror is asked for.
    pub(super) ns: Option<String>,
    n: Option<String>,
    last: Option<String>,
    artifact_type: Option<String>,
    skip: Option<String>,
    more: Vec<(String, String)>,
}

/// Parameters of foreign registries' cursors that are passed on. What is lost of a cursor leads the client in a
/// circle, so these are more than any registry is known to use.
const MAX_MORE: usize = 16;
/// A page is bounded whatever the caller asks for (CVE-2023-2253).
const MAX_N: u32 = 10_000;

impl Query {
    pub(super) fn parse(text: &str) -> Query {
        let mut query = Query::default();
        for (key, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let value = value.into_owned();
            match &*key {
                "ns" => query.ns = Some(value),
                "n" => query.n = Some(value),
                "last" => query.last = Some(value),
                "artifactType" => query.artifact_type = Some(value),
                SKIP => {
                    if let Some(upstreams) = query.skip.replace(value) {
                        query.pass_on(SKIP, upstreams);
                    }
                }
                key => query.pass_on(key, value),
            }
        }
        query
    }

    fn pass_on(&mut self, key: &str, value: String) {
        if self.more.len() < MAX_MORE {
            self.more.push((key.into(), value));
        }
    }

    /// What is asked for, of `object`.
    pub(super) fn wish(mut self, object: Object) -> Result<What, Error> {
        Ok(match object {
            Object::Manifest(reference) => What::Manifest(reference),
            Object::Blob(digest) => What::Blob(digest),
            Object::Tags => {
                let n: Option<u32> = number("n", self.n)?;
                What::Tags { n: n.map(|n| n.min(MAX_N)), last: self.last, more: self.more }
            }
            Object::Referrers(subject) => {
                // Of a list of referrers these are parts of a cursor like any other.
                for (key, value) in [("n", self.n.take()), ("last", self.last.take())] {
                    value.into_iter().for_each(|value| self.pass_on(key, value));
                }
                let skip = number(SKIP, self.skip)?.unwrap_or(0);
                What::Referrers { subject, artifact_type: self.artifact_type, skip, more: self.more }
            }
        })
    }
}

fn number<N: std::str::FromStr>(key: &str, text: Option<String>) -> Result<Option<N>, Error> {
    let wrong = |_| Error::client(Code::ManifestInvalid, format!("'{key}' must be a number from 0 on"));
    text.map(|text| text.parse()).transpose().map_err(wrong)
}
