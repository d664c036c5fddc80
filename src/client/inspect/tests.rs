use super::super::server::Server;
use super::*;
use serde_json::json;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

struct Documents {
    config: String,
    manifest: String,
    index: String,
}

fn documents() -> Documents {
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": { "Entrypoint": ["/opt/entry"], "Cmd": null, "Env": ["A=b"], "WorkingDir": "/w" }
    })
    .to_string();
    let layer = json!({ "mediaType": "x/layer", "digest": Digest::sha256("layer"), "size": 7 });
    let descriptor = |media: &str, text: &str| json!({ "mediaType": media, "digest": Digest::sha256(text), "size": text.len() });
    let manifest =
        json!({ "config": descriptor("x/config", &config), "layers": [layer], "schemaVersion": 2 })
            .to_string();
    let mut entry = descriptor(MANIFEST, &manifest);
    entry["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let mut attestation = descriptor(MANIFEST, "attestation");
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    let index = json!({ "manifests": [attestation, entry] }).to_string();
    Documents { config, manifest, index }
}

async fn serve(documents: &Documents) -> Server {
    let path = |kind: &str, text: &str| format!("/v2/a/b/{kind}/{}", Digest::sha256(text));
    Server::start([
        ("/v2/a/b/manifests/latest", 200, INDEX, documents.index.clone()),
        ("/v2/a/b/manifests/plain", 200, MANIFEST, documents.manifest.clone()),
        (&path("manifests", &documents.manifest), 200, MANIFEST, documents.manifest.clone()),
        (&path("blobs", &documents.config), 307, "/elsewhere", String::new()),
        ("/elsewhere", 200, "application/octet-stream", documents.config.clone()),
    ])
    .await
}

#[tokio::test]
async fn an_index_a_manifest_and_a_config_behind_a_redirect() {
    let documents = documents();
    let server = serve(&documents).await;
    let client = Client::new(None).unwrap();
    let image = format!("{}/a/b", server.authority());
    let found = inspect(&client, &image, &Platform::linux_amd64()).await.unwrap();
    assert_eq!(found.digest, Digest::sha256(&documents.index));
    assert_eq!(found.manifest, Digest::sha256(&documents.manifest));
    assert_eq!((&*found.platforms, &*found.platform), (&["linux/amd64".to_string()][..], "linux/amd64"));
    assert_eq!((&*found.entrypoint, &*found.working_dir), (&["/opt/entry".to_string()][..], "/w"));
    let text = found.to_string();
    assert!(text.contains(&format!("layer 0     {}           7 bytes", Digest::sha256("layer"))), "{text}");
    assert!(text.contains("entrypoint  [\"/opt/entry\"]\ncmd         []\nenv         A=b\n"), "{text}");

    let plain = inspect(&client, &format!("http://{image}:plain"), &Platform::linux_amd64()).await.unwrap();
    assert_eq!((plain.digest, plain.manifest, plain.platforms.len()), (found.manifest, found.manifest, 0));
}

#[test]
fn where_a_name_is_asked_for() {
    let check = |endpoint: &str, image: &str, base: &str, repository: &str| {
        let (url, name) = locate(&named(&endpoint.parse().unwrap(), image)).unwrap();
        assert_eq!((url.as_str(), name.repository.as_str()), (base, repository), "{endpoint} {image}");
    };
    let local = "http://localhost:9090";
    check(local, "localhost:9090/library/busybox", "http://localhost:9090/", "library/busybox");
    check(local, "localhost:5000/a:b", "http://localhost:5000/", "a");
    check(local, "[::1]:5000/a", "http://[::1]:5000/", "a");
    check(local, "reg.example.com:8443/a/b", "https://reg.example.com:8443/", "a/b");
    check(local, "library/busybox", "http://localhost:9090/", "library/busybox");
    check(local, "busybox:1", "http://localhost:9090/", "busybox");
    check(local, "quay.io/nextflow/bash", "http://localhost:9090/", "quay.io/nextflow/bash");
    check(local, "https://quay.io/nextflow/bash", "https://quay.io/", "nextflow/bash");
    let remote = "https://wave.example.com";
    check(remote, "wave.example.com/wt/x/a:b", "https://wave.example.com/", "wt/x/a");
    check(remote, "localhost:9090/a", "http://localhost:9090/", "a");
    check("http://wave.local:80", "wave.local/a", "http://wave.local/", "a");
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let documents = documents();
    let server = serve(&documents).await;
    let client = Client::new(None).unwrap();
    let ask = async |name: &str, platform: &str| {
        let image = format!("{}/{name}", server.authority());
        inspect(&client, &image, &platform.parse().unwrap()).await.unwrap_err().to_string()
    };
    let missing = ask("a/b", "arm64").await;
    assert!(missing.ends_with("is not there for linux/arm64, only for linux/amd64"), "{missing}");
    let gone = ask("a/b:gone", "amd64").await;
    assert!(gone.ends_with("answers 404 Not Found"), "{gone}");
    assert!(ask("A B", "amd64").await.contains("is no image name"));
}

#[tokio::test]
async fn bytes_that_are_not_the_digest_are_refused() {
    let good = documents();
    let bad = Documents { config: good.config.replace("/w", "/x"), ..documents() };
    let path = format!("/v2/a/b/blobs/{}", Digest::sha256(&good.config));
    let server = Server::start([
        ("/v2/a/b/manifests/latest", 200, MANIFEST, good.manifest.clone()),
        (&path, 200, "application/octet-stream", bad.config),
    ])
    .await;
    let image = format!("{}/a/b", server.authority());
    let failure = inspect(&Client::new(None).unwrap(), &image, &Platform::linux_amd64()).await.unwrap_err();
    assert!(failure.to_string().contains("has another digest"), "{failure}");
}
