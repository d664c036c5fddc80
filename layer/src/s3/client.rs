//! The client: attempts until one is answered, and what is learnt from those that are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use http::Method;
use tokio::time::timeout;

use super::attempt::Answer;
use super::call::{Call, Sums};
use super::checksum::{Ability, Sum};
use super::credentials::{Source, Store};
use super::error::{Error, Kind};
use super::limit::Limits;
use super::region::{self, Regions};
use super::retry::{Retry, Stop};
use super::verdict::{Refusal, Trouble};
use crate::config::aws::Aws;
use crate::net::http::{Fault, Http};

/// A client of S3. Clones share connections, credentials and all that was learnt.
#[derive(Clone, Debug)]
pub struct Client(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) aws: Aws,
    pub(super) http: Arc<Http>,
    pub(super) credentials: Store,
    pub(super) regions: Regions,
    pub(super) ability: Ability,
    limits: Limits,
    /// Seconds the servers' clocks are ahead of ours.
    skew: AtomicI64,
}

/// What came of a call.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<Answer, Error>,
    /// The server may have done what an attempt asked for without our knowing it, so a refusal may be for that.
    pub(super) doubtful: bool,
}

/// Corrections, each of which is made a few times at most for one call.
#[derive(Debug, Default)]
struct Corrections {
    region: u8,
    credentials: bool,
    clock: bool,
    sum: bool,
    stale: bool,
}

/// Regions named one after the other; a correct server needs one.
const MAX_REGIONS: u8 = 3;

impl Client {
    /// Reads no file and opens no connection.
    pub fn new(aws: Aws) -> Self {
        let http = Arc::new(Http::new(aws.bundles.clone()));
        let source = Source::new(http.clone(), aws.sources.clone(), aws.region.as_deref());
        Self(Arc::new(Inner {
            credentials: Store::new(source),
            regions: Regions::new(aws.region.as_deref()),
            ability: Ability::default(),
            limits: Limits::default(),
            skew: AtomicI64::new(0),
            aws,
            http,
        }))
    }

    /// Makes a call; all that can be repeated is.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Answer, Error> {
        self.0.call(call).await.result
    }
}

impl Inner {
    /// The time by the servers' clocks.
    pub(super) fn clock(&self) -> SystemTime {
        let skew = self.skew.load(Ordering::Relaxed);
        let by = Duration::from_secs(skew.unsigned_abs());
        let now = SystemTime::now();
        if skew < 0 { now.checked_sub(by).unwrap_or(now) } else { now + by }
    }

    pub(super) async fn call(&self, call: &Call<'_>) -> Outcome {
        let limit = self.limits.of(call.bucket);
        let mut retry = Retry::new();
        let mut corrections = Corrections::default();
        let mut sum = self.ability.sum();
        let mut doubtful = false;
        loop {
            let permit = limit.enter().await;
            let trouble = match timeout(retry.left(), self.attempt(call, sum)).await {
                Ok(Ok(answer)) => {
                    permit.succeeded();
                    if call.sums == Sums::Body {
                        self.ability.taken(sum);
                    }
                    return Outcome { result: Ok(answer), doubtful };
                }
                Ok(Err(trouble)) => trouble,
                Err(_) => {
                    let error = Error::new(
                        Kind::Timeout,
                        call.subject(),
                        "no answer before the deadline of five minutes",
                    );
                    return Outcome { result: Err(error), doubtful: true };
                }
            };
            let mut pause = None;
            match &trouble {
                Trouble::Refusal(refusal) => {
                    doubtful |= refusal.is_doubtful();
                    if refusal.kind() == Kind::Throttled {
                        permit.throttled();
                    }
                    if self.correct(call, refusal, &mut corrections, &mut sum).await {
                        continue;
                    }
                    if !refusal.is_passing() {
                        return Outcome { result: Err(trouble.into_error(&call.subject())), doubtful };
                    }
                    pause = refusal.pause;
                }
                Trouble::Fault(Fault::Connect(_)) => {}
                Trouble::Fault(Fault::Stale(_)) => {
                    doubtful = true;
                    if !std::mem::replace(&mut corrections.stale, true) {
                        continue;
                    }
                }
                Trouble::Fault(Fault::Broken(_) | Fault::Silent(_)) | Trouble::Cut(_) => doubtful = true,
                Trouble::Fault(Fault::Settings(_) | Fault::Untrusted(_))
                | Trouble::Credentials(_)
                | Trouble::Local(_) => {
                    return Outcome { result: Err(trouble.into_error(&call.subject())), doubtful };
                }
            }
            // Those that wait do not count as being under way.
            drop(permit);
            if let Err(stop) = retry.pause(pause).await {
                let error = trouble.into_error(&call.subject());
                let result = match stop {
                    Stop::Deadline if error.kind() != Kind::Throttled => {
                        Err(error.with(Kind::Timeout, "gave up after five minutes"))
                    }
                    Stop::Deadline => Err(error.with(Kind::Throttled, "gave up after five minutes")),
                    Stop::Attempts => Err(error.with(error.kind(), "gave up after ten attempts")),
                };
                return Outcome { result, doubtful };
            }
        }
    }

    /// Learns from a refusal; whether the next attempt is another one because of that.
    async fn correct(
        &self,
        call: &Call<'_>,
        refusal: &Refusal,
        corrections: &mut Corrections,
        sum: &mut Sum,
    ) -> bool {
        let code = refusal.code.as_deref();
        if region::is_misplaced(refusal.status, code) && corrections.region < MAX_REGIONS {
            corrections.region += 1;
            if self.relocate(call, refusal).await {
                return true;
            }
        }
        if !corrections.clock
            && let Some(theirs) = refusal.other_clock()
        {
            corrections.clock = true;
            let ours = SystemTime::now();
            let seconds = |by: Duration| i64::try_from(by.as_secs()).unwrap_or(0);
            let ahead = match theirs.duration_since(ours) {
                Ok(by) => seconds(by),
                Err(error) => -seconds(error.duration()),
            };
            // Many requests may be refused for one reason: each says the same, and none adds to it.
            self.skew.store(ahead, Ordering::Relaxed);
            return true;
        }
        if !corrections.credentials
            && let Some(age) = refusal.expiry(call.method == Method::HEAD)
        {
            corrections.credentials = true;
            if self.credentials.replace(&refusal.signed.found, age, self.clock()).await {
                return true;
            }
        }
        if !corrections.sum
            && call.sums != Sums::No
            && *sum == Sum::Crc64
            && self.ability.is_suspect(refusal.status, code)
        {
            corrections.sum = true;
            *sum = Sum::Md5;
            return true;
        }
        false
    }

    /// Finds a bucket's region out from a refusal, or by a question whose answer has a document: a HEAD's may say
    /// nothing but 400.
    async fn relocate(&self, call: &Call<'_>, refusal: &Refusal) -> bool {
        let signed = &refusal.signed.region;
        if let Some(region) = &refusal.region {
            return self.regions.learn(call.bucket, signed, region);
        }
        let mut question = Call::new("ListObjectsV2", Method::GET, call.bucket, None);
        question.ask("list-type", "2");
        question.ask("max-keys", "0");
        match self.attempt(&question, Sum::Crc64).await {
            Ok(answer) => region::named(&answer.head.headers, None)
                .is_some_and(|region| self.regions.learn(call.bucket, signed, &region)),
            Err(Trouble::Refusal(refusal)) => {
                refusal.region.is_some_and(|region| self.regions.learn(call.bucket, signed, &region))
            }
            Err(_) => false,
        }
    }
}
