use super::*;
use crate::auth::Access;
use crate::body::Body;
use crate::config;
use crate::error::BoxError;
use crate::grant::Recipe;
use crate::oci::{Digest, Host, MediaType, Reference};
use crate::pull::{Demand, Fetch, What};
use crate::rewrite::Untouched;
use crate::upstream::Registries;
use http::Response;
use tower::{ServiceBuilder, ServiceExt as _};
use tower_test::{assert_request_eq, mock};

fn image(root: Digest) -> Image {
    let registry = Registries::new(&config::Registries::default()).find(&Host::docker_hub()).unwrap();
    let recipe = Recipe { env: vec!["A=1".into()], ..Recipe::default() };
    Image {
        registry,
        repository: "library/app".parse().unwrap(),
        root,
        recipe: Arc::new(recipe),
        access: Access::anonymous(),
        demand: Demand::Default,
    }
}

fn pair() -> (Rewrite, mock::Handle<What, Response<Body>>) {
    let (mock, handle) = mock::pair();
    let upstream = ServiceBuilder::new()
        .map_request(|fetch: Fetch| fetch.what)
        .map_err(|error: BoxError| Error::from(error))
        .service(mock);
    (RewriteLayer::new(1000).layer(Upstream::new(upstream)), handle)
}

#[tokio::test]
async fn an_image_becomes_its_derivation() {
    let (rewrite, mut upstream) = pair();
    let text = r#"{"schemaVersion":1,"fsLayers":[]}"#;
    let root = Digest::sha256(text);
    let done = tokio::spawn(rewrite.oneshot(image(root)));
    assert_request_eq!(upstream, What::Manifest(Reference::Digest(root)))
        .send_response(Response::new(Body::full(text)));
    let done = done.await.unwrap().unwrap();
    assert_eq!((done.root, done.size, done.untouched), (root, text.len() as u64, Some(Untouched::Schema1)));
    assert_eq!(done.media, MediaType::Schema1Signed);
}

#[tokio::test]
async fn ready_whatever_upstream_is_and_waits_in_the_call() {
    let (mut rewrite, mut upstream) = pair();
    upstream.allow(0);
    assert!(rewrite.ready().await.is_ok());
    let root = Digest::sha256("x");
    let mut call = rewrite.clone().call(image(root));
    assert!(once(&mut call).is_pending());
    upstream.allow(1);
    assert!(once(&mut call).is_pending(), "asked, not answered");
    assert_request_eq!(upstream, What::Manifest(Reference::Digest(root)))
        .send_error(Error::bad_gateway("down"));
    let error = call.await.unwrap_err();
    assert_eq!(error.message(), "down");
}

/// Polls once, whoever would be woken.
fn once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(std::task::Waker::noop()))
}
