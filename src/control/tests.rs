//! The routes over real grants and state; layers, derivations and logins are answered by functions.

use super::*;
use crate::auth::{AccessKey, Accounts, Anonymous};
use crate::config::{self, Unlisted};
use crate::grant::{Found, Source, Token};
use crate::oci::{Compression, Digest, MediaType};
use crate::pull::Demand;
use crate::rewrite::Document;
use crate::scratch::Scratch;
use base64::Engine as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};
use tower::{ServiceExt as _, service_fn};

const HOUR: Duration = Duration::from_secs(3600);

struct House {
    control: Control,
    derived: Arc<AtomicUsize>,
    _dir: Scratch,
}

fn house(change: impl FnOnce(&mut Parts, &mut config::Registries)) -> House {
    let dir = Scratch::new();
    let cache =
        config::Cache { max_bytes: 0, max_derivations: 1, tag_ttl: HOUR, max_roots: 9, root_ttl: HOUR };
    let state = State::open(dir.path(), &cache).unwrap();
    let tokens = config::Tokens { duration: HOUR, max_count: 9, max_bytes: 1 << 20 };
    let default = Arc::new(Recipe { env: vec!["DEFAULT=1".into()], ..Recipe::default() });
    let derived = Arc::new(AtomicUsize::new(0));
    let counter = derived.clone();
    let mut listed = config::Registries::default();
    let mut parts = Parts {
        grants: Grants::load(state.clone(), &tokens, &default),
        state,
        registries: Arc::new(Registries::new(&listed)),
        default,
        gate: gate(Anonymous::Allowed, &listed),
        url: Some("https://reg.example.com".parse().unwrap()),
        layers: BoxCloneSyncService::new(service_fn(accept)),
        derive: BoxCloneSyncService::new(service_fn(move |image| {
            counter.fetch_add(1, Ordering::SeqCst);
            derive(image)
        })),
        login: BoxCloneSyncService::new(service_fn(
            |(registry, own): (Arc<Registry>, Credentials)| async move {
                match (registry.host.as_str(), own.username.as_str(), own.password.expose()) {
                    ("docker.io" | "quay.io", "test", "test") => Ok(true),
                    ("broken.io", ..) => Err(Error::bad_gateway("no answer")),
                    _ => Ok(false),
                }
            },
        )),
        draining: Arc::default(),
    };
    change(&mut parts, &mut listed);
    parts.registries = Arc::new(Registries::new(&listed));
    parts.gate = gate(parts.gate.anonymous(), &listed);
    House { control: Control::new(parts), derived, _dir: dir }
}

fn gate(anonymous: Anonymous, registries: &config::Registries) -> Arc<Gate> {
    let accounts = Accounts::new([("alice".into(), Sha256::digest("pw").into())].into());
    Arc::new(Gate::new(accounts, anonymous, &Registries::new(registries), AccessKey::new(&[0; 32])))
}

fn parsed(digest: Option<String>) -> Option<Digest> {
    digest?.parse().ok()
}

async fn accept(request: LayerRequest) -> Result<Layer, Error> {
    Ok(Layer {
        digest: parsed(request.gzip_digest)
            .ok_or_else(|| Error::client(Code::ManifestInvalid, "no digest"))?,
        size: request.gzip_size.unwrap_or_default(),
        diff_id: parsed(request.tar_digest).unwrap_or_else(|| Digest::sha256("tar")),
        compression: Compression::Gzip,
        platforms: Vec::new(),
        source: Source::Url(request.location.unwrap_or_default()),
    })
}

async fn derive(image: Image) -> Result<Arc<Derivation>, Error> {
    if image.repository.as_str() == "no/such" {
        return Err(Error::client(Code::ManifestUnknown, "gone"));
    }
    let bytes = Bytes::from(format!("{} {:?}", image.root, image.recipe.id()));
    let root = Digest::sha256(&bytes);
    let media = MediaType::OciManifest;
    let documents = BTreeMap::from([(root, Document { media: media.clone(), bytes })]);
    Ok(Arc::new(Derivation {
        base: image.root,
        root,
        media,
        size: 9,
        documents,
        referrers: BTreeMap::new(),
        untouched: None,
        warning: None,
    }))
}

impl House {
    async fn send(&self, request: Request<Body>) -> Result<(u16, Value), Error> {
        let response = self.control.clone().oneshot(request).await?;
        let status = response.status().as_u16();
        let body = crate::body::bounded(response.into_body(), 1 << 20).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    async fn post(&self, path: &str, body: impl ToString) -> Result<Value, (u16, String)> {
        self.post_as(None, path, body).await
    }

    async fn post_as(
        &self,
        user: Option<&str>,
        path: &str,
        body: impl ToString,
    ) -> Result<Value, (u16, String)> {
        // What curl sends with -d and no type of its own.
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(user) = user {
            let pair = base64::engine::general_purpose::STANDARD.encode(user);
            request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
        }
        let outcome = self.send(request.body(Body::full(body.to_string())).unwrap()).await;
        match outcome {
            Ok((200, value)) => Ok(value),
            Ok((status, value)) => Err((status, value["message"].as_str().unwrap_or_default().into())),
            Err(error) => Err((error.status().as_u16(), error.message().into())),
        }
    }

    fn grant(&self, reply: &Value) -> Arc<crate::grant::Grant> {
        let token: Token = reply["containerToken"].as_str().unwrap().parse().unwrap();
        match self.control.parts.grants.find(&token, SystemTime::now()) {
            Found::Live(grant) => grant,
            other => panic!("{other:?}"),
        }
    }
}

/// The target image with the token cut out.
fn target(reply: &Value) -> String {
    let (image, token) = (reply["targetImage"].as_str().unwrap(), reply["containerToken"].as_str().unwrap());
    image.replace(token, "TOKEN")
}

#[tokio::test]
async fn the_first_call_of_the_readme() {
    let house = house(|_, _| ());
    let body = r#"{"containerImage":"quay.io/nextflow/bash:latest", "towerAccessToken":"eyJ0aWQiOiAxfS40", "towerWorkspaceId": null}"#;
    let reply = house.post("/container-token", body).await.unwrap();
    assert_eq!(target(&reply), "reg.example.com/wt/TOKEN/nextflow/bash:latest");
    let expiration = reply["expiration"].as_str().unwrap();
    let ends = SystemTime::try_from(expiration.parse::<jiff::Timestamp>().unwrap()).unwrap();
    let left = ends.duration_since(SystemTime::now()).unwrap();
    assert!(
        expiration.ends_with('Z') && left > HOUR - Duration::from_secs(30) && left <= HOUR,
        "{expiration}"
    );
    let grant = house.grant(&reply);
    assert_eq!((grant.registry.as_str(), grant.repository.as_str()), ("quay.io", "nextflow/bash"));
    assert_eq!((&*grant.recipe.env, grant.demand), (&["DEFAULT=1".to_string()][..], Demand::Default));
}

#[tokio::test]
async fn the_second_call_of_the_readme_replaces_the_default_layer() {
    let house = house(|_, _| ());
    let layer = json!({
        "location": "https://s3.eu-west-1.amazonaws.com/nf-tower.dev/wave-layer.tar.gzip",
        "gzipDigest": "sha256:e9d6f29eecde29c12f0d32a1bc81aa9f4fcb76f8d813b8f1a37e8af5ee6b7657",
        "gzipSize": "13219265",
        "tarDigest": "sha256:2648cf125a9a4c4c5c9a2d3799b3a57983b5297442d7995746273c615bc4e316"
    });
    let body =
        json!({ "containerImage": "quay.io/nextflow/bash:latest", "containerConfig": { "layers": [layer] } });
    let grant = house.grant(&house.post("/container-token", body).await.unwrap());
    assert_eq!((grant.recipe.env.len(), grant.recipe.layers[0].size), (0, 13_219_265));
    assert_eq!(grant.demand, Demand::Explicit);
}

#[tokio::test]
async fn what_nextflow_sends() {
    let house = house(|_, _| ());
    let body = json!({
        "towerAccessToken": null, "towerRefreshToken": null, "towerWorkspaceId": null, "towerEndpoint": "https://x",
        "containerImage": "busybox", "containerFile": null,
        "containerConfig": { "entrypoint": null, "cmd": ["sh"], "env": null, "workingDir": null, "layers": null },
        "containerPlatform": "linux/arm64", "buildRepository": null, "timestamp": "2026-11-23T22:50:00Z",
        "freeze": false, "mirror": false, "packages": null, "scanLevels": null, "fingerprint": "5f3"
    });
    let reply = house.post("/container-token", body).await.unwrap();
    assert_eq!(target(&reply), "reg.example.com/wt/TOKEN/library/busybox:latest");
    let grant = house.grant(&reply);
    assert_eq!(
        (&*grant.recipe.cmd, grant.recipe.platforms[0].to_string()),
        (&["sh".to_string()][..], "linux/arm64".into())
    );
}

#[tokio::test]
async fn refusals_in_the_words_clients_know() {
    let house = house(|_, registries| registries.unlisted = Unlisted::Deny);
    let check = async |body: Value, status: u16, message: &str| {
        let refusal = house.post("/container-token", &body).await.unwrap_err();
        assert_eq!(refusal, (status, message.to_string()), "{body}");
    };
    let both = "Attributes 'containerImage' and 'containerFile' cannot be used in the same request";
    let neither = "Specify either 'containerImage' or 'containerFile' attribute";
    check(json!({ "containerImage": "a", "containerFile": "RlJPTSBh" }), 400, both).await;
    check(json!({}), 400, neither).await;
    check(json!({ "containerImage": "", "containerFile": null }), 400, neither).await;
    let off = "is not enabled in this Wave deployment";
    check(json!({ "containerFile": "RlJPTSBh" }), 400, &format!("Attribute 'containerFile' {off}")).await;
    check(json!({ "containerImage": "a", "freeze": true }), 400, &format!("Attribute 'freeze' {off}")).await;
    let platform = "Unsupported container platform: foo";
    check(json!({ "containerImage": "a", "containerPlatform": "foo" }), 400, platform).await;
    let name = "Invalid container image name \u{2014} offending value: 'a b'";
    check(json!({ "containerImage": "a b" }), 400, name).await;
    let unlisted = "registry 'quay.io' is not served here";
    check(json!({ "containerImage": "quay.io/a" }), 400, unlisted).await;
    let layer = json!({ "containerImage": "a", "containerConfig": { "layers": [{ "location": "data:x" }] } });
    check(layer, 400, "no digest").await;
    assert_eq!(house.post("/container-token", "{").await.unwrap_err().0, 400);
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(33 << 20));
    assert_eq!(
        house.post("/container-token", long).await.unwrap_err(),
        (413, "the request is larger than 32 MiB".into())
    );
    assert_eq!(house.derived.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn large_requests_take_turns_until_they_are_answered() {
    let checked = Arc::new(tokio::sync::Semaphore::new(0));
    let wait = checked.clone();
    let house = house(|parts, _| {
        parts.layers = BoxCloneSyncService::new(service_fn(move |request| {
            let wait = wait.clone();
            async move {
                wait.acquire().await.expect("it stays open").forget();
                accept(request).await
            }
        }))
    });
    let layer = json!({ "location": "x".repeat(100_000), "gzipDigest": Digest::sha256("x") });
    let body = json!({ "containerImage": "a", "containerConfig": { "layers": [layer] } });
    let mut four = pin!(join_all((0..4).map(|_| house.post("/container-token", &body))));
    let waiting = poll_fn(|cx| Poll::Ready(four.as_mut().poll(cx).is_pending())).await;
    assert!(waiting);
    assert_eq!(house.post("/container-token", &body).await.unwrap_err().0, 503);
    assert!(house.post("/container-token", json!({ "containerImage": "a" })).await.is_ok());
    checked.add_permits(5);
    assert!(four.await.iter().all(Result::is_ok));
    assert!(house.post("/container-token", &body).await.is_ok());
}

#[tokio::test]
async fn an_image_named_by_digest_is_derived_when_it_is_changed_and_only_then() {
    let house = house(|_, _| ());
    let base = Digest::sha256("base");
    let image = format!("quay.io/a/b@{base}");
    let plain = house.post("/container-token", json!({ "containerImage": image })).await.unwrap();
    assert_eq!(target(&plain), format!("reg.example.com/wt/TOKEN/a/b@{base}"));
    assert_eq!(house.derived.load(Ordering::SeqCst), 0);

    let changed = json!({ "containerImage": image, "containerConfig": { "env": ["A=b"] } });
    let reply = house.post("/container-token", &changed).await.unwrap();
    let target = target(&reply);
    let served: Digest = target.strip_prefix("reg.example.com/wt/TOKEN/a/b@").unwrap().parse().unwrap();
    assert_ne!(served, base);
    let grant = house.grant(&reply);
    assert_eq!(grant.reference, Some(crate::oci::Reference::Digest(base)));
    let access = crate::auth::Access::anonymous();
    let state = &house.control.parts.state;
    let (root, recipe) =
        state.root(access.id(), &grant.registry, &grant.repository, served).await.unwrap().unwrap();
    assert_eq!((root.base, &*recipe), (base, &*grant.recipe));

    let gone =
        json!({ "containerImage": format!("quay.io/no/such@{base}"), "containerConfig": { "cmd": ["x"] } });
    let (status, message) = house.post("/container-token", gone).await.unwrap_err();
    let want = format!("Container image 'quay.io/no/such@{base}' does not exist or access is not authorized");
    assert_eq!((status, message), (400, want));
}

#[tokio::test]
async fn a_closed_house_mints_for_accounts() {
    let house = house(|parts, registries| parts.gate = gate(Anonymous::Refused, registries));
    let body = json!({ "containerImage": "busybox", "towerAccessToken": "x" });
    let missing = house.post("/container-token", &body).await.unwrap_err();
    assert_eq!(missing, (400, "Missing access token".into()));
    assert_eq!(house.post_as(Some("alice:no"), "/container-token", &body).await.unwrap_err().0, 401);
    let reply = house.post_as(Some("alice:pw"), "/container-token", &body).await.unwrap();
    assert_eq!(house.grant(&reply).owner.as_deref(), Some("alice"));
}

#[tokio::test]
async fn a_token_is_no_way_around_a_registry_that_wants_accounts() {
    let house = house(|_, registries| {
        let policy = config::Registry { anonymous: false, ..config::Registry::default() };
        registries.listed.insert("quay.io".parse().unwrap(), policy);
    });
    let body = json!({ "containerImage": "quay.io/a" });
    assert_eq!(house.post("/container-token", &body).await.unwrap_err().0, 401);
    assert!(house.post_as(Some("alice:pw"), "/container-token", &body).await.is_ok());
    assert!(house.post("/container-token", json!({ "containerImage": "a" })).await.is_ok());
}

#[tokio::test]
async fn a_full_house_says_when_to_come_back() {
    let house = house(|_, _| ());
    let body = json!({ "containerImage": "busybox" });
    for _ in 0..9 {
        house.post("/container-token", &body).await.unwrap();
    }
    let request = Request::post("/container-token").body(Body::full(body.to_string())).unwrap();
    let error = house.send(request).await.unwrap_err();
    assert_eq!(error.status().as_u16(), 429);
    assert!(error.retry_after().is_some());
}

#[tokio::test]
async fn credentials_are_tried() {
    let house = house(|_, _| ());
    let ask = async |user: &str, password: &str, registry: Value| {
        let body = json!({ "userName": user, "password": password, "registry": registry });
        house.post("/validate-creds", body).await
    };
    assert_eq!(ask("test", "test", json!("docker.io")).await, Ok(json!(true)));
    assert_eq!(ask("test", "test", Value::Null).await, Ok(json!(true)));
    assert_eq!(ask("test", "test", json!("https://quay.io/v2")).await, Ok(json!(true)));
    assert_eq!(ask("nope", "yepes", json!("quay.io")).await, Ok(json!(false)));
    assert_eq!(ask("test", "test", json!("broken.io")).await, Ok(json!(false)));
    let missing =
        house.post("/validate-creds", json!({ "userName": "a", "password": null })).await.unwrap_err();
    assert_eq!(missing, (400, "Missing 'password' attribute".into()));
    let inside = ask("a", "b", json!("http://169.254.169.254/latest")).await.unwrap_err();
    assert_eq!(
        inside,
        (400, "Registry hostname not allowed \u{2014} offending value: '169.254.169.254'".into())
    );
    let long = json!({ "userName": "a".repeat(70_000) });
    assert_eq!(house.post("/validate-creds", long).await.unwrap_err().0, 413);
}

#[tokio::test]
async fn service_information_health_and_wrong_methods() {
    let house = house(|_, _| ());
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response =
            house.control.clone().oneshot(request).await.map_err(|error| error.status().as_u16())?;
        let head = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_string());
        let (status, allow, length) = (response.status().as_u16(), head("allow"), head("content-length"));
        let body = crate::body::bounded(response.into_body(), 4096).await.unwrap();
        Ok::<_, u16>((status, allow, length, String::from_utf8(body.to_vec()).unwrap()))
    };
    let up = r#"{"status":"UP"}"#;
    assert_eq!(ask("GET", "/health").await, Ok((200, None, Some("15".into()), up.into())));
    assert_eq!(ask("HEAD", "/health").await, Ok((200, None, Some("15".into()), String::new())));
    let info: Value = serde_json::from_str(&ask("GET", "/service-info").await.unwrap().3).unwrap();
    assert_eq!(info["serviceInfo"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(info["serviceInfo"]["commitId"].is_string());
    let (status, allow, ..) = ask("GET", "/container-token").await.unwrap();
    assert_eq!((status, allow.as_deref()), (405, Some("POST")));
    assert_eq!(ask("DELETE", "/health").await.unwrap().1.as_deref(), Some("GET, HEAD"));
    assert_eq!(ask("GET", "/").await, Err(404));
    house.control.parts.draining.store(true, Ordering::Relaxed);
    let (status, .., body) = ask("GET", "/health").await.unwrap();
    assert_eq!((status, &*body), (503, r#"{"status":"DOWN"}"#));
}
