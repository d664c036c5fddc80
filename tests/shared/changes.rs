//! What may differ between a document and its augmented form; everything else is the same, byte by byte.

use super::edits::{Edit, Kind, edits};
use super::json::{Node, parse};

const BASE: [&str; 2] = ["org.opencontainers.image.base.digest", "org.opencontainers.image.base.name"];

/// Asserts that a manifest has become this one, and differs in what it must alone: the config, one more layer, what it
/// is made from (OCI), and no `subject`.
#[track_caller]
pub(crate) fn of_a_manifest(before: &[u8], after: &[u8], is_docker: bool) {
    let document = parse(text(before));
    let config = document.get("config").expect("a manifest has a config");
    let layers = document.get("layers").map_or(0, |layers| layers.items().len());
    let mut must = described("config", config);
    must.push((Kind::Added, format!("layers/{layers}")));
    must.extend(document.get("subject").map(|_| (Kind::Removed, "subject".to_owned())));
    if !is_docker {
        match document.get("annotations") {
            None => must.push((Kind::Added, "annotations".to_owned())),
            Some(null) if null.text == "null" => must.push((Kind::Changed, "annotations".to_owned())),
            Some(annotations) => must.extend(BASE.map(|name| {
                let kind = if annotations.get(name).is_some() { Kind::Changed } else { Kind::Added };
                (kind, format!("annotations/{name}"))
            })),
        }
    }
    compare(&edits(before, after), must, |path| path == "config/size");
}

/// Asserts that an index has become this one, and differs in what it must alone: the entries at these places have
/// other content, those at these are gone, and so is `subject`.
#[track_caller]
pub(crate) fn of_an_index(before: &[u8], after: &[u8], changed: &[usize], removed: &[usize]) {
    let document = parse(text(before));
    let entries = document.get("manifests").expect("an index has entries").items();
    let mut must: Vec<_> =
        changed.iter().flat_map(|place| described(&format!("manifests/{place}"), &entries[*place])).collect();
    must.extend(removed.iter().map(|place| (Kind::Removed, format!("manifests/{place}"))));
    must.extend(document.get("subject").map(|_| (Kind::Removed, "subject".to_owned())));
    let is_size = |path: &str| {
        path.split_once('/')
            .and_then(|(_, path)| path.split_once('/'))
            .is_some_and(|(_, name)| name == "size")
    };
    compare(&edits(before, after), must, is_size);
}

/// Asserts that a config has become this one, and differs in what it may alone: one more diff id, one more step of the
/// history where that accounts for the layers, and of `config` what a recipe sets.
#[track_caller]
pub(crate) fn of_a_config(before: &[u8], after: &[u8]) {
    let document = parse(text(before));
    let list = document.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids"));
    let ids = list.map_or(0, |list| list.items().len());
    let mut must = vec![match list {
        Some(list) if list.text != "null" => (Kind::Added, format!("rootfs/diff_ids/{ids}")),
        Some(_) => (Kind::Changed, "rootfs/diff_ids".to_owned()),
        None => (Kind::Added, "rootfs/diff_ids".to_owned()),
    }];
    if let Some(history) = document.get("history").filter(|history| history.text != "null") {
        let is_empty = |step: &&Node<'_>| step.get("empty_layer").is_some_and(|empty| empty.text == "true");
        let steps = history.items();
        let filled = steps.len() - steps.iter().filter(is_empty).count();
        must.extend((filled == ids).then(|| (Kind::Added, format!("history/{}", steps.len()))));
    }
    let (process, found): (Vec<_>, Vec<_>) = edits(before, after).into_iter().partition(is_of_the_process);
    compare(&found, must, |_| false);
    assert!(!process.is_empty(), "the entry point is the layer's");
}

/// What changes in a descriptor with its content. Two contents may have the same size.
fn described(path: &str, descriptor: &Node<'_>) -> Vec<(Kind, String)> {
    let names = ["digest", "data"].into_iter().filter(|name| descriptor.get(name).is_some());
    names.map(|name| (Kind::Changed, format!("{path}/{name}"))).collect()
}

/// A whole `config`, its settings that a recipe knows, and single variables; nothing of it is ever removed.
fn is_of_the_process(edit: &Edit) -> bool {
    let known = ["config", "config/Entrypoint", "config/Cmd", "config/Env", "config/WorkingDir"];
    let is_known = known.contains(&edit.path.as_str()) || edit.path.starts_with("config/Env/");
    is_known && edit.kind != Kind::Removed
}

#[track_caller]
fn compare(found: &[Edit], mut must: Vec<(Kind, String)>, may: impl Fn(&str) -> bool) {
    let may = |edit: &&Edit| !(edit.kind == Kind::Changed && may(&edit.path));
    let mut found: Vec<_> = found.iter().filter(may).map(|edit| (edit.kind, edit.path.clone())).collect();
    found.sort();
    must.sort();
    assert_eq!(found, must, "what was found, what must be");
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("JSON is UTF-8")
}
