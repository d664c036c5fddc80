//! The end of the process: what is under way is finished.

use aws_lc_rs::digest::{Context, SHA256};
use http::{Method, StatusCode};
use http_body_util::BodyExt;

use crate::support::http::each_frame;
use crate::support::images::hex;
use crate::support::registry::Registry;
use crate::support::walk::walk;
use crate::support::wave::Wave;

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_under_way_is_finished() {
    let registry = Registry::plain();
    let wave = Wave::before(&registry).start();
    let peer = wave.http();
    let image = peer.get("/v2/library/large/manifests/oci").await.json();
    let layer = image["layers"].as_array().and_then(|layers| layers.last()).expect("a layer");
    let digest = layer["digest"].as_str().expect("a digest");
    let response = peer.send(Method::GET, &format!("/v2/library/large/blobs/{digest}"), &[], "").await;
    let mut body = response.into_body();
    let first =
        body.frame().await.expect("a first frame").expect("it is whole").into_data().expect("it is data");

    // The rest is 50 MB, and we do not read on before the process has been told to end.
    let ended = tokio::task::spawn_blocking(move || wave.stop());
    let mut context = Context::new(&SHA256);
    context.update(&first);
    each_frame(body, |bytes| context.update(bytes)).await;
    assert_eq!(hex(context.finish().as_ref()), digest);
    let status = ended.await.expect("the process ends");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn an_idle_process_is_ready_and_ends_at_once() {
    let registry = Registry::plain();
    let wave = Wave::before(&registry).start();
    walk(&wave.http(), "library/hello", "oci").await;
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = wave.admin().get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    let status = wave.stop();
    assert!(status.success(), "{status}\n{}", wave.log());
}
