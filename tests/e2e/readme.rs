//! The calls of the README, word by word but for host and secrets.

use std::path::Path;

use serde_json::{Value, json};

use crate::pulls::runs_augmented;
use crate::support::clients::{Skopeo, Via};
use crate::support::pack::Pack;
use crate::support::registry::{PASSWORD, Registry, USER};
use crate::support::run::run;
use crate::support::wave::Wave;
use crate::support::{scratch, tools};

/// Runs a shell script as a user would type it, and gives what it prints.
fn shell(folder: &Path, script: &str) -> String {
    run(tools::command("sh").current_dir(folder).args(["-euc", script])).ok()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn credentials_are_validated() {
    let registry = Registry::htpasswd();
    let wave = Wave::before(&registry).start();
    let folder = scratch::small();
    for (password, valid) in [(PASSWORD, "true"), ("wrong", "false")] {
        let script = format!(
            r#"curl \
  -H "Content-Type: application/json" \
  -X POST http://{wave}/validate-creds \
  -d '{{"userName":"{USER}", "password":"{password}", "registry": "{registry}"}}' "#,
            wave = wave.plain(),
            registry = registry.authority(),
        );
        assert_eq!(shell(folder.path(), &script).trim(), valid);
    }
}

#[test]
fn a_container_token_is_acquired() {
    let (registry, pack) = (Registry::plain(), Pack::new());
    let wave = Wave::before(&registry)
        .registry("quay.io", json!({"url": registry.url()}))
        .layer(&pack.json())
        .start();
    let folder = scratch::small();
    let script = format!(
        r#"curl \
  -H "Content-Type: application/json" \
  -X POST http://{wave}/container-token \
  -d '{{"containerImage":"quay.io/nextflow/bash:latest", "towerAccessToken":"eyJ0aWQiOiAxfS40ZGE4ZDBmMTQ3YzliMWJkOGVkMDNlYjY1ZWRiZmU1OWQxZjEyZGU3", "towerWorkspaceId": null}}' "#,
        wave = wave.plain(),
    );
    let reply = json(&shell(folder.path(), &script));
    let token = reply["containerToken"].as_str().expect("a reply has a token");
    assert_eq!(reply["targetImage"], format!("{}/wt/{token}/nextflow/bash:latest", wave.plain()));
    // No one has been asked for the image yet; the pull asks.
    assert!(!registry.log().contains("/v2/nextflow/bash/"));
    runs_augmented(&Skopeo::new(), reply["targetImage"].as_str().expect("an image"), Via::Http);
    assert!(registry.log().contains("/v2/nextflow/bash/manifests/"));
}

/// Nobody is asked for the layer either: this one cannot be reached.
#[test]
fn a_container_token_with_a_layer_is_acquired() {
    let registry = Registry::plain();
    let wave = Wave::before(&registry).registry("quay.io", json!({"url": registry.url()})).start();
    let folder = scratch::small();
    let script = format!(
        r#"cat <<EOT > container-request.json
{{
  "containerImage":"quay.io/nextflow/bash:latest",
  "containerConfig": {{
    "layers": [
      {{
        "location": "https://s3.eu-west-1.amazonaws.com/nf-tower.dev/wave-layer.tar.gzip",
        "gzipDigest": "sha256:e9d6f29eecde29c12f0d32a1bc81aa9f4fcb76f8d813b8f1a37e8af5ee6b7657",
        "gzipSize": 13219265,
        "tarDigest": "sha256:2648cf125a9a4c4c5c9a2d3799b3a57983b5297442d7995746273c615bc4e316"
      }}
    ]
  }}
}}
EOT
curl \
  -H "Content-Type: application/json" \
  -X POST https://{wave}/container-token \
  -d @container-request.json "#,
        wave = wave.tls(),
    );
    let trust = format!("export CURL_CA_BUNDLE={}\n", wave.authority().file().display());
    let reply = json(&shell(folder.path(), &(trust + &script)));
    let token = reply["containerToken"].as_str().expect("a reply has a token");
    assert_eq!(reply["targetImage"], format!("{}/wt/{token}/nextflow/bash:latest", wave.tls()));
}
