//! What goes wrong, planned request by request.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::op::Op;
use super::request::Request;

/// What happens instead of, or besides, the usual answer.
#[derive(Clone, Debug)]
pub enum Action {
    /// This status and code; nothing is applied.
    Error { status: u16, code: &'static str },
    /// The operation takes effect, and the answer says it failed.
    ErrorAfter { status: u16, code: &'static str },
    /// Status 200 with an error document, as Complete and Copy may answer; nothing is applied.
    ErrorBody { code: &'static str },
    /// The head at once and in chunks, then a blank each so often, then the usual document or, with a code, that
    /// of the error: what Complete and Copy do while they work. With a code nothing is applied.
    Blanks { times: usize, every: Duration, code: Option<&'static str> },
    /// RST instead of an answer, the request's body unread; nothing is applied.
    Reset,
    /// The operation takes effect; RST instead of the answer.
    ResetAfterEffect,
    /// RST when so many bytes of the request's body were read.
    ResetUpload { at: u64 },
    /// FIN instead of an answer; nothing is applied.
    Close,
    /// No answer ever; the connection stays open.
    Stall,
    /// The head and so many bytes of the body, then silence.
    StallAt { at: u64 },
    /// The head and so many bytes of the body, then RST.
    ResetAt { at: u64 },
    /// The head with the whole `Content-Length` and so many bytes of the body, then FIN.
    Truncate { at: u64 },
    /// The body in pieces of so many bytes with a pause before each.
    Drip { bytes: usize, every: Duration },
    /// `Content-Length` is off by so much. What is too long ends with FIN; what is too short is cut.
    Length { delta: i64 },
    /// A pause before the usual answer.
    Delay(Duration),
    /// One bit of the body's byte at this place is turned.
    Corrupt { at: u64 },
    /// The usual answer with these headers put in.
    Headers(&'static [(&'static str, &'static str)]),
}

/// Which requests a plan is for: all that is said must hold.
#[derive(Clone, Debug)]
pub struct When {
    op: Option<Op>,
    method: Option<String>,
    bucket: Option<String>,
    key: Option<String>,
    prefix: String,
    suffix: String,
    query: Option<(String, Option<String>)>,
    header: Option<(String, String)>,
    busier: usize,
    skip: usize,
    times: usize,
}

impl When {
    /// Every request, once.
    pub fn any() -> When {
        When {
            op: None,
            method: None,
            bucket: None,
            key: None,
            prefix: String::new(),
            suffix: String::new(),
            query: None,
            header: None,
            busier: 0,
            skip: 0,
            times: 1,
        }
    }

    /// Requests of this kind, once.
    pub fn op(op: Op) -> When {
        When { op: Some(op), ..When::any() }
    }

    pub fn method(self, method: &str) -> When {
        When { method: Some(method.to_owned()), ..self }
    }

    pub fn bucket(self, bucket: &str) -> When {
        When { bucket: Some(bucket.to_owned()), ..self }
    }

    pub fn key(self, key: &str) -> When {
        When { key: Some(key.to_owned()), ..self }
    }

    pub fn key_prefix(self, prefix: &str) -> When {
        When { prefix: prefix.to_owned(), ..self }
    }

    pub fn key_suffix(self, suffix: &str) -> When {
        When { suffix: suffix.to_owned(), ..self }
    }

    /// The query has this name, and this value if one is said.
    pub fn query(self, name: &str, value: Option<&str>) -> When {
        When { query: Some((name.to_owned(), value.map(str::to_owned))), ..self }
    }

    /// A header's value contains this.
    pub fn header(self, name: &str, contains: &str) -> When {
        When { header: Some((name.to_owned(), contains.to_owned())), ..self }
    }

    /// More than so many requests are in flight, this one counted: a service that slows its clients down.
    pub fn busier(self, than: usize) -> When {
        When { busier: than, ..self }
    }

    /// The first so many that match pass.
    pub fn skip(self, skip: usize) -> When {
        When { skip, ..self }
    }

    /// Acts so many times, then no more.
    pub fn times(self, times: usize) -> When {
        When { times, ..self }
    }

    /// Acts without end.
    pub fn always(self) -> When {
        self.times(usize::MAX)
    }

    fn holds(&self, request: &Request, in_flight: usize) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let query = |(name, value): &(String, Option<String>)| {
            request.query(name).is_some_and(|found| value.as_deref().is_none_or(|value| value == found))
        };
        in_flight > self.busier
            && self.op.is_none_or(|op| op == request.op)
            && is(&self.method, &request.method)
            && is(&self.bucket, &request.bucket)
            && is(&self.key, &request.key)
            && request.key.starts_with(&self.prefix)
            && request.key.ends_with(&self.suffix)
            && self.query.as_ref().is_none_or(query)
            && self
                .header
                .as_ref()
                .is_none_or(|(name, part)| request.header(name).is_some_and(|value| value.contains(part)))
    }
}

/// The plans of a server. The first that matches and is not used up acts; a request that is passed by `skip` is
/// counted by that plan and looked at by the next.
#[derive(Debug, Default)]
pub struct Faults {
    plans: Mutex<Vec<Plan>>,
}

#[derive(Debug)]
struct Plan {
    when: When,
    action: Action,
    seen: usize,
    fired: usize,
}

impl Faults {
    /// One more plan, after the others.
    pub fn add(&self, when: When, action: Action) {
        self.lock().push(Plan { when, action, seen: 0, fired: 0 });
    }

    /// Forgets all plans.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How often plans have acted.
    pub fn fired(&self) -> usize {
        self.lock().iter().map(|plan| plan.fired).sum()
    }

    /// What happens to a request that is one of so many in flight.
    pub fn pick(&self, request: &Request, in_flight: usize) -> Option<Action> {
        for plan in self.lock().iter_mut().filter(|plan| plan.fired < plan.when.times) {
            if plan.when.holds(request, in_flight) {
                plan.seen += 1;
                if plan.seen > plan.when.skip {
                    plan.fired += 1;
                    return Some(plan.action.clone());
                }
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Plan>> {
        self.plans.lock().expect("no holder of the plans' lock panics")
    }
}
