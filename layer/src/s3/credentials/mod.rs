//! Credentials: where they come from, and when they are fetched again.
//!
//! Nothing is fetched before the first request that needs it; many requests wait for one fetch; a renewal begins
//! five minutes before the end, while the old ones still serve.

mod chain;
mod container;
mod fetch;
mod ini;
mod instance;
mod json;
mod profile;
mod sts;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::retry;
use crate::config::aws::Secret;
use chain::Chain;

/// Credentials of AWS.
#[derive(Clone)]
pub(super) struct Credentials {
    access: Box<str>,
    secret: Secret,
    token: Option<Secret>,
    expires: Option<SystemTime>,
}

impl Credentials {
    /// Credentials that do not end.
    pub(super) fn fixed(access: &str, secret: &str, token: Option<&str>) -> Self {
        Self {
            access: access.into(),
            secret: Secret::new(secret),
            token: token.map(Secret::new),
            expires: None,
        }
    }

    fn temporary(access: &str, secret: &str, token: &str, expires: Option<SystemTime>) -> Self {
        Self { expires, ..Self::fixed(access, secret, Some(token)) }
    }

    pub(super) fn access(&self) -> &str {
        &self.access
    }

    pub(super) fn secret(&self) -> &str {
        self.secret.reveal()
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(Secret::reveal)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access", &self.access).finish_non_exhaustive()
    }
}

/// What the chain has found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// None: requests are not signed.
    pub(super) credentials: Option<Credentials>,
    /// Why there are none, for the message of a request that is refused.
    pub(super) note: String,
}

/// How long before their end credentials are renewed, and by how much this varies among containers that began
/// together.
const EARLY: Duration = Duration::from_secs(300);
const JITTER: Duration = Duration::from_secs(60);

/// Credentials that end sooner than this are renewed at half of their life.
const SHORT: Duration = Duration::from_secs(600);

/// Without credentials, when the chain is asked again: soon at first, as their source may not have been ready, and then
/// after twice the time each.
const ANONYMOUS: std::ops::Range<Duration> = Duration::from_secs(5)..Duration::from_secs(300);

/// After a failure, when the chain is asked again. Until then everybody gets that failure.
const FAILURE: Duration = Duration::from_secs(2);

/// After an early renewal that failed.
const POSTPONE: Duration = Duration::from_secs(30);

/// Where no end is known.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

#[derive(Clone, Debug)]
struct Held {
    found: Arc<Found>,
    since: Instant,
    renew: Instant,
    end: Instant,
    life: Duration,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    failure: Option<(Instant, String)>,
}

/// The credentials of a client.
#[derive(Debug)]
pub(super) struct Store {
    chain: Chain,
    state: RwLock<State>,
    /// Held by the one who fetches.
    fetching: tokio::sync::Mutex<()>,
}

impl Store {
    pub(super) fn new(chain: Chain) -> Self {
        Self { chain, state: RwLock::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The credentials of now. `clock` is the time by the servers' clocks.
    pub(super) async fn get(&self, clock: SystemTime) -> Result<Arc<Found>, String> {
        let now = Instant::now();
        match self.held() {
            Some(held) if now < held.renew => Ok(held.found),
            Some(held) if now < held.end => {
                let Ok(_fetching) = self.fetching.try_lock() else { return Ok(held.found) };
                match self.ask(clock).await {
                    Ok(found) => Ok(self.keep(found, clock)),
                    Err(_) => {
                        let renew = Instant::now() + POSTPONE;
                        self.set(Held { renew, ..held.clone() });
                        Ok(held.found)
                    }
                }
            }
            _ => {
                let _fetching = self.fetching.lock().await;
                match self.held() {
                    // Somebody else has just fetched them.
                    Some(held) if Instant::now() < held.end => Ok(held.found),
                    _ => self.load(clock).await,
                }
            }
        }
    }

    /// Fetches others than those, which a server did not take, unless that was done already or they are younger
    /// than `age`. Whether there are others now.
    pub(super) async fn replace(&self, refused: &Arc<Found>, age: Duration, clock: SystemTime) -> bool {
        let _fetching = self.fetching.lock().await;
        match self.held() {
            Some(held) if !Arc::ptr_eq(&held.found, refused) => true,
            Some(held) if held.since.elapsed() < age => false,
            _ => self.load(clock).await.is_ok(),
        }
    }

    async fn load(&self, clock: SystemTime) -> Result<Arc<Found>, String> {
        let failure = self.state.read().expect("no panic holds the lock").failure.clone();
        if let Some((since, message)) = failure
            && since.elapsed() < FAILURE
        {
            return Err(message);
        }
        match self.ask(clock).await {
            Ok(found) => Ok(self.keep(found, clock)),
            Err(message) => {
                let mut state = self.state.write().expect("no panic holds the lock");
                state.failure = Some((Instant::now(), message.clone()));
                Err(message)
            }
        }
    }

    /// Asks the chain. Where there were credentials, none are a failure of their source and not an answer: nobody wants
    /// to go on without a signature.
    async fn ask(&self, clock: SystemTime) -> Result<Found, String> {
        let found = self.chain.load(clock).await?;
        let had = self.held().is_some_and(|held| held.found.credentials.is_some());
        if had && found.credentials.is_none() { Err(found.note) } else { Ok(found) }
    }

    fn keep(&self, found: Found, clock: SystemTime) -> Arc<Found> {
        let now = Instant::now();
        let expires = found.credentials.as_ref().map(|credentials| credentials.expires);
        let life = match expires {
            None => match self.held() {
                Some(held) => (held.life * 2).min(ANONYMOUS.end),
                None => ANONYMOUS.start,
            },
            Some(None) => FOREVER,
            // A source that serves old ones has no others; it is asked again soon.
            Some(Some(expires)) => expires.duration_since(clock).unwrap_or(POSTPONE).min(FOREVER),
        };
        let early = if life > SHORT { EARLY + JITTER.mul_f64(retry::random()) } else { life / 2 };
        let found = Arc::new(found);
        self.set(Held {
            found: found.clone(),
            since: now,
            renew: now + (life - early),
            end: now + life,
            life,
        });
        found
    }

    fn held(&self) -> Option<Held> {
        self.state.read().expect("no panic holds the lock").held.clone()
    }

    fn set(&self, held: Held) {
        let mut state = self.state.write().expect("no panic holds the lock");
        *state = State { held: Some(held), failure: None };
    }
}

pub(super) use chain::Chain as Source;
