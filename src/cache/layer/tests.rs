use super::*;
use crate::auth::Access;
use crate::config;
use crate::error::BoxError;
use crate::grant::Recipe;
use crate::oci::{Digest, MediaType};
use crate::pull::Demand;
use crate::rewrite::Document;
use crate::upstream::Registries;
use std::collections::BTreeMap;
use std::time::Duration;
use tower_test::{assert_request_eq, mock};

const LIMIT: Duration = Duration::from_secs(60);

fn image(root: &str, access: Access) -> Image {
    let registries = Registries::new(&config::Registries::default());
    Image {
        registry: registries.find(registries.default_host()).unwrap(),
        repository: "library/busybox".parse().unwrap(),
        root: Digest::sha256(root),
        recipe: Arc::new(Recipe::default()),
        access,
        demand: Demand::Default,
    }
}

fn derivation(text: &'static str) -> Arc<Derivation> {
    let document = Document { media: MediaType::OciManifest, bytes: text.into() };
    Arc::new(Derivation {
        base: Digest::sha256("base"),
        root: Digest::sha256(text),
        media: MediaType::OciManifest,
        size: text.len() as u64,
        documents: BTreeMap::from([(Digest::sha256(text), document)]),
        referrers: BTreeMap::new(),
        untouched: None,
        warning: None,
    })
}

fn alice() -> Access {
    let credentials =
        crate::auth::Credentials { username: "alice".into(), password: crate::secret::Secret::new("s3cret") };
    Access::operator(&crate::oci::Host::docker_hub(), credentials)
}

type Inner = tower::util::MapErr<mock::Mock<Image, Arc<Derivation>>, fn(BoxError) -> Error>;

fn cache() -> (Cache<Inner>, mock::Handle<Image, Arc<Derivation>>, Derivations) {
    let (inner, handle) = mock::pair();
    let derivations = Derivations::new(1 << 20, Duration::from_secs(3600));
    let inner = inner.map_err(Error::from as fn(BoxError) -> Error);
    let permits = Pool::new("derivations", 2);
    (CacheLayer::new(derivations.clone(), permits, LIMIT).layer(inner), handle, derivations)
}

impl PartialEq for Image {
    fn eq(&self, other: &Image) -> bool {
        Key::of(self) == Key::of(other)
    }
}

#[tokio::test]
async fn many_callers_share_one_computation() {
    let (cache, mut handle, _) = cache();
    let calls: Vec<_> =
        (0..8).map(|_| tokio::spawn(cache.clone().oneshot(image("a", Access::anonymous())))).collect();
    assert_request_eq!(handle, image("a", Access::anonymous())).send_response(derivation("doc"));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().root, Digest::sha256("doc"));
    }
    let again = cache.clone().oneshot(image("a", Access::anonymous()));
    let again = tokio::time::timeout(Duration::from_secs(5), again).await.expect("nothing is computed again");
    assert_eq!(again.unwrap().root, Digest::sha256("doc"));
}

#[tokio::test]
async fn a_caller_who_leaves_takes_nothing_along() {
    let (cache, mut handle, derivations) = cache();
    let leaver = tokio::spawn(cache.clone().oneshot(image("a", Access::anonymous())));
    let (request, answer) = handle.next_request().await.unwrap();
    assert_eq!(request, image("a", Access::anonymous()));
    let follower = tokio::spawn(cache.clone().oneshot(image("a", Access::anonymous())));
    leaver.abort();
    assert!(leaver.await.unwrap_err().is_cancelled());
    answer.send_response(derivation("doc"));
    assert_eq!(follower.await.unwrap().unwrap().root, Digest::sha256("doc"));
    assert!(derivations.get(&Key::of(&image("a", Access::anonymous()))).await.is_some());
}

#[tokio::test]
async fn only_so_many_at_once() {
    let (cache, mut handle, _) = cache();
    let call = |name: &str| tokio::spawn(cache.clone().oneshot(image(name, Access::anonymous())));
    let (one, two) = (call("a"), call("b"));
    let (first, second) = (handle.next_request().await.unwrap().1, handle.next_request().await.unwrap().1);
    let refused = call("c").await.unwrap().unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.retry_after().is_some()), (503, true));
    first.send_response(derivation("a"));
    second.send_response(derivation("b"));
    assert!(one.await.unwrap().is_ok() && two.await.unwrap().is_ok());
    let third = call("c");
    handle.next_request().await.unwrap().1.send_response(derivation("c"));
    assert!(third.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_given_up_though_nobody_waits() {
    let (cache, mut handle, _) = cache();
    let call = |name: &str| tokio::spawn(cache.clone().oneshot(image(name, Access::anonymous())));
    let (leaver, waiter) = (call("a"), call("b"));
    let _never_answered = (handle.next_request().await.unwrap(), handle.next_request().await.unwrap());
    leaver.abort();
    assert_eq!(waiter.await.unwrap().unwrap_err().status(), 504);
    // Both permits are back, that of the image nobody waits for too.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (one, two) = (call("c"), call("d"));
    handle.next_request().await.unwrap().1.send_response(derivation("c"));
    handle.next_request().await.unwrap().1.send_response(derivation("d"));
    assert!(one.await.unwrap().is_ok() && two.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_panic_is_the_callers_too() {
    let derivations = Derivations::new(1 << 20, Duration::from_secs(3600));
    let inner = tower::service_fn(|_: Image| async { panic!("a fault of ours") });
    let cache = CacheLayer::new(derivations, Pool::new("derivations", 1), LIMIT).layer(inner);
    let call = tokio::spawn(cache.oneshot(image("a", Access::anonymous())));
    assert!(call.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn a_failure_is_shared_and_not_kept() {
    let (cache, mut handle, _) = cache();
    let first = tokio::spawn(cache.clone().oneshot(image("a", Access::anonymous())));
    assert_request_eq!(handle, image("a", Access::anonymous())).send_error(Error::bad_gateway("down"));
    assert_eq!(first.await.unwrap().unwrap_err().status(), 502);
    let second = tokio::spawn(cache.clone().oneshot(image("a", Access::anonymous())));
    assert_request_eq!(handle, image("a", Access::anonymous())).send_response(derivation("doc"));
    assert!(second.await.unwrap().is_ok());
}

#[tokio::test]
async fn knowing_a_digest_does_not_entitle_to_it() {
    let (cache, mut handle, derivations) = cache();
    let call = tokio::spawn(cache.clone().oneshot(image("a", alice())));
    assert_request_eq!(handle, image("a", alice())).send_response(derivation("doc"));
    let _kept = call.await.unwrap().unwrap();
    let image = image("a", alice());
    let find = async |access: Access| {
        let digest = Digest::sha256("doc");
        derivations.find(access.id(), &image.registry.host, &image.repository, &digest).await.is_some()
    };
    assert!(find(alice()).await);
    assert!(!find(Access::anonymous()).await);
}
