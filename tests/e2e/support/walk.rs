//! Verifies every object of an image: digests, sizes, headers and diff ids.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, Mutex};

use async_compression::tokio::bufread::ZstdDecoder;
use aws_lc_rs::digest::{Context, SHA256};
use flate2::write::GzDecoder;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use super::http::{Answer, DOCUMENTS, Peer, each_frame};
use super::images::hex;

/// An image as a registry serves it, every byte of it verified.
#[derive(Debug)]
pub(crate) struct Walked {
    /// The digest of the index or manifest that was asked for.
    pub(crate) root: String,
    /// That document.
    pub(crate) document: Value,
    /// Every image manifest, in the order of the index.
    pub(crate) images: Vec<Image>,
}

/// One image manifest.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) digest: String,
    pub(crate) manifest: Value,
    pub(crate) config: Value,
}

impl Walked {
    /// The first image, which is the one of amd64 in all our indexes.
    pub(crate) fn first(&self) -> &Image {
        self.images.first().expect("an image has a manifest")
    }
}

impl Image {
    /// The digests of its layers.
    pub(crate) fn layers(&self) -> Vec<&str> {
        let layers = self.manifest["layers"].as_array().expect("a manifest has layers");
        layers.iter().map(|layer| text(&layer["digest"])).collect()
    }
}

/// Fetches `/v2/NAME/manifests/REFERENCE` and all it leads to.
///
/// # Panics
/// When an object is not what its descriptor says.
pub(crate) async fn walk(peer: &Peer, name: &str, reference: &str) -> Walked {
    let root = manifest(peer, name, reference).await;
    let mut images = Vec::new();
    match root.document["manifests"].as_array() {
        None => images.push(image(peer, name, &root).await),
        Some(entries) => {
            for entry in entries {
                let child = manifest(peer, name, text(&entry["digest"])).await;
                assert_eq!(entry["size"], child.size, "{entry}");
                images.push(image(peer, name, &child).await);
            }
        }
    }
    Walked { root: root.digest, document: root.document, images }
}

struct Manifest {
    digest: String,
    size: u64,
    document: Value,
}

async fn manifest(peer: &Peer, name: &str, reference: &str) -> Manifest {
    let path = format!("/v2/{name}/manifests/{reference}");
    let answer = peer.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "GET {path}: {answer:?}");
    let (digest, size) = (super::images::sha256(&answer.body), answer.body.len() as u64);
    assert!(!reference.starts_with("sha256:") || reference == digest, "{path} has the digest {digest}");
    let document = answer.json();
    let head = Answer::read(peer.send(Method::HEAD, &path, &[("accept", DOCUMENTS)], "").await).await;
    assert_eq!(head.status, StatusCode::OK, "HEAD {path}");
    for answer in [&answer, &head] {
        assert_eq!(answer.header("docker-content-digest"), digest, "{path}");
        assert_eq!(answer.header("content-length"), size.to_string(), "{path}");
        if let Some(media) = document["mediaType"].as_str() {
            assert_eq!(answer.header("content-type"), media, "{path}");
        }
    }
    Manifest { digest, size, document }
}

async fn image(peer: &Peer, name: &str, Manifest { digest, document: manifest, .. }: &Manifest) -> Image {
    let mut config = Vec::new();
    blob(peer, name, &manifest["config"], |bytes| config.extend_from_slice(bytes)).await;
    let config: Value = serde_json::from_slice(&config).expect("a config is JSON");
    let layers = manifest["layers"].as_array().expect("a manifest has layers");
    let diff_ids = config["rootfs"]["diff_ids"].as_array().expect("a config has diff ids");
    assert_eq!(layers.len(), diff_ids.len(), "{manifest} {config}");
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let known = diff_id_of(text(&layer["digest"]));
        let mut content = known.is_none().then(|| Content::of(text(&layer["mediaType"])));
        blob(peer, name, layer, |bytes| content.iter_mut().for_each(|content| content.update(bytes))).await;
        let found = match content {
            Some(content) => content.finish().await,
            None => known.expect("it is known or was found"),
        };
        assert_eq!(found, text(diff_id), "diff id of {layer}");
        DIFF_IDS.lock().unwrap().insert(text(&layer["digest"]).to_owned(), found);
    }
    if let Some(history) = config["history"].as_array() {
        let filled = history.iter().filter(|step| step["empty_layer"] != true).count();
        assert_eq!(filled, layers.len(), "{config}");
    }
    Image { digest: digest.clone(), manifest: manifest.clone(), config }
}

/// Fetches a blob and compares it with its descriptor.
pub(crate) async fn blob(peer: &Peer, name: &str, descriptor: &Value, mut look: impl FnMut(&[u8])) {
    let path = format!("/v2/{name}/blobs/{}", text(&descriptor["digest"]));
    let response = peer.send(Method::GET, &path, &[], "").await;
    assert_eq!(response.status(), StatusCode::OK, "GET {path}");
    let (mut context, mut size) = (Context::new(&SHA256), 0);
    each_frame(response.into_body(), |bytes| {
        context.update(bytes);
        size += bytes.len() as u64;
        look(bytes);
    })
    .await;
    assert_eq!(hex(context.finish().as_ref()), text(&descriptor["digest"]), "{path}");
    assert_eq!(descriptor["size"], size, "{path}");
}

/// What is inside a layer follows from its digest: layers are decompressed once.
static DIFF_IDS: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);

fn diff_id_of(digest: &str) -> Option<String> {
    DIFF_IDS.lock().unwrap().get(digest).cloned()
}

/// Hashes what is inside a layer.
enum Content {
    Gzip(Box<GzDecoder<Hash>>),
    /// Kept whole: only small layers are compressed like this.
    Zstd(Vec<u8>),
    Plain(Hash),
}

impl Content {
    fn of(media: &str) -> Self {
        let hash = Hash(Context::new(&SHA256));
        match media.rsplit_once(['+', '.']) {
            Some((_, "gzip")) => Self::Gzip(Box::new(GzDecoder::new(hash))),
            Some((_, "zstd")) => Self::Zstd(Vec::new()),
            _ => Self::Plain(hash),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Gzip(decoder) => decoder.write_all(bytes).expect("a layer is valid gzip"),
            Self::Zstd(whole) => whole.extend_from_slice(bytes),
            Self::Plain(hash) => hash.0.update(bytes),
        }
    }

    async fn finish(self) -> String {
        let hash = match self {
            Self::Gzip(decoder) => decoder.finish().expect("a layer is complete gzip"),
            Self::Zstd(whole) => {
                let mut decoder = ZstdDecoder::new(&whole[..]);
                // zstd:chunked is several frames.
                decoder.multiple_members(true);
                let mut tar = Vec::new();
                decoder.read_to_end(&mut tar).await.expect("a layer is complete zstd");
                let mut hash = Hash(Context::new(&SHA256));
                hash.0.update(&tar);
                hash
            }
            Self::Plain(hash) => hash,
        };
        hex(hash.0.finish().as_ref())
    }
}

struct Hash(Context);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}
