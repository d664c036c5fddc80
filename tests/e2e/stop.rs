//! The end of the process: what is under way is finished.

use http::StatusCode;

use crate::support::registry::Registry;
use crate::support::slow::Slow;
use crate::support::walk::walk;
use crate::support::wave::Wave;

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_under_way_is_finished() {
    let registry = Registry::plain();
    let wave = Wave::before(&registry).start();
    let (public, admin) = (wave.http(), wave.admin());
    let slow = Slow::start(&public, "library/large", "oci").await;
    let ended = tokio::task::spawn_blocking(move || wave.stop());
    // Not a byte more is read before the process has begun to end.
    public.refuses().await;
    let ready = admin.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["reasons"], serde_json::json!(["draining"]));
    assert!(!ended.is_finished());
    slow.finish().await;
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
