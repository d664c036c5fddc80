//! Lists of tags.

use serde_json::{Value, json};

use crate::support::http::Peer;
use crate::support::images;
use crate::support::registry::Registry;
use crate::support::wave::Wave;

/// The version of `docker-registry` that Debian has does not page: it sends all tags whatever `n` and `last` say.
#[tokio::test]
async fn the_tags_of_a_registry_that_does_not_page_come_in_pages() {
    let registry = Registry::empty();
    let source = format!("{}:hello", images::layout().display());
    for tag in ["b", "e", "a", "d", "c"] {
        registry.push(&source, &format!("library/tagged:{tag}"), &[]);
    }
    let direct = Peer::http(&registry.authority()).get("/v2/library/tagged/tags/list?n=2").await;
    assert_eq!(direct.json()["tags"].as_array().map(Vec::len), Some(5), "it pages: {direct:?}");

    let wave = Wave::before(&registry).start();
    let mut path = "/v2/library/tagged/tags/list?n=2".to_owned();
    let mut pages: Vec<Value> = Vec::new();
    while pages.len() < 9 {
        let page = wave.http().get(&path).await;
        pages.push(page.json()["tags"].clone());
        let Some(link) = page.headers.get("link") else { break };
        let link = link.to_str().expect("a link is text");
        path = link.trim_start_matches('<').split('>').next().expect("a link has a target").to_owned();
    }
    assert_eq!(pages, [json!(["a", "b"]), json!(["c", "d"]), json!(["e"])]);

    let missing = wave.http().get("/v2/library/missing/tags/list?n=0").await;
    assert_eq!(missing.status, http::StatusCode::NOT_FOUND, "{missing:?}");
}
