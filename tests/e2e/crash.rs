//! A pull survives the death of the process between two of its requests.

use serde_json::{Value, json};

use crate::support::images;
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::walk::walk;
use crate::support::wave::Wave;

/// What the tag is before it moves, and after.
const BEFORE: &str = "index";
const AFTER: &str = "string";

fn point(registry: &Registry, tag: &str) {
    registry.push(&format!("{}:{tag}", images::layout().display()), "library/moving:latest", &["--all"]);
}

/// Asks for the manifest by its tag, kills the process, and gets all the rest by digest from its successor.
async fn completes(wave: &mut Wave, name: &str, meanwhile: impl FnOnce()) {
    // What was asked for before is all the process knew when it died.
    let answer = wave.http().get(&format!("/v2/{name}/manifests/latest")).await;
    assert_eq!(answer.status, http::StatusCode::OK, "{answer:?}");
    let digest = answer.header("docker-content-digest").to_owned();
    let document: Value = answer.json();

    wave.crash_and_restart();
    meanwhile();
    let walked = walk(&wave.http(), name, &digest).await;
    assert_eq!(walked.document, document);
    assert_eq!(walked.first().config["config"]["Entrypoint"], json!(["/opt/fusion/entry.sh"]));

    // Once more between the manifest of a platform and its blobs.
    wave.crash_and_restart();
    let manifest = wave.http().get(&format!("/v2/{name}/manifests/{}", walked.first().digest)).await;
    assert_eq!(manifest.json(), walked.first().manifest);
    wave.crash_and_restart();
    let config = walked.first().manifest["config"].clone();
    crate::support::walk::blob(&wave.http(), name, &config, |_| ()).await;
    for layer in walked.first().manifest["layers"].as_array().expect("a manifest has layers") {
        crate::support::walk::blob(&wave.http(), name, layer, |_| ()).await;
    }
}

struct Stage {
    registry: Registry,
    pack: Pack,
    wave: Wave,
}

impl Stage {
    fn new() -> Self {
        let (registry, pack) = (Registry::plain(), Pack::new());
        point(&registry, BEFORE);
        let wave = Wave::before(&registry).layer(&pack.json()).start();
        Self { registry, pack, wave }
    }

    /// The repository behind a token whose layer travels in the request.
    async fn minted(&self) -> String {
        let request =
            json!({"containerImage": "library/moving:latest", "containerConfig": self.pack.inline()});
        let image = self.wave.mint(&request).await;
        crate::support::clients::name_and_tag(&image).0.to_owned()
    }
}

#[tokio::test]
async fn without_a_token() {
    let mut stage = Stage::new();
    completes(&mut stage.wave, "library/moving", || ()).await;
}

#[tokio::test]
async fn without_a_token_while_the_tag_moves() {
    let mut stage = Stage::new();
    completes(&mut stage.wave, "library/moving", || point(&stage.registry, AFTER)).await;
}

#[tokio::test]
async fn with_a_token() {
    let mut stage = Stage::new();
    let name = stage.minted().await;
    completes(&mut stage.wave, &name, || ()).await;
}

#[tokio::test]
async fn with_a_token_while_the_tag_moves() {
    let mut stage = Stage::new();
    let name = stage.minted().await;
    completes(&mut stage.wave, &name, || point(&stage.registry, AFTER)).await;
}
