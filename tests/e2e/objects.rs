//! Every object of every image is what its descriptor says, and only what should change has changed.

use serde_json::{Value, json};

use crate::pulls::IMAGES;
use crate::support::http::Peer;
use crate::support::images::Layer;
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::walk::{Image, Walked, walk};
use crate::support::wave::Wave;

const ENTRY: &str = "/opt/fusion/entry.sh";

fn split(image: &str) -> (&str, &str) {
    image.rsplit_once(':').expect("an image has a tag")
}

#[tokio::test]
async fn images_without_a_layer_are_untouched() {
    let registry = Registry::plain();
    let wave = Wave::before(&registry).start();
    let upstream = Peer::http(&registry.authority());
    for image in IMAGES {
        let (name, tag) = split(image);
        let before = walk(&upstream, name, tag).await;
        for peer in [wave.http(), wave.https()] {
            // The same digest is the same bytes, and the walk has verified all it leads to.
            assert_eq!(walk(&peer, name, tag).await.root, before.root, "{image}");
        }
    }
}

#[tokio::test]
async fn the_default_layer_is_appended() {
    let (registry, pack) = (Registry::plain(), Pack::new());
    let wave = Wave::before(&registry).layer(&pack.json()).start();
    let upstream = Peer::http(&registry.authority());
    for image in IMAGES {
        let (name, tag) = split(image);
        let before = walk(&upstream, name, tag).await;
        let after = walk(&wave.http(), name, tag).await;
        appended(before.first(), after.first(), image);
        assert_eq!(walk(&wave.https(), name, tag).await.root, after.root, "{image}");
        if before.document["manifests"].is_array() {
            index_kept(&before, &after);
        }
    }
}

/// One more layer, a new entry point, and the old one in the environment.
fn appended(before: &Image, after: &Image, image: &str) {
    assert_ne!(before.digest, after.digest);
    let (old, new) = (before.layers(), after.layers());
    assert_eq!(new[..old.len()], old, "{image}");
    assert_eq!(new.len(), old.len() + 1, "{image}");
    assert_eq!(before.manifest["mediaType"], after.manifest["mediaType"], "{image}");
    assert_eq!(after.manifest["layers"][old.len()]["mediaType"], before.manifest["layers"][0]["mediaType"]);

    let (old, new) = (&before.config["config"], &after.config["config"]);
    assert_eq!(new["Entrypoint"], json!([ENTRY]), "{image}");
    assert_eq!(new["Cmd"], old["Cmd"], "{image}");
    assert_eq!(new["Labels"], old["Labels"], "{image}");
    let chain = match &old["Entrypoint"] {
        Value::Array(words) if words.len() > 1 => old["Entrypoint"].to_string(),
        Value::Array(words) => words[0].as_str().expect("a word").to_owned(),
        word => word.as_str().expect("a word").to_owned(),
    };
    let mut env = old["Env"].as_array().expect("the images have an environment").clone();
    env.push(json!(format!("WAVE_ENTRY_CHAIN={chain}")));
    assert_eq!(new["Env"], json!(env), "{image}");
    assert_eq!(after.config["created"], before.config["created"], "{image}");
}

/// The layer fits amd64 alone: that entry is new, arm64 is as it was, and the statement about the old amd64 is gone.
fn index_kept(before: &Walked, after: &Walked) {
    let entries = |walked: &Walked| walked.document["manifests"].as_array().expect("an index").clone();
    let (old, new) = (entries(before), entries(after));
    assert_eq!(new.len(), 2, "{new:?}");
    assert_eq!(new[0]["platform"], old[0]["platform"]);
    assert_ne!(new[0]["digest"], old[0]["digest"]);
    assert_eq!(new[1], old[1]);
}

#[tokio::test]
async fn a_token_says_what_is_injected() {
    let (registry, pack) = (Registry::plain(), Pack::new());
    let wave = Wave::before(&registry).layer(&pack.json()).start();
    let layer = Layer::of_text("bar.txt", "another layer\n");
    let request = json!({
        "containerImage": "library/hello:oci",
        "containerConfig": {
            "cmd": ["cat", "bar.txt"],
            "workingDir": "/tmp",
            "env": ["GREETING=changed", "NEW=1"],
            "layers": [layer.inline()],
        },
    });
    let image = wave.mint(&request).await;
    let (_, path) = image.split_once('/').expect("an image has a host");
    let (name, tag) = split(path);
    let after = walk(&wave.http(), name, tag).await;
    let before = walk(&Peer::http(&registry.authority()), "library/hello", "oci").await;

    // It takes the place of the default layer.
    let mut layers = before.first().layers();
    layers.push(&layer.digest);
    assert_eq!(after.first().layers(), layers);
    let config = &after.first().config["config"];
    assert_eq!(config["Entrypoint"], json!(["/bin/hello"]));
    assert_eq!(config["Cmd"], json!(["cat", "bar.txt"]));
    assert_eq!(config["WorkingDir"], "/tmp");
    let env = config["Env"].as_array().expect("an environment");
    assert_eq!(
        env[..3],
        json!(["PATH=/usr/local/bin:/usr/bin:/bin", "GREETING=changed", "NEW=1"]).as_array().unwrap()[..]
    );
}
