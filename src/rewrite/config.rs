//! Image configs (image-spec, config.md; Docker's is a superset).

use super::edit::{Edits, Tail};
use super::fields::{Doc, Value, Wanted};
use super::index::named;
pub use super::process::{ENTRY_CHAIN, chain};
use super::refusal::Refusal;
use super::splice::Spliced;
use super::{process, text};
use crate::grant::{Layer, Recipe};
use crate::oci::Platform;

/// What has to be known of a config to decide whether and how an image is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// For which platform the image is: the truth, whatever an index says.
    pub platform: Platform,
    /// How many layers the root file system has; `None` when it is not made of layers.
    pub layers: Option<usize>,
}

/// What changes in a config.
#[derive(Clone, Debug)]
pub struct Change<'c> {
    /// Entry point, command, environment, working directory.
    pub recipe: &'c Recipe,
    /// The appended layers: those of the recipe that fit.
    pub layers: &'c [&'c Layer],
}

const WANTED: Wanted<7> =
    Wanted::fields(["os", "architecture", "variant", "created", "config", "rootfs", "history"]);
const ROOTFS: Wanted<2> = Wanted::fields(["type", "diff_ids"]);
const STEP: Wanted<1> = Wanted::fields(["empty_layer"]);
/// `created` of our history entries when the base does not say when it was made.
const EPOCH: &str = "\"1970-01-01T00:00:00Z\"";

/// Reads a config.
pub fn read(doc: &Doc<'_>) -> Result<Config, Refusal> {
    let fields = doc.root().object(&WANTED)?;
    let layers = fields.value(5).map(diff_ids).transpose()?.flatten();
    Ok(Config { platform: named(&fields)?, layers: layers.map(|ids| ids.count) })
}

/// The config with diff ids and history of the appended layers and with the recipe's process settings.
pub fn apply(doc: &Doc<'_>, change: &Change<'_>, limit: usize) -> Result<Spliced, Refusal> {
    let fields = doc.root().object(&WANTED)?;
    let rootfs = fields.value(5).ok_or(Refusal::Missing("rootfs"))?;
    let ids = diff_ids(rootfs)?.ok_or(Refusal::Form("rootfs"))?;
    let mut edits = Edits::new(doc, limit);
    ids.append(&mut edits, change.layers);
    // A client that counts must not find a mismatch that was not there: where the base's history does not account for
    // its layers, it stays.
    if let Some(history) = fields.value(6)
        && filled(history)? == ids.count
    {
        let created = fields.value(3).filter(|created| created.string("created").is_ok());
        let created = created.map_or(EPOCH, Value::text);
        edits
            .append(history, |tail| change.layers.iter().for_each(|layer| step(tail.item(), layer, created)));
    }
    let recipe = change.recipe;
    match (fields.value(4), fields.member(4)) {
        (Some(config), _) => process::apply(config, recipe, &mut edits)?,
        (None, _) if process::is_left(recipe) => {}
        (None, Some(null)) => edits.replace(null.value, |texts| process::fresh(texts, recipe)),
        (None, None) => edits.append(fields.whole, |tail| process::fresh(tail.member("config"), recipe)),
    }
    edits.splice()
}

/// The diff ids of a root file system.
struct DiffIds<'a> {
    rootfs: Value<'a>,
    /// As written, if they are.
    ids: Option<Value<'a>>,
    /// How many there are.
    count: usize,
}

/// The diff ids; `None` when the root file system is not made of layers. Docker leaves the list out where it is empty.
fn diff_ids(rootfs: Value<'_>) -> Result<Option<DiffIds<'_>>, Refusal> {
    let fields = rootfs.object(&ROOTFS)?;
    let kind = fields.value(0).map(|value| value.string("type")).transpose()?;
    if kind.as_deref() != Some("layers") {
        return Ok(None);
    }
    let ids = fields.member(1).map(|member| member.value);
    let count = ids.filter(|ids| !ids.is_null()).map_or(Ok(0), |ids| ids.count("diff_ids"))?;
    Ok(Some(DiffIds { rootfs, ids, count }))
}

impl DiffIds<'_> {
    /// Puts those of `layers` at the end of them.
    fn append(&self, edits: &mut Edits<'_>, layers: &[&Layer]) {
        let each = |tail: &mut Tail<'_>| {
            layers.iter().for_each(|layer| text::digest(tail.item(), &layer.diff_id));
        };
        match self.ids {
            Some(ids) => edits.extend(ids, each),
            None if layers.is_empty() => {}
            None => edits.append(self.rootfs, |tail| text::array(tail.member("diff_ids"), each)),
        }
    }
}

/// How many build steps made a layer, by the history.
fn filled(history: Value<'_>) -> Result<usize, Refusal> {
    let mut filled = 0;
    for entry in history.items("history")? {
        let empty = entry.object(&STEP)?.value(0);
        filled += usize::from(empty.is_none_or(|empty| empty.text() != "true"));
    }
    Ok(filled)
}

/// The history entry of an appended layer; `created` is JSON.
fn step(texts: &mut Vec<u8>, layer: &Layer, created: &str) {
    text::object(texts, |tail| {
        tail.member("created").extend_from_slice(created.as_bytes());
        text::plain(tail.member("created_by"), &["wave: append ", &layer.digest.to_string()]);
        text::plain(tail.member("comment"), &["wave"]);
    });
}

#[cfg(test)]
mod tests;
