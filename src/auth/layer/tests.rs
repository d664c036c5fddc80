use super::*;
use crate::auth::{Access, AccessKey, Accounts, Anonymous, Caller, Credentials};
use crate::config;
use crate::grant::{Grant, Recipe, Token};
use crate::oci::{Challenge, Code, Host};
use crate::pull::{Conditions, Demand, Place, Pull, Verb, What};
use crate::secret::Secret;
use crate::upstream::Registries;
use futures_util::FutureExt as _;
use sha2::{Digest as _, Sha256};
use tower_test::mock;

struct House {
    anonymous: Anonymous,
    policy: config::Registry,
}

impl Default for House {
    fn default() -> House {
        House { anonymous: Anonymous::Allowed, policy: config::Registry::default() }
    }
}

impl House {
    fn registries(&self) -> Registries {
        let listed = [(Host::docker_hub(), self.policy.clone())].into();
        Registries::new(&config::Registries { listed, ..config::Registries::default() })
    }

    fn gate(&self) -> Gate {
        let accounts = Accounts::new([("alice".into(), Sha256::digest("pw").into())].into());
        Gate::new(accounts, self.anonymous, &self.registries(), AccessKey::new(&[0; 32]))
    }

    fn scoped(&self, place: Place, caller: Caller) -> Scoped {
        let registry = self.registries().find(&Host::docker_hub()).unwrap();
        Scoped {
            pull: Pull {
                place,
                wish: What::Manifest("latest".parse().unwrap()),
                verb: Verb::Get,
                accept: Vec::new(),
                conditions: Conditions::default(),
                caller,
            },
            grant: Arc::new(Grant {
                registry: Host::docker_hub(),
                repository: "library/x".parse().unwrap(),
                reference: None,
                recipe: Arc::new(Recipe::default()),
                demand: Demand::Default,
                access: None,
                expires: None,
                owner: None,
            }),
            registry,
            access: Access::anonymous(),
        }
    }

    /// Refused with this status, or let through with these credentials left.
    async fn send(&self, place: Place, caller: Caller) -> Result<Option<String>, Error> {
        let layer = RequireLayer::new(Arc::new(self.gate()));
        // The mock speaks in boxed errors, and they come back as ours.
        let (inner, mut handle) = mock::pair::<Scoped, ()>();
        let inner = tower::util::MapErr::new(inner, Error::from as fn(crate::error::BoxError) -> Error);
        let mut service = mock::Spawn::new(layer.layer(inner));
        assert!(service.poll_ready().is_ready());
        let mut answer = Box::pin(service.call(self.scoped(place, caller)));
        // A refusal needs nobody's answer.
        if let Some(outcome) = (&mut answer).now_or_never() {
            return Err(outcome.expect_err("the inner service has not answered"));
        }
        let (seen, reply) = handle.next_request().await.expect("it was handed down");
        reply.send_response(());
        answer.await.unwrap();
        Ok(seen.pull.caller.credentials.map(|own| own.username))
    }
}

fn nobody() -> Caller {
    Caller { address: [127, 0, 0, 1].into(), credentials: None }
}

fn caller(username: &str, password: &str) -> Caller {
    let credentials = Credentials { username: username.into(), password: Secret::new(password) };
    Caller { credentials: Some(credentials), ..nobody() }
}

fn plain() -> Place {
    Place::Default("library/x".parse().unwrap())
}

fn refused(outcome: Result<Option<String>, Error>) -> &'static str {
    let error = outcome.expect_err("it is refused");
    assert_eq!((error.code(), error.status().as_u16()), (Code::Unauthorized, 401));
    assert_eq!(error.challenge(), Some(&Challenge::Basic { realm: "Wave".into() }));
    if error.message().starts_with("wrong") { "wrong" } else { "login" }
}

#[tokio::test]
async fn an_open_house_lets_everybody_in_but_not_with_a_wrong_password() {
    let house = House::default();
    assert_eq!(house.send(plain(), nobody()).await.unwrap(), None);
    assert_eq!(house.send(plain(), caller("alice", "pw")).await.unwrap().as_deref(), Some("alice"));
    assert_eq!(refused(house.send(plain(), caller("alice", "no")).await), "wrong");
    assert_eq!(refused(house.send(plain(), caller("bob", "pw")).await), "wrong");
    assert!(house.gate().ping(&nobody()).is_ok());
    assert!(house.gate().ping(&caller("alice", "no")).is_err());
}

#[tokio::test]
async fn a_closed_house_wants_an_account_or_a_token() {
    let house = House { anonymous: Anonymous::Refused, ..House::default() };
    assert_eq!(refused(house.send(plain(), nobody()).await), "login");
    assert_eq!(refused(house.send(plain(), caller("alice", "no")).await), "wrong");
    assert!(house.send(plain(), caller("alice", "pw")).await.is_ok());
    let token = || Place::Token(Token::mint().unwrap(), "library/x".parse().unwrap());
    assert!(house.send(token(), nobody()).await.is_ok());
    assert_eq!(refused(house.gate().ping(&nobody()).map(|()| None)), "login");
    assert!(house.gate().ping(&caller("alice", "pw")).is_ok());
}

#[tokio::test]
async fn a_registry_may_want_an_account_on_its_own() {
    let policy = config::Registry { anonymous: false, ..config::Registry::default() };
    let house = House { policy, ..House::default() };
    assert_eq!(refused(house.send(plain(), nobody()).await), "login");
    assert!(house.send(plain(), caller("alice", "pw")).await.is_ok());
    assert!(house.gate().ping(&nobody()).is_ok());
}

#[tokio::test]
async fn forwarded_credentials_are_the_registrys_to_judge_and_go_no_further() {
    let policy =
        config::Registry { forward_credentials: true, anonymous: false, ..config::Registry::default() };
    let house = House { policy, ..House::default() };
    assert_eq!(house.send(plain(), caller("hub-user", "hub-pw")).await.unwrap(), None);
    let (gate, registries) = (house.gate(), house.registries());
    let registry = registries.find(&Host::docker_hub()).unwrap();
    let access = |caller: Caller| gate.access(&registry, caller.credentials.as_ref());
    assert!(access(caller("hub-user", "hub-pw")).credentials().is_some());
    // The password of an account of ours never leaves, even when it is mistyped.
    assert!(access(caller("alice", "pw")).credentials().is_none());
    assert!(access(caller("alice", "pwd")).credentials().is_none());
    assert_eq!(refused(house.send(plain(), caller("alice", "pwd")).await), "wrong");
}

#[tokio::test]
async fn readiness_is_that_of_the_inner_service() {
    let layer = RequireLayer::new(Arc::new(House::default().gate()));
    let (mut service, mut handle) = mock::spawn_with::<Scoped, (), _, _>(|inner| {
        layer.layer(tower::util::MapErr::new(inner, Error::from as fn(crate::error::BoxError) -> Error))
    });
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
}
