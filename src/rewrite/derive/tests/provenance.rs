use super::*;
use crate::rewrite::provenance::STATEMENT;

#[tokio::test]
async fn what_was_done_refers_to_what_came_of_it() {
    let mut store = Store::default();
    let (amd64, arm64) = (store.image("linux/amd64"), store.image("linux/arm64"));
    let root = store.index(&[(amd64, "linux/amd64"), (arm64, "linux/arm64")]);
    let recipe = Recipe { env: vec!["A=b".into()], ..recipe(&["linux/amd64"]) };
    let done = store.derive(root, &recipe).await.unwrap();
    // The index and the one image that is changed.
    assert_eq!(done.referrers.len(), 2);
    for (subject, referrer) in &done.referrers {
        let json = |digest: &Digest| -> serde_json::Value {
            let bytes = &done.documents[digest].bytes;
            assert_eq!(Digest::sha256(bytes), *digest);
            serde_json::from_slice(bytes).unwrap()
        };
        let manifest = json(&referrer.digest);
        assert_eq!(manifest["subject"]["digest"], subject.to_string());
        assert_eq!(manifest["subject"]["size"], done.documents[subject].bytes.len());
        assert_eq!(manifest["artifactType"], STATEMENT);
        assert_eq!(done.documents[&referrer.digest].bytes.len() as u64, referrer.size);
        let statement = json(&manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap());
        assert_eq!(statement["subject"][0]["digest"]["sha256"], subject.hex());
        let definition = &statement["predicate"]["buildDefinition"];
        let base = definition["resolvedDependencies"][0]["digest"]["sha256"].as_str().unwrap();
        let base: Digest = format!("sha256:{base}").parse().unwrap();
        assert!(if *subject == done.root { base == root } else { base == amd64 });
        assert_eq!(definition["resolvedDependencies"][1]["digest"]["sha256"], recipe.layers[0].digest.hex());
        assert_eq!(definition["externalParameters"]["env"], serde_json::json!(["A=b"]));
        json(&manifest["config"]["digest"].as_str().unwrap().parse().unwrap());
    }
    let again = store.derive(root, &recipe).await.unwrap();
    assert_eq!((again.documents, again.referrers), (done.documents, done.referrers));
}
