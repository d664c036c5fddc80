use super::super::tests::Disk;
use super::*;
use crate::auth::Access;
use crate::config;
use crate::error::BoxError;
use crate::grant::Recipe;
use crate::oci::{Code, Digest, MediaType};
use crate::pull::Demand;
use crate::rewrite::{Document, Untouched};
use crate::upstream::Registries;
use std::collections::BTreeMap;
use tower_test::mock;

type Inner = tower::util::MapErr<mock::Mock<Image, Arc<Derivation>>, fn(BoxError) -> Error>;
type Handle = mock::Handle<Image, Arc<Derivation>>;

/// The layer over a service that the test plays, and the state it writes to.
fn remember(disk: &Disk) -> (Remember<Inner>, Handle, State) {
    let (state, (inner, handle)) = (disk.state(), mock::pair());
    let inner = tower::util::MapErr::new(inner, Error::from as fn(BoxError) -> Error);
    (RememberLayer::new(state.clone()).layer(inner), handle, state)
}

fn image() -> Image {
    let registries = Registries::new(&config::Registries::default());
    Image {
        registry: registries.find(registries.default_host()).unwrap(),
        repository: "library/busybox".parse().unwrap(),
        root: Digest::sha256("base"),
        recipe: Arc::new(Recipe { env: vec!["A=b".into()], ..Recipe::default() }),
        access: Access::anonymous(),
        demand: Demand::Default,
    }
}

/// One that consists of this document, or of nothing new.
fn derivation(untouched: Option<Untouched>) -> Arc<Derivation> {
    let document = Document { media: MediaType::OciManifest, bytes: "new".into() };
    Arc::new(Derivation {
        base: Digest::sha256("base"),
        root: Digest::sha256("new"),
        media: MediaType::OciManifest,
        size: 3,
        documents: BTreeMap::from([(Digest::sha256("new"), document)]),
        untouched,
        warning: None,
        referrers: BTreeMap::new(),
    })
}

/// The digest upstream of what is known under the document's digest.
async fn known(state: &State) -> Option<Digest> {
    let image = image();
    let digest = Digest::sha256("new");
    let found = state.root(image.access.id(), &image.registry.host, &image.repository, digest).await;
    found.unwrap().map(|(root, _)| root.base)
}

#[tokio::test]
async fn a_derivation_is_known_before_it_is_revealed() {
    let (service, mut handle, state) = remember(&Disk::default());
    let answer = tokio::spawn(service.oneshot(image()));
    let (seen, reply) = handle.next_request().await.unwrap();
    assert_eq!((seen.root, seen.recipe.id()), (image().root, image().recipe.id()));
    assert_eq!(known(&state).await, None);
    reply.send_response(derivation(None));
    assert_eq!(answer.await.unwrap().unwrap().root, Digest::sha256("new"));
    assert_eq!(known(&state).await, Some(Digest::sha256("base")));
}

#[tokio::test]
async fn what_was_not_changed_or_not_derived_leaves_nothing() {
    let (service, mut handle, state) = remember(&Disk::default());
    let answer = tokio::spawn(service.clone().oneshot(image()));
    handle.next_request().await.unwrap().1.send_response(derivation(Some(Untouched::Artifact)));
    assert_eq!(answer.await.unwrap().unwrap().untouched, Some(Untouched::Artifact));
    let answer = tokio::spawn(service.oneshot(image()));
    handle.next_request().await.unwrap().1.send_error(Error::client(Code::Denied, "no"));
    assert_eq!(answer.await.unwrap().unwrap_err().code(), Code::Denied);
    assert_eq!(known(&state).await, None);
}

#[tokio::test]
async fn what_cannot_be_written_is_not_revealed() {
    let disk = Disk::default();
    let (service, mut handle, state) = remember(&disk);
    disk.fill(true);
    let answer = tokio::spawn(service.clone().oneshot(image()));
    handle.next_request().await.unwrap().1.send_response(derivation(None));
    let error = answer.await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), (Code::Unavailable, 503));
    disk.fill(false);
    let answer = tokio::spawn(service.oneshot(image()));
    handle.next_request().await.unwrap().1.send_response(derivation(None));
    assert!(answer.await.unwrap().is_ok());
    assert_eq!(known(&state).await, Some(Digest::sha256("base")));
}
