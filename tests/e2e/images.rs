//! Images of all formats, made by real tools: who reads one as it is reads it augmented, and nothing of it is changed
//! that need not be.
//!
//! `rows` says how each image is made. Documents that docker-registry does not take are in `tests/data` and are pulled
//! from a registry in the process (`tests/it/images.rs`).

mod make;
mod read;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use serde_json::Value;

use crate::shared::changes;
use crate::support::clients::{Containerd, Docker, Skopeo};
use crate::support::http::Peer;
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::walk::walk;
use crate::support::wave::Wave;
use read::{Inspect, Reader, Unpack};

/// Who cannot read an image as it is. The tools of Debian 12 are older than zstd in layers, all but containerd; and an
/// entry point that is no list is nothing to those that read configs as the OCI writes them.
const CANNOT: &[(&str, &[&str])] = &[
    ("containerd", &["entrypoint-string"]),
    ("docker", &["buildah-zstd", "buildah-zstd-chunked", "podman-zstd", "skopeo-zstd"]),
    ("skopeo", &["entrypoint-string"]),
    ("umoci", &["buildah-zstd", "buildah-zstd-chunked", "podman-zstd", "skopeo-zstd", "entrypoint-string"]),
];

/// What a tool makes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// As it is, and augmented.
    Both,
    /// Neither.
    Neither,
    /// As it is alone, which is our fault.
    Plain,
}

#[test]
fn who_reads_an_image_reads_it_augmented() {
    let (registry, pack) = (Registry::serving(&make::store()), Pack::new());
    let wave = Wave::before(&registry).layer(&pack.json()).start();
    let names = make::names();
    assert!(names.len() >= 30, "{} images", names.len());
    let readers: [Box<dyn Reader>; 4] = [
        Box::new(Inspect(Skopeo::new())),
        Box::new(Unpack(Skopeo::new())),
        Box::new(Containerd::start()),
        Box::new(Docker::start()),
    ];
    let columns: BTreeMap<_, Vec<_>> = std::thread::scope(|scope| {
        let (plain, augmented, names) = (registry.authority(), wave.plain(), &names);
        let column = |reader: Box<dyn Reader>| {
            let plain = plain.clone();
            scope.spawn(move || {
                let cells = names.iter().map(|name| reads(&*reader, &plain, augmented, name));
                (reader.name(), cells.collect())
            })
        };
        let running = readers.map(column);
        running.map(|thread| thread.join().expect("a reader finishes")).into()
    });
    print(&names, &columns);
    for (tool, cells) in &columns {
        let of = |what: Reads| {
            let cells = names.iter().zip(cells).filter(|(_, cell)| **cell == what);
            cells.map(|(name, _)| *name).collect::<BTreeSet<_>>()
        };
        assert_eq!(of(Reads::Plain), BTreeSet::new(), "{tool} cannot read these once they are augmented");
        let cannot = CANNOT.iter().find(|(name, _)| name == tool).map_or(&[][..], |(_, images)| images);
        assert_eq!(
            of(Reads::Neither),
            cannot.iter().copied().collect(),
            "{tool} cannot read these as they are"
        );
    }
}

fn reads(reader: &dyn Reader, plain: &str, augmented: &str, name: &str) -> Reads {
    if !reader.read(&format!("{plain}/made/{name}:1")).is_ok() {
        return Reads::Neither;
    }
    let read = reader.read(&format!("{augmented}/made/{name}:1"));
    if read.is_ok() {
        return Reads::Both;
    }
    eprintln!("{} reads {name} plain and not augmented: {read:?}", reader.name());
    Reads::Plain
}

/// The table of tools and images.
fn print(names: &[&str], columns: &BTreeMap<&str, Vec<Reads>>) {
    let mut text = format!("\n{:24}", "image");
    columns.keys().for_each(|tool| text += &format!("{tool:12}"));
    for (place, name) in names.iter().enumerate() {
        text += &format!("\n{name:24}");
        columns.values().for_each(|cells| text += &format!("{:12}", format!("{:?}", cells[place])));
    }
    // Not by `println`, which the test harness keeps to itself when the test passes.
    std::io::stdout().write_all((text + "\n").as_bytes()).expect("standard output can be written");
}

#[tokio::test]
async fn nothing_is_changed_that_need_not_be() {
    let (registry, pack) = (Registry::serving(&make::store()), Pack::new());
    let wave = Wave::before(&registry).layer(&pack.json()).start();
    let (plain, augmented) = (Peer::http(&registry.authority()), wave.http());
    for name in make::names() {
        let name = format!("made/{name}");
        walk(&augmented, &name, "1").await;
        let path = format!("/v2/{name}/manifests/1");
        let (base, new) = (plain.get(&path).await, augmented.get(&path).await);
        assert_eq!(base.headers["content-type"], new.headers["content-type"], "{name}");
        match base.json()["manifests"].as_array() {
            None => image(&plain, &augmented, &name, &base.body, &new.body).await,
            Some(entries) => index(&plain, &augmented, &name, entries, (&base.body, &new.body)).await,
        }
    }
}

/// Compares an index with its augmented form, and so its images. What the layer does not fit stays; the attestation of
/// what has changed is gone.
async fn index(plain: &Peer, augmented: &Peer, name: &str, entries: &[Value], (base, new): (&[u8], &[u8])) {
    let served: Value = serde_json::from_slice(new).expect("an index is JSON");
    let mut served = served["manifests"].as_array().expect("an index has entries").iter();
    let (mut changed, mut removed) = (Vec::new(), Vec::new());
    for (place, entry) in entries.iter().enumerate() {
        if entry["platform"]["os"] == "unknown" {
            removed.push(place);
            continue;
        }
        let own = served.next().expect("an image stays");
        let fits = entry["platform"]["architecture"] == "amd64";
        assert_eq!(entry != own, fits, "{name}: {entry} {own}");
        if fits {
            changed.push(place);
            let [base, new] = [(plain, entry), (augmented, own)].map(async |(peer, entry)| {
                let digest = entry["digest"].as_str().expect("an entry has a digest");
                peer.get(&format!("/v2/{name}/manifests/{digest}")).await.body
            });
            image(plain, augmented, name, &base.await, &new.await).await;
        }
    }
    assert!(!changed.is_empty(), "{name}");
    changes::of_an_index(base, new, &changed, &removed);
}

/// Compares a manifest with its augmented form, and its config.
async fn image(plain: &Peer, augmented: &Peer, name: &str, base: &[u8], new: &[u8]) {
    let [base_doc, new_doc] =
        [base, new].map(|text| -> Value { serde_json::from_slice(text).expect("JSON") });
    let config = &base_doc["config"];
    let is_docker = base_doc["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json";
    changes::of_a_manifest(base, new, is_docker);
    let layers = |document: &Value| document["layers"].as_array().expect("a manifest has layers").clone();
    assert_eq!(layers(&new_doc).len(), layers(&base_doc).len() + 1, "{name}");
    // The image is what its name says.
    let end = [("zstd", "+zstd"), ("uncompressed", ".tar")].into_iter().find(|(word, _)| name.contains(word));
    let end = end.map_or("gzip", |(_, end)| end);
    for layer in layers(&base_doc) {
        assert!(layer["mediaType"].as_str().is_some_and(|media| media.ends_with(end)), "{name}: {layer}");
    }
    let blob = async |peer: &Peer, config: &Value| {
        let digest = config["digest"].as_str().expect("a config has a digest");
        peer.get(&format!("/v2/{name}/blobs/{digest}")).await.body
    };
    changes::of_a_config(&blob(plain, config).await, &blob(augmented, &new_doc["config"]).await);
}
