use super::*;
use crate::auth::{Access, AccessKey, Accounts, Anonymous, Caller, Credentials};
use crate::config;
use crate::error::BoxError;
use crate::oci::Digest;
use crate::pull::{Conditions, Spelt, Verb};
use crate::scratch::Scratch;
use crate::secret::Secret;
use crate::state::State;
use std::time::Duration;
use tower::Layer as _;
use tower_test::mock;

struct House {
    resolver: Resolver,
    _dir: Scratch,
}

const LIFE: Duration = Duration::from_secs(3600);

fn key() -> AccessKey {
    AccessKey::new(&[0; 32])
}

fn house(listed: &[(&str, config::Registry)]) -> House {
    let dir = Scratch::new();
    let cache =
        config::Cache { max_bytes: 0, max_derivations: 1, tag_ttl: LIFE, max_roots: 9, root_ttl: LIFE };
    let state = State::open(dir.path(), &cache).unwrap();
    let listed = listed.iter().map(|(host, policy)| (host.parse().unwrap(), policy.clone())).collect();
    let registries =
        Arc::new(Registries::new(&config::Registries { listed, ..config::Registries::default() }));
    let default = Arc::new(Recipe { env: vec!["DEFAULT=1".into()], ..Recipe::default() });
    let tokens = config::Tokens { duration: LIFE, max_count: 9, max_bytes: 1 << 20 };
    let resolver = Resolver {
        grants: Grants::load(state, &tokens, &default),
        gate: Arc::new(Gate::new(Accounts::default(), Anonymous::Allowed, &registries, key())),
        registries,
        default,
    };
    House { resolver, _dir: dir }
}

fn pull(place: Place, wish: &str) -> Pull {
    Pull {
        place,
        wish: What::Manifest(wish.parse().unwrap()),
        verb: Verb::Get,
        accept: Vec::new(),
        conditions: Conditions::default(),
        caller: Caller { address: [127, 0, 0, 1].into(), credentials: None },
    }
}

fn name(text: &str) -> Repository {
    text.parse().unwrap()
}

fn spelt(text: &str) -> Spelt {
    Spelt { text: text.into(), host: text.parse().unwrap() }
}

fn now() -> SystemTime {
    SystemTime::now()
}

async fn token(house: &House, reference: &str) -> Token {
    let grant = Grant {
        registry: Host::docker_hub(),
        repository: name("library/busybox"),
        reference: Some(reference.parse().unwrap()),
        recipe: Arc::new(Recipe { env: vec!["OWN=1".into()], ..Recipe::default() }),
        demand: Demand::Explicit,
        access: None,
        expires: None,
        owner: None,
    };
    house.resolver.grants.mint(grant, now()).await.unwrap().0
}

#[tokio::test]
async fn plain_names_get_the_default_recipe() {
    let house = house(&[("quay.io", config::Registry::default())]);
    let scope = |place| house.resolver.scope(pull(place, "latest"), now());
    let check = |place, registry: &str, repository: &str| {
        let scoped = scope(place).unwrap();
        let grant = &scoped.grant;
        assert_eq!((grant.registry.as_str(), grant.repository.as_str()), (registry, repository));
        assert_eq!((&*grant.recipe.env, grant.demand), (&["DEFAULT=1".to_string()][..], Demand::Default));
        assert_eq!(scoped.access.id().as_str(), "anonymous");
    };
    check(Place::Default(name("busybox")), "docker.io", "library/busybox");
    check(Place::Default(name("a/b")), "docker.io", "a/b");
    check(Place::Named(spelt("quay.io"), name("busybox")), "quay.io", "busybox");
    check(Place::Named(spelt("ghcr.io"), name("a/b")), "ghcr.io", "a/b");
    check(Place::Mirror(spelt("index.docker.io"), name("busybox")), "docker.io", "library/busybox");
    let error = scope(Place::Mirror(spelt("ghcr.io"), name("a/b"))).unwrap_err();
    assert_eq!(error.code(), Code::NameUnknown);
}

#[tokio::test]
async fn a_token_stands_for_its_image_and_no_other() {
    let house = house(&[]);
    let token = token(&house, "1.36").await;
    let scope = |repository, wish: &str| {
        house.resolver.scope(pull(Place::Token(token, name(repository)), wish), now())
    };
    assert_eq!(scope("library/busybox", "1.36").unwrap().grant.recipe.env, ["OWN=1"]);
    assert!(scope("busybox", "1.36").is_ok());
    assert!(scope("busybox", &Digest::sha256("any").to_string()).is_ok());
    let refusal = |outcome: Result<Scoped, Error>| {
        let error = outcome.unwrap_err();
        (error.code(), error.status().as_u16(), error.message().to_string())
    };
    let (code, status, message) = refusal(scope("library/alpine", "1.36"));
    assert_eq!((code, status), (Code::NameUnknown, 404));
    assert_eq!(message, "the container token was not made for 'library/alpine'");
    let (code, status, message) = refusal(scope("busybox", "latest"));
    assert_eq!((code, status), (Code::ManifestUnknown, 404));
    assert!(message.contains("'1.36'"), "{message}");
}

#[tokio::test]
async fn ends_of_tokens_are_told_apart() {
    let house = house(&[]);
    let token = token(&house, "latest").await;
    let scope =
        |token, wish: &str, at| house.resolver.scope(pull(Place::Token(token, name("busybox")), wish), at);
    let unknown = scope(Token::mint().unwrap(), "latest", now()).unwrap_err();
    assert_eq!((unknown.code(), unknown.status().as_u16()), (Code::NameUnknown, 404));
    assert!(unknown.message().contains("unknown or expired"));
    let ended = now() + LIFE;
    let expired = scope(token, "latest", ended).unwrap_err();
    assert_eq!(expired.code(), Code::NameUnknown);
    assert!(expired.message().starts_with("the container token expired at 2"), "{}", expired.message());
    // A pull under way may finish, for a while.
    let digest = Digest::sha256("layer").to_string();
    assert!(scope(token, &digest, ended).is_ok());
    assert!(scope(token, &digest, ended + super::super::store::LINGER).is_err());
}

#[tokio::test]
async fn whose_credentials_are_used() {
    let operator = Credentials { username: "op".into(), password: Secret::new("x") };
    let own = Credentials { username: "me".into(), password: Secret::new("y") };
    let policy = config::Registry { credentials: Some(operator), ..config::Registry::default() };
    let forward = config::Registry { forward_credentials: true, ..policy.clone() };
    let house = house(&[("quay.io", policy), ("ghcr.io", forward)]);
    let user = |host: &str, credentials: Option<&Credentials>| {
        let mut pull = pull(Place::Named(spelt(host), name("a/b")), "latest");
        pull.caller.credentials = credentials.cloned();
        let scoped = house.resolver.scope(pull, now()).unwrap();
        scoped.access.credentials().map(|found| found.username.clone())
    };
    assert_eq!(user("quay.io", Some(&own)).as_deref(), Some("op"));
    assert_eq!(user("ghcr.io", Some(&own)).as_deref(), Some("me"));
    assert_eq!(user("ghcr.io", None).as_deref(), Some("op"));
    assert_eq!(user("other.io", Some(&own)), None);
}

#[tokio::test]
async fn a_token_made_with_own_credentials_needs_some_again() {
    let forward = config::Registry { forward_credentials: true, ..config::Registry::default() };
    let house = house(&[("ghcr.io", forward)]);
    let own = Credentials { username: "me".into(), password: Secret::new("y") };
    let registry = house.resolver.registries.find(&"ghcr.io".parse().unwrap()).unwrap();
    let grant = Grant {
        registry: registry.host.clone(),
        repository: name("a/b"),
        reference: Some("latest".parse().unwrap()),
        recipe: Arc::new(Recipe::default()),
        demand: Demand::Default,
        access: Some(Access::caller(&registry.host, own.clone(), &key()).id().clone()),
        expires: None,
        owner: None,
    };
    let (token, _) = house.resolver.grants.mint(grant, now()).await.unwrap();
    let mut pull = pull(Place::Token(token, name("a/b")), "latest");
    assert_eq!(house.resolver.scope(pull.clone(), now()).unwrap_err().code(), Code::Unauthorized);
    pull.caller.credentials = Some(own);
    assert!(house.resolver.scope(pull, now()).is_ok());
}

type Inner = tower::util::MapErr<mock::Mock<Scoped, &'static str>, fn(BoxError) -> Error>;

/// The layer over a service that the test plays.
fn layered(resolver: Resolver) -> (mock::Spawn<Resolve<Inner>>, mock::Handle<Scoped, &'static str>) {
    let (inner, handle) = mock::pair();
    let inner = tower::util::MapErr::new(inner, Error::from as fn(BoxError) -> Error);
    (mock::Spawn::new(ResolveLayer::new(resolver).layer(inner)), handle)
}

#[tokio::test]
async fn as_a_layer_it_hands_down_what_a_name_stands_for() {
    let house = house(&[]);
    let token = token(&house, "1.36").await;
    let (mut service, mut handle) = layered(house.resolver);
    for (place, env) in
        [(Place::Default(name("busybox")), "DEFAULT=1"), (Place::Token(token, name("busybox")), "OWN=1")]
    {
        assert!(service.poll_ready().is_ready());
        let answer = service.call(pull(place, "1.36"));
        let (scoped, reply) = handle.next_request().await.unwrap();
        assert_eq!(scoped.grant.repository.as_str(), "library/busybox");
        assert_eq!(scoped.grant.recipe.env, [env]);
        reply.send_response("answered");
        assert_eq!(answer.await.unwrap(), "answered");
    }
}

#[tokio::test]
async fn as_a_layer_it_answers_itself_when_a_name_stands_for_nothing() {
    let (mut service, mut handle) = layered(house(&[]).resolver);
    assert!(service.poll_ready().is_ready());
    let unknown = Place::Token(Token::mint().unwrap(), name("busybox"));
    let error = service.call(pull(unknown, "latest")).await.unwrap_err();
    assert_eq!(error.code(), Code::NameUnknown);
    drop(service);
    assert!(handle.next_request().await.is_none(), "nothing was handed down");
}

#[tokio::test]
async fn as_a_layer_it_is_as_ready_as_what_lies_below_and_passes_its_errors() {
    let (mut service, mut handle) = layered(house(&[]).resolver);
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
    let answer = service.call(pull(Place::Default(name("busybox")), "latest"));
    let (_, reply) = handle.next_request().await.unwrap();
    reply.send_error(Error::client(Code::Denied, "no"));
    assert_eq!(answer.await.unwrap_err().code(), Code::Denied);
}
