//! The tables of the file and the changes made to them. Blocking; called from the writer's thread and from
//! blocking tasks only.

use super::Root;
use super::record::{GrantRecord, Key, RootRecord, hash};
use crate::auth::AccessKey;
use crate::grant::{Grant, Recipe, Source};
use crate::oci::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redb::{
    Database, ReadTransaction, ReadableTable as _, ReadableTableMetadata as _, TableDefinition,
    WriteTransaction,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Layout of the records below; another number is refused.
const FORMAT: &str = "wave-state/2";

/// `format`, and `access-key`, which is of use only together with the roots that are filed under its codes.
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
/// SHA-256 of the token -> (recipe, grant). The token itself is nowhere.
const GRANTS: TableDefinition<'_, &Key, (&Key, &[u8])> = TableDefinition::new("grants");
/// SHA-256 of the text -> the recipe as JSON. Keyed by the text and not by the recipe's identity, which leaves
/// out where the bytes of a layer are.
const RECIPES: TableDefinition<'_, &Key, &[u8]> = TableDefinition::new("recipes");
/// Hash of the record without digests -> (recipe, milliseconds written, root).
const ROOTS: TableDefinition<'_, &Key, (&Key, u64, &[u8])> = TableDefinition::new("roots");
/// Roots by age: (milliseconds written, root).
const AGES: TableDefinition<'_, (u64, &Key), ()> = TableDefinition::new("ages");
/// Served digest -> the root written last that yields it. It is also the one swept last, so a digest is
/// forgotten only with the last root that yields it.
const PLACES: TableDefinition<'_, &Key, &Key> = TableDefinition::new("places");

type Result<T> = std::result::Result<T, redb::Error>;

/// How many records there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) grants: u64,
    pub(super) roots: u64,
}

pub(super) enum Refused {
    Version(String),
    Random(getrandom::Error),
    Storage(Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for Refused {
    fn from(error: E) -> Refused {
        Refused::Storage(Box::new(error.into()))
    }
}

/// Creates the tables of a new file; refuses one with another layout.
pub(super) fn check(database: &Database) -> std::result::Result<(), Refused> {
    let write = database.begin_write()?;
    {
        let mut meta = write.open_table(META)?;
        let found = meta.get("format")?.map(|value| value.value().to_string());
        match found.as_deref() {
            Some(FORMAT) => {}
            Some(other) => return Err(Refused::Version(other.into())),
            None => {
                meta.insert("format", FORMAT)?;
            }
        }
        if meta.get("access-key")?.is_none() {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(Refused::Random)?;
            meta.insert("access-key", &*STANDARD.encode(bytes))?;
        }
        write.open_table(GRANTS)?;
        write.open_table(RECIPES)?;
        write.open_table(ROOTS)?;
        write.open_table(AGES)?;
        write.open_table(PLACES)?;
    }
    Ok(write.commit()?)
}

/// What tells callers apart.
pub(super) fn access_key(read: &ReadTransaction) -> Result<AccessKey> {
    let meta = read.open_table(META)?;
    let text = meta.get("access-key")?.map(|value| value.value().to_string());
    let bytes = STANDARD.decode(text.unwrap_or_default()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(|bytes| AccessKey::new(&bytes)).ok_or_else(|| corrupt("the access key is none"))
}

/// Writes something that means nothing.
pub(super) fn probe(write: &WriteTransaction, now: u64) -> Result<()> {
    write.open_table(META)?.insert("probe", &*now.to_string())?;
    Ok(())
}

pub(super) fn counts(write: &WriteTransaction) -> Result<Counts> {
    Ok(Counts { grants: write.open_table(GRANTS)?.len()?, roots: write.open_table(ROOTS)?.len()? })
}

pub(super) fn put_grant(write: &WriteTransaction, key: &Key, grant: &Grant) -> Result<()> {
    let recipe = put_recipe(write, &grant.recipe)?;
    write.open_table(GRANTS)?.insert(key, (&recipe, &*json(&GrantRecord::new(grant))))?;
    Ok(())
}

pub(super) fn delete_grants(write: &WriteTransaction, keys: &[Key]) -> Result<()> {
    let mut grants = write.open_table(GRANTS)?;
    for key in keys {
        grants.remove(key)?;
    }
    Ok(())
}

/// Writes a root and the way to it. `false` when it was there already and is younger than `fresh`
/// milliseconds: then nothing changed and nothing has to reach the disk.
pub(super) fn put_root(
    write: &WriteTransaction,
    root: &Root,
    recipe: &Recipe,
    digests: &[Digest],
    now: u64,
    fresh: u64,
) -> Result<bool> {
    let recipe = put_recipe(write, recipe)?;
    let record = RootRecord::new(root, digests.to_vec());
    let text = json(&record);
    let key = hash([&recipe[..], &json(&RootRecord::new(root, Vec::new()))[..]].concat());
    let mut roots = write.open_table(ROOTS)?;
    let mut ages = write.open_table(AGES)?;
    let old = roots.get(&key)?.map(|row| (row.value().1, row.value().2 == &*text));
    if let Some((written, same)) = old {
        if same && now.saturating_sub(written) < fresh {
            return Ok(false);
        }
        ages.remove((written, &key))?;
    }
    roots.insert(&key, (&recipe, now, &*text))?;
    ages.insert((now, &key), ())?;
    let mut places = write.open_table(PLACES)?;
    for digest in &record.digests {
        places.insert(&record.place(digest), &key)?;
    }
    Ok(true)
}

/// Removes roots written before `before`, and the oldest beyond `limit`. Returns how many went.
pub(super) fn trim_roots(write: &WriteTransaction, before: u64, limit: u64) -> Result<u64> {
    let mut roots = write.open_table(ROOTS)?;
    let mut ages = write.open_table(AGES)?;
    let mut places = write.open_table(PLACES)?;
    let mut removed = 0;
    loop {
        let Some((written, key)) = ages.first()?.map(|(age, _)| (age.value().0, *age.value().1)) else {
            break;
        };
        if written >= before && roots.len()? <= limit {
            break;
        }
        ages.remove((written, &key))?;
        let record =
            roots.remove(&key)?.and_then(|row| serde_json::from_slice::<RootRecord>(row.value().2).ok());
        for digest in record.iter().flat_map(|record| &record.digests) {
            let place = record.as_ref().expect("it has digests").place(digest);
            let ours = places.get(&place)?.is_some_and(|root| root.value() == &key);
            if ours {
                places.remove(&place)?;
            }
        }
        removed += 1;
    }
    Ok(removed)
}

/// Removes recipes that neither a grant nor a root needs. Returns how many went. Looks at every grant and root.
pub(super) fn trim_recipes(write: &WriteTransaction) -> Result<u64> {
    let mut needed: HashSet<Key> = HashSet::new();
    for row in write.open_table(GRANTS)?.iter()? {
        needed.insert(*row?.1.value().0);
    }
    for row in write.open_table(ROOTS)?.iter()? {
        needed.insert(*row?.1.value().0);
    }
    let mut recipes = write.open_table(RECIPES)?;
    let before = recipes.len()?;
    recipes.retain(|key, _| needed.contains(key))?;
    Ok(before - recipes.len()?)
}

/// The root that the digest at `place` came from.
pub(super) fn root(read: &ReadTransaction, place: &Key) -> Result<Option<(Root, Arc<Recipe>)>> {
    let Some(key) = read.open_table(PLACES)?.get(place)?.map(|key| *key.value()) else { return Ok(None) };
    let roots = read.open_table(ROOTS)?;
    let row = roots.get(&key)?.ok_or_else(|| corrupt("a digest leads to no root"))?;
    let (recipe, _, text) = row.value();
    let record: RootRecord = serde_json::from_slice(text).map_err(corrupt)?;
    let recipe = recipe_of(read, recipe)?;
    Ok(Some((record.root(&recipe), Arc::new(recipe))))
}

/// Calls `each` for every place.
pub(super) fn places(read: &ReadTransaction, mut each: impl FnMut(&Key)) -> Result<()> {
    for row in read.open_table(PLACES)?.iter()? {
        each(row?.0.value());
    }
    Ok(())
}

/// All grants. Equal recipes are shared.
pub(super) fn grants(read: &ReadTransaction) -> Result<Vec<(Key, Grant)>> {
    let mut recipes: HashMap<Key, Arc<Recipe>> = HashMap::new();
    let mut all = Vec::new();
    for row in read.open_table(GRANTS)?.iter()? {
        let (key, value) = row?;
        let (recipe_key, text) = value.value();
        let recipe = match recipes.get(recipe_key) {
            Some(recipe) => recipe.clone(),
            None => {
                let recipe = Arc::new(recipe_of(read, recipe_key)?);
                recipes.insert(*recipe_key, recipe.clone());
                recipe
            }
        };
        let record: GrantRecord = serde_json::from_slice(text).map_err(corrupt)?;
        all.push((*key.value(), record.grant(recipe)));
    }
    Ok(all)
}

/// The digests of all layers that were read from a file of the operator's and that a recipe still names.
pub(super) fn file_layers(read: &ReadTransaction) -> Result<BTreeSet<Digest>> {
    let mut found = BTreeSet::new();
    for row in read.open_table(RECIPES)?.iter()? {
        let recipe: Recipe = serde_json::from_slice(row?.1.value()).map_err(corrupt)?;
        let layers = recipe.layers.iter().filter(|layer| matches!(layer.source, Source::File(_)));
        found.extend(layers.map(|layer| layer.digest));
    }
    Ok(found)
}

fn put_recipe(write: &WriteTransaction, recipe: &Recipe) -> Result<Key> {
    let text = json(recipe);
    let key = hash(&text);
    let mut recipes = write.open_table(RECIPES)?;
    if recipes.get(&key)?.is_none() {
        recipes.insert(&key, &*text)?;
    }
    Ok(key)
}

fn recipe_of(read: &ReadTransaction, key: &Key) -> Result<Recipe> {
    let recipes = read.open_table(RECIPES)?;
    let text = recipes.get(key)?.ok_or_else(|| corrupt("a record names no recipe"))?;
    serde_json::from_slice(text.value()).map_err(corrupt)
}

fn json(record: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("records are plain JSON")
}

fn corrupt(what: impl ToString) -> redb::Error {
    redb::Error::Corrupted(what.to_string())
}
