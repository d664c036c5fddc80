//! All live grants: an explicit map with an end for each, bounded by count and bytes.

use super::{Grant, Recipe, Source, Token};
use crate::config;
use crate::error::Error;
use crate::oci::{Code, Digest};
use crate::pull::Demand;
use crate::state::{Key, State};
use metrics::Gauge;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long an expired token is remembered: it is refused as expired and not as unknown, and a pull that was
/// under way when it ended may finish.
pub const LINGER: Duration = Duration::from_secs(15 * 60);

/// What a grant takes beside its recipe.
const OVERHEAD: u64 = 512;

/// The longest we send a client away for when there is no room.
const RETRY: Duration = Duration::from_secs(300);

/// The grants of all tokens. Cheap to clone. What a token is mapped to is on disk before anybody learns the
/// token, and no live token is given up for another.
#[derive(Clone)]
pub struct Grants(Arc<Shared>);

/// What is known of a token.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is valid.
    Live(Arc<Grant>),
    /// It was valid less than [`LINGER`] ago.
    Expired {
        /// When it ended.
        since: SystemTime,
        /// What it stood for.
        grant: Arc<Grant>,
    },
    /// Never given out, or forgotten.
    Unknown,
}

/// What a sweep leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Grants removed.
    pub removed: usize,
    /// Inline layers that grants still need. A layer spooled for a token that is being minted is not among
    /// them yet, so young files are to be spared.
    pub spooled: BTreeSet<Digest>,
}

struct Shared {
    state: State,
    limits: config::Tokens,
    live: Gauge,
    bytes: Gauge,
    map: Mutex<Map>,
}

#[derive(Default)]
struct Map {
    grants: HashMap<Key, (Arc<Grant>, Key)>,
    ends: BTreeSet<(SystemTime, Key)>,
    recipes: HashMap<Key, Held>,
    bytes: u64,
}

/// A recipe, kept and counted once for all grants that share it.
struct Held {
    recipe: Arc<Recipe>,
    weight: u64,
    uses: usize,
}

impl Grants {
    /// The grants in `state`. A token without a containerConfig of its own stands for the default recipe as it
    /// is now: the layer it was minted with may have been replaced.
    pub fn load(state: State, limits: &config::Tokens, default: &Recipe) -> Grants {
        let mut map = Map::default();
        for (key, mut grant) in state.load_grants() {
            if grant.demand == Demand::Default {
                grant.recipe =
                    Arc::new(Recipe { platforms: grant.recipe.platforms.clone(), ..default.clone() });
            }
            let weighed = Weighed::of(&grant.recipe);
            map.insert(key, grant, weighed);
        }
        let shared = Shared {
            state,
            limits: limits.clone(),
            live: metrics::gauge!("wave_grants"),
            bytes: metrics::gauge!("wave_grants_bytes"),
            map: Mutex::new(map),
        };
        shared.publish(&shared.lock());
        Grants(Arc::new(shared))
    }

    /// A new token for `grant`, which ends after `wave.tokens.duration`. 429 when there is no room, 503 when
    /// it cannot be written down.
    pub async fn mint(&self, grant: Grant, now: SystemTime) -> Result<(Token, Arc<Grant>), Error> {
        let token = Token::mint().map_err(|error| {
            Error::internal("no token can be made").with_source(format!("random source: {error}"))
        })?;
        let key = token.hash();
        let expires = Some(now + self.0.limits.duration);
        let (grant, lapsed) = self.0.admit(key, Grant { expires, ..grant }, now)?;
        // Whoever leaves while this is written leaves a token that nobody knows; it ends like any other.
        let written = async {
            if !lapsed.is_empty() {
                self.0.state.delete_grants(lapsed).await?;
            }
            self.0.state.put_grant(key, grant.clone()).await
        };
        if let Err(error) = written.await {
            let mut map = self.0.lock();
            map.remove(&key);
            self.0.publish(&map);
            return Err(error);
        }
        Ok((token, grant))
    }

    /// What `token` stands for at `now`.
    pub fn find(&self, token: &Token, now: SystemTime) -> Found {
        let map = self.0.lock();
        let Some((grant, _)) = map.grants.get(&token.hash()) else { return Found::Unknown };
        let (grant, end) = (grant.clone(), end(grant));
        match now.duration_since(end) {
            Err(_) => Found::Live(grant),
            Ok(past) if past < LINGER => Found::Expired { since: end, grant },
            Ok(_) => Found::Unknown,
        }
    }

    /// Removes what ended more than [`LINGER`] ago, here and on disk.
    pub async fn sweep(&self, now: SystemTime) -> Result<Swept, Error> {
        let (keys, spooled) = {
            let mut map = self.0.lock();
            let keys = map.take_ended(now.checked_sub(LINGER).unwrap_or(UNIX_EPOCH));
            self.0.publish(&map);
            let recipes = map.recipes.values().flat_map(|held| &held.recipe.layers);
            let spooled = recipes.filter(|layer| layer.source == Source::Spooled);
            (keys, spooled.map(|layer| layer.digest).collect())
        };
        let removed = keys.len();
        if removed > 0 {
            self.0.state.delete_grants(keys).await?;
        }
        Ok(Swept { removed, spooled })
    }
}

impl Shared {
    /// Makes room for a grant and takes it in; expired ones that only linger go first. Returns it, and what
    /// went.
    fn admit(&self, key: Key, grant: Grant, now: SystemTime) -> Result<(Arc<Grant>, Vec<Key>), Error> {
        let weighed = Weighed::of(&grant.recipe);
        let mut map = self.lock();
        let mut lapsed = Vec::new();
        if !map.fits(weighed, &self.limits) {
            lapsed = map.take_ended(now);
        }
        if !map.fits(weighed, &self.limits) {
            let next = map.ends.first().and_then(|(end, _)| end.duration_since(now).ok());
            let wait = next.unwrap_or(RETRY).clamp(Duration::from_secs(1), RETRY);
            let message = "too many container tokens are in use; try again later";
            return Err(Error::client(Code::TooManyRequests, message).with_retry_after(wait));
        }
        let grant = map.insert(key, grant, weighed);
        self.publish(&map);
        Ok((grant, lapsed))
    }

    fn lock(&self) -> MutexGuard<'_, Map> {
        self.map.lock().expect("nothing panics while it holds this")
    }

    fn publish(&self, map: &Map) {
        self.live.set(map.grants.len() as f64);
        self.bytes.set(map.bytes as f64);
    }
}

impl Map {
    fn fits(&self, recipe: Weighed, limits: &config::Tokens) -> bool {
        let weight = if self.recipes.contains_key(&recipe.key) { 0 } else { recipe.weight };
        self.grants.len() < limits.max_count && self.bytes + weight + OVERHEAD <= limits.max_bytes
    }

    fn insert(&mut self, key: Key, mut grant: Grant, recipe: Weighed) -> Arc<Grant> {
        let Weighed { key: recipe_key, weight } = recipe;
        let held = self.recipes.entry(recipe_key).or_insert_with(|| {
            self.bytes += weight;
            Held { recipe: grant.recipe.clone(), weight, uses: 0 }
        });
        held.uses += 1;
        grant.recipe = held.recipe.clone();
        self.bytes += OVERHEAD;
        let grant = Arc::new(grant);
        self.ends.insert((end(&grant), key));
        self.grants.insert(key, (grant.clone(), recipe_key));
        grant
    }

    fn remove(&mut self, key: &Key) {
        let Some((grant, recipe)) = self.grants.remove(key) else { return };
        self.ends.remove(&(end(&grant), *key));
        self.bytes -= OVERHEAD;
        let held = self.recipes.get_mut(&recipe).expect("kept as long as a grant uses it");
        held.uses -= 1;
        if held.uses == 0 {
            self.bytes -= held.weight;
            self.recipes.remove(&recipe);
        }
    }

    fn take_ended(&mut self, before: SystemTime) -> Vec<Key> {
        let ended: Vec<Key> =
            self.ends.iter().take_while(|(end, _)| *end <= before).map(|(_, key)| *key).collect();
        ended.iter().for_each(|key| self.remove(key));
        ended
    }
}

/// A name for a recipe's text, and what the recipe takes: its text and the inline layers on disk. Making one costs
/// time, so it is made before the map is locked.
#[derive(Clone, Copy)]
struct Weighed {
    key: Key,
    weight: u64,
}

impl Weighed {
    fn of(recipe: &Recipe) -> Weighed {
        let text = serde_json::to_vec(recipe).expect("a recipe is plain JSON");
        let spooled = recipe.layers.iter().filter(|layer| layer.source == Source::Spooled);
        let weight = text.len() as u64 + spooled.map(|layer| layer.size).sum::<u64>();
        Weighed { key: Digest::sha256(text).raw().try_into().expect("sha256 has 32 bytes"), weight }
    }
}

fn end(grant: &Grant) -> SystemTime {
    grant.expires.unwrap_or(UNIX_EPOCH)
}

impl std::fmt::Debug for Grants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grants").field("live", &self.0.lock().grants.len()).finish()
    }
}

#[cfg(test)]
mod tests;
