//! Every kind of image, pulled augmented from a registry in this process (`tests/data/README.md`).
//!
//! What is served is compared with the documents that are kept beside those of the base, and what differs from the base
//! is found by `shared`, which does not know the product. With `BLESS=1` the kept documents are written anew, and the
//! test fails, so that somebody looks at them.

use crate::shared::changes;
use crate::support::{Proxy, Upstream, get};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use wave_registry::oci::Digest;

/// Kinds that are left as they are.
const LEFT: [&str; 9] = [
    "artifact",
    "chart",
    "config-look-alike",
    "counts-differ",
    "encrypted",
    "member-twice",
    "rootfs-missing",
    "rootfs-type",
    "windows",
];

/// The documents of one image.
struct Fixture {
    name: String,
    folder: PathBuf,
    documents: BTreeMap<String, Document>,
}

/// A document of a base: `tests/data/images/IMAGE/NAME.KIND.json`.
struct Document {
    name: String,
    kind: &'static str,
    bytes: Vec<u8>,
}

/// What a file of this kind is.
const KINDS: [(&str, &str); 5] = [
    ("config", "application/octet-stream"),
    ("index", "application/vnd.oci.image.index.v1+json"),
    ("list", "application/vnd.docker.distribution.manifest.list.v2+json"),
    ("manifest", "application/vnd.oci.image.manifest.v1+json"),
    ("v2s2", "application/vnd.docker.distribution.manifest.v2+json"),
];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images")
}

impl Fixture {
    fn read(folder: PathBuf) -> Fixture {
        let mut documents = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            let Some(name) = file.strip_suffix(".json").filter(|name| !name.ends_with(".out")) else {
                continue;
            };
            let (_, kind) = name.split_once('.').unwrap();
            let (kind, _) = KINDS.iter().find(|(known, _)| *known == kind).expect("a known kind of document");
            let bytes = std::fs::read(&path).unwrap();
            let document = Document { name: name.into(), kind, bytes };
            documents.insert(Digest::sha256(&document.bytes).to_string(), document);
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        Fixture { name, folder, documents }
    }

    fn push(&self, upstream: &Upstream) {
        for document in self.documents.values() {
            let tag = document.name.starts_with("root.").then_some(self.name.as_str());
            match document.media() {
                _ if document.kind == "config" => upstream.blob(document.bytes.clone()),
                media => upstream.manifest(tag, media, document.bytes.clone()),
            };
        }
    }

    fn root(&self) -> &str {
        let is_root = |document: &Document| document.name.starts_with("root.") && document.kind != "config";
        let (digest, _) = self.documents.iter().find(|(_, document)| is_root(document)).expect("a root");
        digest
    }

    /// The file of what a document becomes.
    fn out(&self, document: &Document) -> PathBuf {
        self.folder.join(format!("{}.out.json", document.name))
    }

    /// Compares what is served as `path` in the place of a base document, and all it leads to. Adds the documents that
    /// have changed to `changed`.
    async fn check(
        &self,
        proxy: &Proxy,
        path: &str,
        base: &str,
        changed: &mut BTreeSet<String>,
    ) -> bytes::Bytes {
        let document = &self.documents[base];
        let place = format!("{}/{}", self.name, document.name);
        let answer = get(&proxy.url(&format!("/v2/library/app/{path}"))).await;
        assert_eq!(answer.status, 200, "{place}: {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.header("content-type"), document.media(), "{place}");
        assert_eq!(
            answer.header("docker-content-digest"),
            Digest::sha256(&answer.body).to_string(),
            "{place}"
        );
        if answer.body != document.bytes {
            let out = self.out(document);
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&out, &answer.body).unwrap();
            }
            let kept = std::fs::read(&out).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
            assert_eq!(String::from_utf8_lossy(&answer.body), String::from_utf8_lossy(&kept), "{place}");
            changed.insert(base.to_owned());
        }
        for (base, kind, served) in self.references(document, &answer.body) {
            let path = format!("{kind}/{}", served["digest"].as_str().unwrap());
            let content = Box::pin(self.check(proxy, &path, &base, changed)).await;
            assert_eq!(served["size"], content.len(), "{place}");
            if let Some(data) = served["data"].as_str() {
                use base64::Engine as _;
                let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
                assert_eq!(data, content, "{place}");
            }
        }
        answer.body
    }

    /// The references of a base document to documents, and what they have become: digest in the base, kind of object,
    /// descriptor that is served.
    fn references(&self, document: &Document, served: &[u8]) -> Vec<(String, &'static str, Value)> {
        let digest = |entry: &Value| entry["digest"].as_str().unwrap().to_owned();
        let (kind, name) = match document.kind {
            "config" => return Vec::new(),
            "index" | "list" => ("manifests", "manifests"),
            _ => ("blobs", "config"),
        };
        let [old, new] = [&document.bytes[..], served].map(|text| member(text, name));
        let Value::Array(old) = old else { return vec![(digest(&old), kind, new)] };
        let mut new = new.as_array().unwrap().iter().peekable();
        let mut pairs = Vec::new();
        for entry in old {
            let is_attestation = !entry["annotations"]["vnd.docker.reference.digest"].is_null();
            match new.next_if(|new| !is_attestation || **new == entry) {
                Some(new) => pairs.push((digest(&entry), kind, new.clone())),
                None => assert!(is_attestation, "{entry} is gone"),
            }
        }
        assert_eq!(new.next(), None);
        pairs
    }

    /// Asserts that the changed documents are the kept ones, and differ from their bases in what they must alone.
    fn compare(&self, changed: &BTreeSet<String>) {
        for (digest, base) in &self.documents {
            let out = self.out(base);
            assert_eq!(out.exists(), changed.contains(digest), "{}", out.display());
            if !changed.contains(digest) {
                continue;
            }
            let new = std::fs::read(&out).unwrap();
            match base.kind {
                "config" => changes::of_a_config(&base.bytes, &new),
                "manifest" | "v2s2" => changes::of_a_manifest(&base.bytes, &new, base.kind == "v2s2"),
                _ => {
                    let entries = member(&base.bytes, "manifests");
                    let places = |is: &dyn Fn(&Value) -> &Value| {
                        let is =
                            |entry: &Value| is(entry).as_str().is_some_and(|digest| changed.contains(digest));
                        let all = entries.as_array().unwrap().iter().enumerate();
                        all.filter(|(_, entry)| is(entry)).map(|(place, _)| place).collect::<Vec<_>>()
                    };
                    let replaced = places(&|entry| &entry["digest"]);
                    let gone = places(&|entry| &entry["annotations"]["vnd.docker.reference.digest"]);
                    changes::of_an_index(&base.bytes, &new, &replaced, &gone);
                }
            }
        }
    }
}

impl Document {
    fn media(&self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self.kind).expect("it was found before").1
    }
}

/// One member of a document that may hold numbers which are none of a machine.
fn member(text: &[u8], name: &str) -> Value {
    let all: BTreeMap<String, &serde_json::value::RawValue> = serde_json::from_slice(text).unwrap();
    serde_json::from_str(all[name].get()).unwrap()
}

#[tokio::test]
async fn case_54_every_kind_of_image_is_changed_where_it_must_be_alone() {
    let upstream = Upstream::start().await;
    let folders = std::fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path());
    let fixtures: Vec<_> = folders.filter(|path| path.is_dir()).map(Fixture::read).collect();
    fixtures.iter().for_each(|fixture| fixture.push(&upstream));
    let proxy = Proxy::with_layer(&upstream, &data().join("layer.json")).await;
    assert!(fixtures.len() > 50, "{} kinds", fixtures.len());
    let mut left = Vec::new();
    for fixture in &fixtures {
        let mut changed = BTreeSet::new();
        let path = format!("manifests/{}", fixture.name);
        fixture.check(&proxy, &path, fixture.root(), &mut changed).await;
        fixture.compare(&changed);
        left.extend(changed.is_empty().then_some(fixture.name.as_str()));
    }
    left.sort_unstable();
    assert_eq!(left, LEFT);
    assert!(std::env::var_os("BLESS").is_none(), "the documents were written anew: look at them");
}
