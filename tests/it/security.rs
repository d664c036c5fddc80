//! The cases of the fault plan that concern rewriting, by their numbers.
//!
//! | case | what | where else |
//! |---|---|---|
//! | 32 | documents that two readers could read differently | `src/rewrite/{kind,fields,scan,manifest,index}`, `tests/it/corpus.rs` |
//! | 33 | indexes of many, missing or nested entries | `src/rewrite/derive/tests.rs` |
//! | 49 | where a layer may not be fetched from | `src/upstream/guard.rs`, `src/inject/{location,blob}/tests` |
//! | 50 | layers that are not what they promise | `src/inject/{accept,measure,location}/tests.rs` |
//! | 51 | one request, everywhere the same digests | `tests/e2e/replicas.rs`: two processes |
//! | 52 | a tag that moves | `tests/it/restart.rs` |
//! | 53 | a base that is gone | |
//! | 54 | configs of unusual JSON | `tests/it/images.rs` |

mod documents;
mod layers;
mod same;
mod upstream;

use crate::support::{Answer, Proxy, TinyLayer, get, post};
use serde_json::{Value, json};

/// The repository behind a token for `up.test/library/app:TAG`, whose layer is asked for and not the default.
async fn token(proxy: &Proxy, tag: &str, more: Value) -> String {
    let layer = TinyLayer::new("own.txt", "asked for");
    let mut request = json!({
        "containerImage": format!("up.test/library/app:{tag}"),
        "containerConfig": {"layers": [layer.json(&layer.data())]},
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = post(&proxy.url("/container-token"), &request).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    format!("wt/{}/library/app", reply.json()["containerToken"].as_str().unwrap())
}

/// A manifest of `library/app`, or of the repository behind a token.
async fn manifest(proxy: &Proxy, name: &str, reference: &str) -> Answer {
    get(&proxy.url(&format!("/v2/{name}/manifests/{reference}"))).await
}
