//! A pull that is under way for as long as a test wants.

use aws_lc_rs::digest::{Context, SHA256};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::http::{Peer, each_frame};
use super::images::hex;

/// A blob whose first piece was read, and whose rest waits. It should be too large for the buffers between.
pub(crate) struct Slow {
    digest: String,
    context: Context,
    body: Incoming,
}

impl Slow {
    /// Begins to fetch the last but one layer of an image without an index, which no one has injected.
    pub(crate) async fn start(peer: &Peer, name: &str, tag: &str) -> Self {
        let manifest: Value = peer.get(&format!("/v2/{name}/manifests/{tag}")).await.json();
        let layers = manifest["layers"].as_array().expect("a manifest has layers");
        let digest = layers[layers.len() - 2]["digest"].as_str().expect("a digest").to_owned();
        let response = peer.send(Method::GET, &format!("/v2/{name}/blobs/{digest}"), &[], "").await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        let first = body.frame().await.expect("a first frame").expect("it is whole");
        let mut context = Context::new(&SHA256);
        context.update(first.data_ref().expect("it is data"));
        Self { digest, context, body }
    }

    /// Reads the rest.
    ///
    /// # Panics
    /// When it breaks off, or has another digest.
    pub(crate) async fn finish(self) {
        let Self { digest, mut context, body } = self;
        each_frame(body, |bytes| context.update(bytes)).await;
        assert_eq!(hex(context.finish().as_ref()), digest);
    }
}
