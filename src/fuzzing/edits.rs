//! The edits of the rewriter, done on the model.

use super::model::Tree;
use crate::oci::Family;
use crate::rewrite::Spliced;
use crate::rewrite::config::{Change as ConfigChange, ENTRY_CHAIN};
use crate::rewrite::index::Replacements;
use crate::rewrite::manifest::Change as ManifestChange;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) fn manifest(mut tree: Tree, change: &ManifestChange<'_>) -> Tree {
    refer(tree.member_mut("config").expect("accepted"), change.config);
    let layers = tree.member_mut("layers").expect("accepted").items_mut();
    for layer in change.layers {
        let media = change.family.layer(layer.compression).expect("accepted");
        let text = serde_json::json!({"digest": layer.digest, "size": layer.size, "mediaType": media});
        let mut descriptor = Tree::Object(Vec::new());
        for name in ["mediaType", "size", "digest"] {
            descriptor.set(name, Tree::parse(&text[name].to_string()).expect("a scalar"));
        }
        layers.push(descriptor);
    }
    tree.remove("subject");
    if change.family == Family::Oci {
        if tree.member("annotations").is_none() {
            tree.set("annotations", Tree::Object(Vec::new()));
        }
        let annotations = tree.member_mut("annotations").expect("just set");
        annotations
            .set("org.opencontainers.image.base.digest", Tree::string(&change.base.digest.to_string()));
        annotations.set("org.opencontainers.image.base.name", Tree::string(change.base.name));
    }
    tree
}

pub(super) fn index(mut tree: Tree, replacements: &Replacements) -> Tree {
    let before = tree.clone();
    if let Some(Tree::List(entries)) = tree.member_mut("manifests") {
        entries.retain(|entry| !attested(entry).is_some_and(|digest| names(replacements, &digest)));
        for entry in entries {
            let digest = entry.member("digest").and_then(Tree::as_string).expect("accepted");
            if let Some(new) = digest.parse().ok().and_then(|digest| replacements.get(&digest)) {
                refer(entry, new);
            }
        }
    }
    if tree != before {
        tree.remove("subject");
    }
    tree
}

pub(super) fn config(mut tree: Tree, change: &ConfigChange<'_>) -> Tree {
    let recipe = change.recipe;
    let rootfs = tree.member_mut("rootfs").expect("accepted");
    if rootfs.member_mut("diff_ids").is_none() && !change.layers.is_empty() {
        rootfs.set("diff_ids", Tree::List(Vec::new()));
    }
    let layers = rootfs.member("diff_ids").map_or(0, |ids| ids.items().len());
    for layer in change.layers {
        rootfs
            .member_mut("diff_ids")
            .expect("just set")
            .items_mut()
            .push(Tree::string(&layer.diff_id.to_string()));
    }
    let created = tree.member("created").filter(|created| created.as_string().is_some()).cloned();
    let created = created.unwrap_or_else(|| Tree::string("1970-01-01T00:00:00Z"));
    let literal = |name: &str| Tree::Scalar(name.to_string());
    if let Some(Tree::List(history)) = tree.member_mut("history") {
        let empty =
            history.iter().filter(|entry| entry.member("empty_layer") == Some(&literal("true"))).count();
        if history.len() - empty == layers {
            for layer in change.layers {
                let mut entry = Tree::Object(Vec::new());
                entry.set("created", created.clone());
                entry.set("created_by", Tree::string(&format!("wave: append {}", layer.digest)));
                entry.set("comment", Tree::string("wave"));
                history.push(entry);
            }
        }
    }
    if tree.member("config").is_none() {
        tree.set("config", Tree::Object(Vec::new()));
    }
    let process = tree.member_mut("config").expect("just set");
    let old = match process.member("Entrypoint") {
        None => Vec::new(),
        Some(Tree::Scalar(text)) => {
            let word: String = serde_json::from_str(text).expect("accepted");
            if word.is_empty() { Vec::new() } else { vec![word] }
        }
        Some(list) => list.items().iter().map(|word| word.as_string().expect("accepted")).collect(),
    };
    let had_chain = !chains_of(process).is_empty();
    let keeps = if recipe.entrypoint.is_empty() { had_chain } else { recipe.entrypoint == old };
    let mut env = recipe.env.clone();
    if !old.is_empty() && !keeps {
        env.push(match &old[..] {
            [word] if !word.is_empty() && !word.starts_with('[') => format!("{ENTRY_CHAIN}={word}"),
            words => format!("{ENTRY_CHAIN}={}", serde_json::Value::from(words)),
        });
    }
    let is_set = env.iter().any(|line| key(line) == ENTRY_CHAIN);
    if !recipe.entrypoint.is_empty() && old.is_empty() && had_chain && !is_set {
        env.push(format!("{ENTRY_CHAIN}="));
    }
    for (name, words) in [("Entrypoint", &recipe.entrypoint), ("Cmd", &recipe.cmd)] {
        if !words.is_empty() {
            process.set(name, Tree::strings(words));
        }
    }
    if process.member("Env").is_none() {
        process.set("Env", Tree::List(Vec::new()));
    }
    let lines = process.member_mut("Env").expect("just set").items_mut();
    for line in &env {
        let mut found = false;
        for own in lines.iter_mut().filter(|own| key(&own.as_string().expect("accepted")) == key(line)) {
            (*own, found) = (Tree::string(line), true);
        }
        if !found {
            lines.push(Tree::string(line));
        }
    }
    if let Some(directory) = &recipe.working_dir {
        process.set("WorkingDir", Tree::string(directory));
    }
    tree
}

/// The entry chains of a config.
pub(super) fn chains(config: &Tree) -> Vec<String> {
    config.member("config").map(chains_of).unwrap_or_default()
}

fn chains_of(process: &Tree) -> Vec<String> {
    let lines = process.member("Env").map(Tree::items).unwrap_or_default().iter().filter_map(Tree::as_string);
    lines.filter(|line| key(line) == ENTRY_CHAIN).collect()
}

fn refer(descriptor: &mut Tree, content: &Spliced) {
    descriptor.set("digest", Tree::string(&content.digest.to_string()));
    descriptor.set("size", Tree::Scalar(content.bytes.len().to_string()));
    if descriptor.member("data").is_some() {
        descriptor.set("data", Tree::string(&STANDARD.encode(&content.bytes)));
    }
}

/// The digest an attestation speaks of.
fn attested(entry: &Tree) -> Option<String> {
    let platform = entry.member("platform")?;
    for name in ["os", "architecture"] {
        if platform.member(name)?.as_string()? != "unknown" {
            return None;
        }
    }
    let annotations = entry.member("annotations")?;
    annotations.member("vnd.docker.reference.type")?;
    annotations.member("vnd.docker.reference.digest")?.as_string()
}

fn names(replacements: &Replacements, digest: &str) -> bool {
    replacements.keys().any(|own| own.to_string() == digest)
}

fn key(line: &str) -> String {
    line.split('=').next().unwrap_or_default().to_string()
}
