//! Properties that hold for every input: what the fuzz targets run, and what the tests replay over the corpus and
//! its mutations. Each takes any bytes and panics when its property does not hold.
//!
//! The rewriter is compared with a model, which parses the same document, does the same edit on a tree, and knows
//! nothing of spans.

mod edits;
mod model;

use crate::config::parse_text;
use crate::grant::{Layer, Recipe, Source};
use crate::oci::path::Path;
use crate::oci::{Challenge, Compression, Digest, Family, Platform};
use crate::pull::Spans;
use crate::pull::range::Asked;
use crate::rewrite::fields::Doc;
use crate::rewrite::{
    DOCUMENT_LIMIT, Edits, Refusal, Spliced, config as configs, index as indexes, kind,
    manifest as manifests, steps_of,
};
use http::HeaderValue;
use model::Tree;

/// A property: it panics when it does not hold.
pub type Property = fn(&[u8]);

/// Every property, by the name of its fuzz target and corpus.
pub fn targets() -> &'static [(&'static str, Property)] {
    &[
        ("manifest", manifest),
        ("index", index),
        ("config", config),
        ("path", path),
        ("range", range),
        ("challenge", challenge),
        ("config_file", config_file),
    ]
}

/// Changing a manifest equals the same change on the model; the changed manifest can be changed again.
pub fn manifest(data: &[u8]) {
    let recipe = recipe();
    let layers: Vec<&Layer> = recipe.layers.iter().collect();
    let config = replacement();
    let base = manifests::Base { name: "example.org/library/base", digest: Digest::sha256(b"base") };
    for family in [Family::Oci, Family::Docker] {
        let change = manifests::Change { family, config: &config, layers: &layers, base };
        let apply = |doc: &Doc<'_>| manifests::apply(doc, &change, DOCUMENT_LIMIT);
        let Some((before, new)) = twice(data, apply) else { continue };
        assert_eq!(tree(&new.bytes), edits::manifest(before, &change), "the same edit");
        match Doc::new(&new.bytes, DOCUMENT_LIMIT).and_then(|doc| apply(&doc)) {
            Ok(_) | Err(Refusal::Layers(_) | Refusal::Size(_)) => {}
            Err(refusal) => panic!("a changed manifest is refused: {refusal}"),
        }
    }
}

/// Changing an index equals the same change on the model, for any half of its entries.
pub fn index(data: &[u8]) {
    let Ok(entries) = Doc::new(data, DOCUMENT_LIMIT).and_then(|doc| indexes::read(&doc)) else { return };
    let digests: Vec<Digest> = entries.iter().filter_map(|entry| entry.digest).collect();
    for first in 0..2 {
        let replaced = digests.iter().skip(first).step_by(2);
        let replacements: indexes::Replacements = replaced.map(|digest| (*digest, replacement())).collect();
        let apply = |doc: &Doc<'_>| indexes::apply(doc, &replacements, DOCUMENT_LIMIT);
        let Some((before, new)) = twice(data, apply) else { continue };
        assert_eq!(tree(&new.bytes), edits::index(before, &replacements), "the same edit");
        if replacements.is_empty() {
            assert_eq!(&*new.bytes, data, "nothing to replace, nothing changed");
        }
    }
}

/// Changing a config equals the same change on the model, with and without an entry point of ours; changing it
/// again keeps the entry chain.
pub fn config(data: &[u8]) {
    let whole = recipe();
    let env = Recipe { entrypoint: Vec::new(), cmd: Vec::new(), working_dir: None, ..whole.clone() };
    for recipe in [whole, env] {
        let layers: Vec<&Layer> = recipe.layers.iter().collect();
        let change = configs::Change { recipe: &recipe, layers: &layers };
        let apply = |doc: &Doc<'_>| configs::apply(doc, &change, DOCUMENT_LIMIT);
        let Some((before, new)) = twice(data, apply) else { continue };
        let after = tree(&new.bytes);
        assert_eq!(after, edits::config(before, &change), "the same edit");
        match Doc::new(&new.bytes, DOCUMENT_LIMIT).and_then(|doc| apply(&doc)) {
            Ok(again) => {
                assert_eq!(edits::chains(&after), edits::chains(&tree(&again.bytes)), "the same chain")
            }
            Err(Refusal::Size(_)) => {}
            Err(refusal) => panic!("a changed config is refused: {refusal}"),
        }
    }
}

/// A path is refused or has a name without empty components.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(Path::Object { name, .. }) = Path::parse(text) {
        assert!(text.starts_with("/v2/"));
        assert!(!name.is_empty() && name.split('/').all(|part| !part.is_empty()), "{name}");
    }
}

/// A satisfied range lies in the content.
pub fn range(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let etag = HeaderValue::from_static("\"x\"");
    let asked = Asked::parse(&value);
    assert_eq!(asked.and_then(|asked| Asked::parse(&asked.header())), asked, "asked for as it was meant");
    for total in [0, 1, 1000, u64::MAX] {
        if let Spans::Part(span) = Spans::of(Some(&value), None, &etag, total) {
            assert!(span.bytes.start < span.bytes.end && span.bytes.end <= total);
            assert_eq!(span.len(), span.bytes.end - span.bytes.start);
            assert!(span.content_range().to_str().is_ok());
        }
    }
}

/// A challenge that was understood is understood again as it is printed, which leaves out what no header may hold.
pub fn challenge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for challenge in Challenge::parse(text) {
        let printed = challenge.to_string();
        let again: Vec<_> = Challenge::parse(&printed).iter().map(Challenge::to_string).collect();
        assert_eq!(again, [printed]);
    }
}

/// A valid configuration, as `wave check` prints it, is valid and says the same.
pub fn config_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(loaded) = parse_text(text, std::iter::empty()) else { return };
    // What stands for the hash of a password is none.
    if !loaded.config.accounts.is_empty() {
        return;
    }
    let effective = loaded.config.effective();
    match parse_text(&effective, std::iter::empty()) {
        Ok(again) => assert_eq!(again.config.effective(), effective, "the same configuration"),
        Err(problems) => panic!("what is in effect is not valid:\n{effective}\n{problems}"),
    }
}

/// Applies a change twice: the outcomes agree, and the digest is that of the bytes. The tree before and the result,
/// unless the document is refused.
fn twice(data: &[u8], apply: impl Fn(&Doc<'_>) -> Result<Spliced, Refusal>) -> Option<(Tree, Spliced)> {
    linear(data, &apply);
    let doc = Doc::new(data, DOCUMENT_LIMIT);
    grammar(data, doc.as_ref().err());
    let doc = doc.ok()?;
    // Telling the kind must not panic on anything that a change is tried on.
    let _ = kind::kind(None, &doc);
    let (first, second) = (apply(&doc), apply(&doc));
    assert_eq!(first, second, "deterministic");
    // What finds members by visiting objects knows nothing of the validating pass, and must agree. It looks into no
    // string that nobody asks for, so it lets surrogates pass that stand alone.
    let visited = Doc::visited(data, DOCUMENT_LIMIT).and_then(|doc| apply(&doc));
    assert_eq!(first, visited, "the same members");
    let new = first.ok()?;
    assert_eq!(new.digest, Digest::sha256(&new.bytes));
    Some((tree(data), new))
}

/// Checking and changing a document takes work linear in its size, refused or not.
fn linear(data: &[u8], apply: impl Fn(&Doc<'_>) -> Result<Spliced, Refusal>) {
    /// What the changes here write, and the words of the recipe.
    const CHANGE: usize = 1000;
    let (done, steps) =
        steps_of(|| Doc::new(data, DOCUMENT_LIMIT).and_then(|doc| apply(&doc)).map(|new| new.bytes.len()));
    assert!(steps <= 8 * data.len() + CHANGE, "{steps} steps for {} bytes", data.len());
    // A counter that counts: every word or block was looked at, and written.
    if cfg!(debug_assertions)
        && let Ok(size) = done
    {
        assert!(steps >= (data.len() + size) / 16, "{steps} steps for {} bytes", data.len());
    }
}

/// The validating pass accepts what a parser accepts: all that becomes a value, and nothing that is not JSON.
fn grammar(data: &[u8], refusal: Option<&Refusal>) {
    match refusal {
        None => assert!(
            serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok(),
            "accepted what is not JSON"
        ),
        Some(Refusal::Depth | Refusal::Size(_)) => {}
        Some(refusal) => {
            assert!(serde_json::from_slice::<serde_json::Value>(data).is_err(), "refused JSON: {refusal}");
        }
    }
}

fn tree(data: &[u8]) -> Tree {
    let text = std::str::from_utf8(data).expect("an accepted document is UTF-8");
    Tree::parse(text).expect("an accepted document is JSON")
}

fn replacement() -> Spliced {
    let doc = Doc::new(b"{\"new\":true}", DOCUMENT_LIMIT).expect("within limits");
    Edits::new(&doc, DOCUMENT_LIMIT).splice().expect("within limits")
}

fn recipe() -> Recipe {
    let layer = |name: &str, compression, platforms| Layer {
        digest: Digest::sha256(name),
        size: 1234,
        diff_id: Digest::sha256(format!("{name}.tar")),
        compression,
        platforms,
        source: Source::Spooled,
    };
    Recipe {
        layers: vec![
            layer("one", Compression::Gzip, Vec::new()),
            layer("two", Compression::None, vec![Platform::linux_amd64()]),
        ],
        entrypoint: vec!["/opt/entry".into()],
        cmd: vec!["run".into(), "\"it\"".into()],
        env: vec!["PATH=/opt".into(), "A=1".into(), "A=2".into(), "EMPTY".into()],
        working_dir: Some("/work dir".into()),
        platforms: Vec::new(),
    }
}
