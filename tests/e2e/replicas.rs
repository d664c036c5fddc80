//! Case 51 of the fault plan: the same request has the same digests wherever it is asked.

use serde_json::json;

use crate::support::http::Peer;
use crate::support::images::sha256;
use crate::support::pack::Pack;
use crate::support::registry::Registry;
use crate::support::walk::walk;
use crate::support::wave::Wave;

/// The digests of all documents of an image, and of what refers to them.
async fn digests(peer: &Peer, name: &str, reference: &str) -> Vec<String> {
    let walked = walk(peer, name, reference).await;
    let mut found = vec![walked.root.clone()];
    for image in &walked.images {
        found.push(image.digest.clone());
        found.push(image.manifest["config"]["digest"].to_string());
    }
    let subjects: Vec<_> =
        walked.images.iter().map(|image| image.digest.clone()).chain([walked.root]).collect();
    for subject in subjects {
        let list = peer.get(&format!("/v2/{name}/referrers/{subject}")).await;
        found.push(sha256(&list.body));
        // What the layer does not fit has none.
        let list = list.json();
        let referrers = list["manifests"].as_array().expect("a list has entries");
        found.extend(referrers.iter().map(|referrer| referrer["digest"].to_string()));
    }
    found
}

/// The same for the tags that say most, with the default layer and by a token.
async fn all(wave: &Wave, pack: &Pack) -> Vec<String> {
    let mut found = Vec::new();
    for tag in ["oci", "schema2", "index", "list"] {
        found.extend(digests(&wave.http(), "library/hello", tag).await);
        let request =
            json!({"containerImage": format!("library/hello:{tag}"), "containerConfig": pack.inline()});
        let target = wave.mint(&request).await;
        let (name, tag) = crate::support::clients::name_and_tag(&target);
        found.extend(digests(&wave.http(), name, tag).await);
    }
    found
}

#[tokio::test]
async fn case_51_two_processes_a_restart_and_a_new_start_have_the_same_digests() {
    let (registry, pack) = (Registry::plain(), Pack::new());
    let start = || Wave::before(&registry).layer(&pack.json()).start();
    let (mut one, two) = (start(), start());
    let first = all(&one, &pack).await;
    assert!(first.len() > 40, "{first:?}");
    assert_eq!(all(&two, &pack).await, first, "another process with data of its own");
    one.crash_and_restart();
    assert_eq!(all(&one, &pack).await, first, "a process that has forgotten what it derived");
    assert_eq!(all(&start(), &pack).await, first, "a process that has nothing");
}
