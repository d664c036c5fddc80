use super::*;
use crate::auth::{Access, Credentials};
use crate::grant::{Grant, Recipe};
use crate::oci::Digest;
use crate::pull::{Conditions, Demand, Place, Pull, Verb};
use crate::secret::Secret;
use crate::telemetry::testing;
use crate::upstream::Registries;
use tower::Layer as _;
use tower_test::mock::{self, spawn_layer};

const HOUR: Duration = Duration::from_secs(3600);

fn rates(count: u32) -> Rates {
    Rates::new(&config::Rate { anonymous: Some(Quota { count, per: HOUR }), authenticated: None })
}

fn scoped(caller: Caller, repository: &str, wish: What) -> Scoped {
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
        pull: Pull {
            place: Place::Default(repository),
            wish,
            verb: Verb::Get,
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

fn manifest(reference: &str) -> What {
    What::Manifest(reference.parse().unwrap())
}

async fn ask(rates: &Rates, caller: Caller, repository: &str, wish: What) -> Result<(), Error> {
    let scoped = scoped(caller, repository, wish);
    match rates.concerns(&scoped) {
        Some((quota, reference)) => rates.count(&scoped, quota, reference).await,
        None => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_counts_once() {
    let (recorder, metrics) = testing::recorder();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let rates = rates(2);
    let ask = |repository, wish| ask(&rates, address("192.0.2.1"), repository, wish);
    let child = Digest::sha256(b"child").to_string();
    for wish in [manifest("latest"), manifest("latest"), manifest(&child), manifest(&child)] {
        ask("a", wish).await.unwrap();
    }
    ask("a", What::Blob(Digest::sha256(b"blob"))).await.unwrap();
    assert_eq!(testing::value(&metrics, names::PULLS, &[("outcome", "counted")]), 1.0);
    ask("b", manifest(&child)).await.unwrap();
    assert_eq!(testing::value(&metrics, names::PULLS, &[("outcome", "counted")]), 2.0);

    let error = ask("c", manifest("latest")).await.unwrap_err();
    assert_eq!((error.code(), error.retry_after()), (Code::TooManyRequests, Some(HOUR / 2)));
    assert_eq!(error.message(), "Request exceeded expected pull rate limit");
    assert_eq!(
        testing::value(&metrics, names::PULLS, &[("caller", "anonymous"), ("outcome", "limited")]),
        1.0
    );
    ask("a", manifest("latest")).await.unwrap();

    tokio::time::advance(WINDOW).await;
    assert!(ask("a", manifest("latest")).await.is_err(), "a new pull after the window");
    assert!(ask("a", manifest(&child)).await.is_err(), "nor is there a pull it could be part of");
    tokio::time::advance(HOUR / 2).await;
    ask("a", manifest("latest")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_caller_has_an_allowance() {
    let rates = rates(1);
    let ask = |caller, repository: &'static str| ask(&rates, caller, repository, manifest("latest"));
    ask(address("192.0.2.1"), "a").await.unwrap();
    assert!(ask(address("192.0.2.1"), "b").await.is_err());
    assert!(ask(address("::ffff:192.0.2.1"), "b").await.is_err(), "the same address, mapped");
    ask(address("192.0.2.2"), "a").await.unwrap();
    ask(address("2001:db8::1"), "a").await.unwrap();
    assert!(ask(address("2001:db8::ffff:2"), "b").await.is_err(), "the same /64");
    ask(address("2001:db8:0:1::1"), "a").await.unwrap();
    // Accounts have no limit here, whatever their address.
    let credentials = Some(Credentials { username: "alice".into(), password: Secret::new("x") });
    for repository in ["a", "b", "c"] {
        ask(Caller { credentials: credentials.clone(), ..address("192.0.2.1") }, repository).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_layer_refuses_before_anything_below_is_asked() {
    let (mut service, mut inner): (mock::Spawn<_>, mock::Handle<Scoped, ()>) =
        spawn_layer(tower::layer::layer_fn(|inner: mock::Mock<Scoped, ()>| {
            let inner = tower::util::MapErr::new(inner, Error::from);
            RateLayer::new(rates(1)).layer(inner)
        }));
    let request = |repository| scoped(address("192.0.2.1"), repository, manifest("latest"));
    assert!(service.poll_ready().is_ready());
    let (answer, ()) = tokio::join!(service.call(request("a")), async {
        inner.next_request().await.unwrap().1.send_response(());
    });
    answer.unwrap();
    assert!(service.poll_ready().is_ready());
    assert_eq!(service.call(request("b")).await.unwrap_err().status(), 429);
    assert!(matches!(inner.poll_request(), std::task::Poll::Pending));
}
