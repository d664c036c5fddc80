//! The objects of a registry, and how a good one answers from them.

use super::content::Content;
use super::plan::{Answer, Body, Plan, Start};
use super::seen::Seen;
use http::{HeaderMap, HeaderValue, Method};
use std::collections::BTreeMap;
use std::ops::Range;

/// A head and what follows it.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

#[derive(Default)]
pub(super) struct Objects {
    /// By tag and by digest, with their media types.
    pub(super) manifests: BTreeMap<String, (String, Content)>,
    pub(super) blobs: BTreeMap<String, Content>,
}

impl Objects {
    /// The answer to `seen`, if it begins as `plan` says.
    pub(super) fn reply(&self, seen: &Seen, plan: &Plan) -> Reply {
        if seen.path == "/v2/" {
            return Reply::new(200, &[], "{}");
        }
        let found = match &plan.start {
            Start::Other(content) => {
                let name = seen.path.rsplit('/').next().unwrap_or_default();
                Some(("application/octet-stream", content.clone(), name.to_string()))
            }
            _ => self.find(&seen.path),
        };
        let Some((media, content, digest)) = found else {
            let text = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not here"}]}"#;
            return Reply::new(404, &[("content-type", "application/json")], text);
        };
        let total = content.len();
        let etag = format!("\"{digest}\"");
        let same = [("etag", &*etag), ("docker-content-digest", &*digest)];
        if seen.header("if-none-match") == etag {
            return Reply::new(304, &same, "");
        }
        let mut reply = Reply::new(200, &same, content);
        reply.set("content-type", media);
        reply.set("accept-ranges", "bytes");
        let same_version = ["", &etag].contains(&seen.header("if-range"));
        if plan.ranges && same_version && seen.method == Method::GET {
            match asked(seen.range(), total) {
                Some(Ok(part)) => {
                    reply.status = 206;
                    reply.set("content-range", &format!("bytes {}-{}/{total}", part.start, part.end - 1));
                    reply.body.part = part;
                }
                Some(Err(())) => {
                    return Reply::new(416, &[("content-range", &format!("bytes */{total}"))], "");
                }
                None => {}
            }
        }
        reply
    }

    /// What is there, with its media type and its digest.
    fn find(&self, path: &str) -> Option<(&str, Content, String)> {
        let (rest, key) = path.rsplit_once('/')?;
        match rest.rsplit_once('/')?.1 {
            "manifests" => {
                let (media, content) = self.manifests.get(key)?;
                Some((media, content.clone(), content.digest().to_string()))
            }
            "blobs" => {
                let content = self.blobs.get(key)?;
                Some(("application/octet-stream", content.clone(), key.to_string()))
            }
            _ => None,
        }
    }
}

impl Reply {
    fn new(status: u16, headers: &[(&'static str, &str)], content: impl Into<Content>) -> Reply {
        let mut reply = Reply { status, headers: HeaderMap::new(), body: Body::of(content) };
        headers.iter().for_each(|(name, value)| reply.set(name, value));
        reply
    }

    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        self.headers.insert(name, HeaderValue::try_from(value).expect("a test writes valid headers"));
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Reply {
        let (parts, body) = answer.into_parts();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body: Body::of(body) }
    }
}

/// What one range means for `total` bytes; `None` for what is ignored, `Err` for what does not exist.
fn asked(range: &str, total: u64) -> Option<Result<Range<u64>, ()>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let part = match (first, last) {
        ("", length) => total.saturating_sub(length.parse().ok()?)..total,
        (first, "") => first.parse().ok()?..total,
        (first, last) => first.parse().ok()?..last.parse::<u64>().ok()?.saturating_add(1).min(total),
    };
    Some(if part.is_empty() { Err(()) } else { Ok(part) })
}
