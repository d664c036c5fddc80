use super::*;
use crate::auth::{Access, Credentials};
use crate::body::Body;
use crate::grant::{Grant, Recipe};
use crate::oci::{Host, Reference, Repository, headers};
use crate::pull::{Conditions, Demand, Place, Pull as Request, Verb};
use crate::secret::Secret;
use crate::telemetry::{Metrics, testing};
use crate::upstream::Registries;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Response};
use std::collections::HashMap;
use std::time::Duration;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_test::mock::{self, spawn_layer};

const HOUR: Duration = Duration::from_secs(3600);
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn rates(count: u32) -> Rates {
    Rates::new(&config::Rate { anonymous: Some(Quota { count, per: HOUR }), authenticated: None })
}

fn scoped(caller: Caller, repository: &str, wish: What, verb: Verb) -> Scoped {
    let registries = Registries::new(&config::Registries::default());
    let repository: Repository = repository.parse().unwrap();
    let grant = Grant {
        registry: Host::docker_hub(),
        repository: repository.clone(),
        reference: None,
        recipe: Arc::new(Recipe::default()),
        demand: Demand::Default,
        access: None,
        expires: None,
        owner: None,
    };
    Scoped {
        pull: Request {
            place: Place::Default(repository),
            wish,
            verb,
            accept: Vec::new(),
            conditions: Conditions::default(),
            caller,
        },
        grant: Arc::new(grant),
        registry: registries.find(&Host::docker_hub()).unwrap(),
        access: Access::anonymous(),
    }
}

fn address(text: &str) -> Caller {
    Caller { address: text.parse().unwrap(), credentials: None }
}

fn manifest(reference: impl std::fmt::Display) -> What {
    What::Manifest(reference.to_string().parse().unwrap())
}

/// An index of these manifests.
fn index(children: &[Digest]) -> String {
    let entry = |digest: &Digest| format!(r#"{{"mediaType":"m","digest":"{digest}","size":1}}"#);
    let entries: Vec<_> = children.iter().map(entry).collect();
    format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, entries.join(","))
}

/// A registry behind the layer: tags and what they are; every content is also there by its digest.
#[derive(Clone, Default)]
struct House {
    tags: Arc<Mutex<HashMap<String, String>>>,
}

type Rated = BoxFuture<'static, Result<Response<Body>, Error>>;

impl House {
    fn push(&self, tag: &str, content: &str) -> Digest {
        self.tags.lock().unwrap().insert(tag.into(), content.into());
        Digest::sha256(content)
    }

    fn answer(&self, scoped: &Scoped) -> Result<Response<Body>, Error> {
        let What::Manifest(reference) = &scoped.pull.wish else { return Ok(Response::new(Body::empty())) };
        let tags = self.tags.lock().unwrap();
        let content = match reference {
            Reference::Tag(tag) => tags.get(&tag.to_string()),
            Reference::Digest(digest) => tags.values().find(|content| Digest::sha256(content) == *digest),
        };
        let content = content.ok_or_else(|| Error::client(Code::ManifestUnknown, "not here"))?;
        let mut response = Response::new(match scoped.pull.verb {
            Verb::Get => Body::full(content.clone()),
            Verb::Head => Body::empty(),
        });
        let digest = HeaderValue::try_from(Digest::sha256(content).to_string()).unwrap();
        response.headers_mut().insert(headers::CONTENT_DIGEST, digest);
        // As `pull` has it on every manifest.
        let media =
            if content.contains(INDEX) { INDEX } else { "application/vnd.oci.image.manifest.v1+json" };
        response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media));
        Ok(response)
    }

    /// One request through the layer.
    fn ask(&self, rates: &Rates, scoped: Scoped) -> Rated {
        let house = self.clone();
        let inner = service_fn(move |scoped: Scoped| {
            let house = house.clone();
            async move {
                // As a registry does: others come in between.
                tokio::task::yield_now().await;
                house.answer(&scoped)
            }
        });
        Box::pin(RateLayer::new(rates.clone()).layer(inner).oneshot(scoped))
    }
}

/// A house, its rates, and what is counted.
struct Rig {
    house: House,
    rates: Rates,
    metrics: Metrics,
    _recorder: metrics::LocalRecorderGuard<'static>,
}

impl Rig {
    fn new(count: u32) -> Rig {
        let (recorder, metrics) = testing::recorder();
        let recorder = metrics::set_default_local_recorder(Box::leak(Box::new(recorder)));
        Rig { house: House::default(), rates: rates(count), metrics, _recorder: recorder }
    }

    fn send(&self, verb: Verb, wish: What) -> Rated {
        self.house.ask(&self.rates, scoped(address("192.0.2.1"), "a", wish, verb))
    }

    async fn get(&self, reference: impl std::fmt::Display) -> Result<(), Error> {
        self.send(Verb::Get, manifest(reference)).await.map(drop)
    }

    async fn head(&self, reference: impl std::fmt::Display) -> Result<(), Error> {
        self.send(Verb::Head, manifest(reference)).await.map(drop)
    }

    fn counted(&self) -> f64 {
        testing::value(&self.metrics, names::PULLS, &[("caller", "anonymous"), ("outcome", "counted")])
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_counts_once_by_whatever_reference() {
    let rig = Rig::new(10);
    let root = rig.house.push("latest", r#"{"layers":[]}"#);
    rig.house.push("1.0", r#"{"layers":[]}"#);
    rig.head("latest").await.unwrap();
    rig.get("latest").await.unwrap();
    rig.get(root).await.unwrap();
    rig.get("1.0").await.unwrap();
    rig.send(Verb::Get, What::Blob(Digest::sha256("blob"))).await.unwrap();
    assert_eq!(rig.counted(), 1.0);
    rig.house.push("other", r#"{"layers":[1]}"#);
    rig.get("other").await.unwrap();
    assert_eq!(rig.counted(), 2.0);
}

#[tokio::test(start_paused = true)]
async fn what_an_index_holds_goes_with_it_and_nothing_else_does() {
    let rig = Rig::new(10);
    let [amd, arm, alone] =
        ["amd", "arm", "alone"].map(|name| rig.house.push(name, &format!(r#"{{"x":"{name}"}}"#)));
    let nested = rig.house.push("nested", &index(&[arm]));
    rig.house.push("latest", &index(&[amd, nested]));
    rig.get("latest").await.unwrap();
    for child in [amd, nested, arm] {
        rig.get(child).await.unwrap();
    }
    assert_eq!(rig.counted(), 1.0);
    rig.get(alone).await.unwrap();
    assert_eq!(rig.counted(), 2.0, "a manifest of the same repository is a pull of its own");
    // A head alone hands no index out, and what it holds is not the caller's yet.
    let rig = Rig { house: rig.house.clone(), ..Rig::new(10) };
    rig.head("latest").await.unwrap();
    rig.get(amd).await.unwrap();
    assert_eq!(rig.counted(), 2.0);
}

#[tokio::test(start_paused = true)]
async fn the_last_token_is_for_a_whole_pull() {
    let rig = Rig::new(1);
    let child = rig.house.push("child", r#"{"layers":[]}"#);
    rig.house.push("latest", &index(&[child]));
    rig.house.push("other", r#"{"layers":[1]}"#);
    rig.head("latest").await.unwrap();
    rig.get("latest").await.unwrap();
    rig.get(child).await.unwrap();
    let error = rig.get("other").await.unwrap_err();
    assert_eq!((error.code(), error.retry_after()), (Code::TooManyRequests, Some(HOUR)));
    assert_eq!(error.message(), "Request exceeded expected pull rate limit");
    assert_eq!(testing::value(&rig.metrics, names::PULLS, &[("outcome", "limited")]), 1.0);

    tokio::time::advance(WINDOW).await;
    assert!(rig.get("latest").await.is_err(), "a new pull after the window");
    assert!(rig.get(child).await.is_err(), "nor is there a pull it could be part of");
    tokio::time::advance(HOUR).await;
    rig.get("latest").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_no_pull() {
    let rig = Rig::new(1);
    for _ in 0..3 {
        assert_eq!(rig.get("none").await.unwrap_err().code(), Code::ManifestUnknown);
        assert_eq!(rig.get(Digest::sha256("none")).await.unwrap_err().code(), Code::ManifestUnknown);
    }
    assert_eq!(rig.counted(), 0.0);
    rig.house.push("latest", "{}");
    rig.get("latest").await.unwrap();
    assert_eq!(rig.get("none").await.unwrap_err().code(), Code::TooManyRequests);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_moves_is_another_pull() {
    let rig = Rig::new(2);
    for content in ["{}", r#"{"a":1}"#, r#"{"a":2}"#] {
        rig.house.push("latest", content);
        let answer = rig.get("latest").await;
        assert_eq!(answer.is_ok(), content != r#"{"a":2}"#, "{answer:?}");
    }
    assert_eq!(rig.counted(), 2.0);
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_are_one_pull() {
    let rig = Rig::new(1);
    rig.house.push("latest", "{}");
    let all = (0..8).map(|at| rig.send(if at % 2 == 0 { Verb::Head } else { Verb::Get }, manifest("latest")));
    for answer in futures_util::future::join_all(all).await {
        answer.unwrap();
    }
    assert_eq!(rig.counted(), 1.0);
    // Of two tags each holds a token until it turns out that they are one image.
    let rig = Rig::new(2);
    rig.house.push("latest", "{}");
    rig.house.push("1.0", "{}");
    let both = ["latest", "1.0"].map(|tag| rig.send(Verb::Get, manifest(tag)));
    for answer in futures_util::future::join_all(both).await {
        answer.unwrap();
    }
    assert_eq!(rig.counted(), 1.0);
    rig.house.push("other", r#"{"a":1}"#);
    rig.get("other").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_caller_has_an_allowance() {
    let (rates, house) = (rates(1), House::default());
    house.push("latest", "{}");
    house.push("other", r#"{"a":1}"#);
    let ask = |caller, tag: &'static str| house.ask(&rates, scoped(caller, "a", manifest(tag), Verb::Get));
    ask(address("192.0.2.1"), "latest").await.unwrap();
    assert!(ask(address("192.0.2.1"), "other").await.is_err());
    assert!(ask(address("::ffff:192.0.2.1"), "other").await.is_err(), "the same address, mapped");
    ask(address("192.0.2.2"), "latest").await.unwrap();
    ask(address("2001:db8::1"), "latest").await.unwrap();
    assert!(ask(address("2001:db8::ffff:2"), "other").await.is_err(), "the same /64");
    ask(address("2001:db8:0:1::1"), "latest").await.unwrap();
    // Accounts have no limit here, whatever their address.
    let credentials = Some(Credentials { username: "alice".into(), password: Secret::new("x") });
    for tag in ["latest", "other", "latest"] {
        ask(Caller { credentials: credentials.clone(), ..address("192.0.2.1") }, tag).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_layer_refuses_before_anything_below_is_asked() {
    type Inner = mock::Mock<Scoped, Response<Body>>;
    let (mut service, mut inner): (mock::Spawn<_>, mock::Handle<Scoped, Response<Body>>) =
        spawn_layer(tower::layer::layer_fn(|inner: Inner| {
            RateLayer::new(rates(1)).layer(tower::util::MapErr::new(inner, Error::from))
        }));
    let request = |tag| scoped(address("192.0.2.1"), "a", manifest(tag), Verb::Get);
    assert!(service.poll_ready().is_ready());
    let (answer, ()) = tokio::join!(service.call(request("latest")), async {
        let (asked, reply) = inner.next_request().await.unwrap();
        let house = House::default();
        house.push("latest", "{}");
        reply.send_response(house.answer(&asked).unwrap());
    });
    answer.unwrap();
    assert!(service.poll_ready().is_ready());
    assert_eq!(service.call(request("other")).await.unwrap_err().status(), 429);
    assert!(matches!(inner.poll_request(), std::task::Poll::Pending));
}
