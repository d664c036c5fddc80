use super::*;
use crate::auth::Access;
use crate::body::Body;
use crate::config;
use crate::grant::{Layer, Recipe, Source as Origin};
use crate::oci::{Code, Compression, Host};
use crate::pull::Demand;
use crate::rewrite::IMAGE_LIMIT;
use crate::upstream::Registries;
use http::Response;
use std::sync::{Arc, Mutex};

mod provenance;

const LIMIT: usize = 64 << 10;
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An upstream with some documents that records what it was asked for.
#[derive(Clone, Default)]
struct Store {
    documents: BTreeMap<Digest, (String, String)>,
    asked: Arc<Mutex<Vec<Digest>>>,
    /// How many answers are under way, and the most there ever were.
    under_way: Arc<Mutex<(usize, usize)>>,
}

impl Store {
    fn add(&mut self, media: &str, text: impl Into<String>) -> Digest {
        let text = text.into();
        let digest = Digest::sha256(&text);
        self.documents.insert(digest, (media.into(), text));
        digest
    }

    fn size(&self, digest: &Digest) -> usize {
        self.documents[digest].1.len()
    }

    /// An image of one layer.
    fn image(&mut self, platform: &str) -> Digest {
        let platform: Platform = platform.parse().unwrap();
        let variant = platform.variant.map_or(String::new(), |v| format!(r#","variant":"{v}""#));
        let config = self.add(
            OCI_CONFIG,
            format!(
                r#"{{"os":"{}","architecture":"{}"{variant},"rootfs":{{"type":"layers","diff_ids":["x"]}}}}"#,
                platform.os, platform.architecture
            ),
        );
        self.manifest(OCI_CONFIG, config, "")
    }

    fn manifest(&mut self, media: &str, config: Digest, rest: &str) -> Digest {
        let size = self.size(&config);
        let layer = Digest::sha256("layer");
        self.add(
            OCI_MANIFEST,
            format!(
                r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",
                "config":{{"mediaType":"{media}","digest":"{config}","size":{size}}},
                "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":1}}]
                {rest}}}"#
            ),
        )
    }

    /// An index over (document, platform).
    fn index(&mut self, entries: &[(Digest, &str)]) -> Digest {
        let entries: Vec<String> = entries
            .iter()
            .map(|(digest, platform)| {
                let (media, text) = &self.documents[digest];
                let platform = match platform.split_once('/') {
                    None => String::new(),
                    Some((os, architecture)) => {
                        format!(r#","platform":{{"os":"{os}","architecture":"{architecture}"}}"#)
                    }
                };
                let size = text.len();
                format!(r#"{{"mediaType":"{media}","digest":"{digest}","size":{size}{platform}}}"#)
            })
            .collect();
        let entries = entries.join(",");
        self.add(
            OCI_INDEX,
            format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{entries}]}}"#),
        )
    }

    async fn derive(&self, root: Digest, recipe: &Recipe) -> Result<Derivation, Error> {
        let store = self.clone();
        let upstream = tower::service_fn(move |fetch: Fetch| {
            let digest = match fetch.what {
                What::Manifest(Reference::Digest(digest)) => {
                    assert_eq!(fetch.headers[header::ACCEPT], ACCEPT_MANIFESTS);
                    digest
                }
                What::Blob(digest) => digest,
                other => panic!("{other:?} is not asked by digest"),
            };
            store.asked.lock().unwrap().push(digest);
            let answer = store.documents.get(&digest).map(|(media, text)| {
                Response::builder()
                    .header(header::CONTENT_TYPE, media)
                    .body(Body::full(text.clone()))
                    .unwrap()
            });
            let under_way = store.under_way.clone();
            async move {
                let begin = |(now, most): (usize, usize)| (now + 1, most.max(now + 1));
                with(&under_way, begin);
                tokio::task::yield_now().await;
                with(&under_way, |(now, most)| (now - 1, most));
                answer.ok_or(Error::client(Code::ManifestUnknown, "gone"))
            }
        });
        derive(&image(root, recipe), Upstream::new(upstream), LIMIT).await
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn with(counts: &Mutex<(usize, usize)>, change: impl FnOnce((usize, usize)) -> (usize, usize)) {
    let mut counts = counts.lock().unwrap();
    *counts = change(*counts);
}

fn image(root: Digest, recipe: &Recipe) -> Image {
    let registry = Registries::new(&config::Registries::default()).find(&Host::docker_hub()).unwrap();
    Image {
        registry,
        repository: "library/app".parse().unwrap(),
        root,
        recipe: Arc::new(recipe.clone()),
        access: Access::anonymous(),
        demand: Demand::Default,
    }
}

fn recipe(platforms: &[&str]) -> Recipe {
    let layer = Layer {
        digest: Digest::sha256("ours"),
        size: 9,
        diff_id: Digest::sha256("ours.tar"),
        compression: Compression::Gzip,
        platforms: platforms.iter().map(|platform| platform.parse().unwrap()).collect(),
        source: Origin::Spooled,
    };
    Recipe { layers: vec![layer], entrypoint: vec!["/opt/entry".into()], ..Recipe::default() }
}

/// Every reference from one of our documents to another has the right digest and size.
fn verify(derivation: &Derivation) {
    let root = &derivation.documents[&derivation.root];
    assert_eq!((derivation.size, &derivation.media), (root.bytes.len() as u64, &root.media));
    for (digest, document) in &derivation.documents {
        assert_eq!(Digest::sha256(&document.bytes), *digest);
        let json: serde_json::Value = serde_json::from_slice(&document.bytes).unwrap();
        let entries = json["manifests"].as_array().cloned().unwrap_or_default();
        for entry in entries.iter().chain(json.get("config")) {
            let Some(digest) = entry["digest"].as_str() else { continue };
            if let Some(ours) = derivation.documents.get(&digest.parse().unwrap()) {
                assert_eq!(entry["size"], ours.bytes.len());
                assert_eq!(entry["mediaType"], ours.media.as_str());
            }
        }
    }
}

#[tokio::test]
async fn an_index_and_its_images() {
    let mut store = Store::default();
    let (amd, arm) = (store.image("amd64"), store.image("arm64"));
    let root = store.index(&[(amd, "linux/amd64"), (arm, "linux/arm64"), (amd, "linux/amd64")]);
    let done = store.derive(root, &recipe(&[])).await.unwrap();
    verify(&done);
    assert_eq!((done.base, changed(&done), done.untouched, &done.warning), (root, 5, None, &None));
    assert_eq!(store.count(), 5, "each document once");
    let text = std::str::from_utf8(&done.documents[&done.root].bytes).unwrap();
    assert!(!text.contains(&amd.to_string()) && !text.contains(&arm.to_string()));
    let bases = done.documents.values().filter(|document| {
        let text = std::str::from_utf8(&document.bytes).unwrap();
        text.contains(r#"base.name":"docker.io/library/app""#)
            && [amd, arm].iter().any(|base| text.contains(&format!(r#"base.digest":"{base}""#)))
    });
    assert_eq!(bases.count(), 2);
    let again = store.derive(root, &recipe(&[])).await.unwrap();
    assert_eq!((again.root, again.documents), (done.root, done.documents));
}

#[tokio::test]
async fn a_single_manifest() {
    let mut store = Store::default();
    let root = store.image("arm64");
    let done = store.derive(root, &recipe(&[])).await.unwrap();
    verify(&done);
    assert_eq!((changed(&done), done.media.as_str()), (2, OCI_MANIFEST));
    // The media type comes from the shape when nothing says it.
    let text = store.documents[&root].1.replace(&format!(r#""mediaType":"{OCI_MANIFEST}","#), "");
    let bare = store.add("text/plain", text);
    let done = store.derive(bare, &recipe(&[])).await.unwrap();
    assert_eq!((changed(&done), done.media.as_str()), (2, OCI_MANIFEST));
}

#[tokio::test]
async fn what_no_layer_fits_is_left_with_a_warning() {
    let mut store = Store::default();
    let (amd, arm) = (store.image("amd64"), store.image("arm64"));
    let (windows, bare) = (store.image("windows/amd64"), store.image("s390x"));
    let root =
        store.index(&[(arm, "linux/arm64"), (amd, "linux/amd64"), (windows, "windows/amd64"), (bare, "")]);
    let done = store.derive(root, &recipe(&["amd64"])).await.unwrap();
    verify(&done);
    assert_eq!(changed(&done), 3);
    let warning = done.warning.unwrap();
    assert!(warning.contains("linux/arm64 (no layer fits)"), "{warning}");
    assert!(warning.contains("linux/s390x (no layer fits)"), "{warning}");
    let asked = store.asked.lock().unwrap().clone();
    assert!(!asked.contains(&arm) && !asked.contains(&windows) && asked.contains(&bare));
    let none = store.derive(root, &recipe(&["riscv64"])).await.unwrap();
    assert_eq!((none.untouched, none.root, changed(&none)), (Some(Untouched::Platform), root, 0));
    let windows = store.derive(windows, &recipe(&[])).await.unwrap();
    assert_eq!(windows.untouched, Some(Untouched::OperatingSystem));
}

#[tokio::test]
async fn named_platforms_restrict_and_must_be_there() {
    let mut store = Store::default();
    let (amd, arm) = (store.image("amd64"), store.image("arm64"));
    let root = store.index(&[(amd, "linux/amd64"), (arm, "linux/arm64")]);
    let only = |platform: &str| Recipe { platforms: vec![platform.parse().unwrap()], ..recipe(&[]) };
    let done = store.derive(root, &only("arm64")).await.unwrap();
    assert_eq!((changed(&done), &done.warning), (3, &None));
    assert!(!store.asked.lock().unwrap().contains(&amd), "two fetches saved");
    let check = async |root, platform, available: &str| {
        let error = store.derive(root, &only(platform)).await.unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), (Code::ManifestInvalid, 400));
        assert!(error.message().ends_with(&format!("available: {available}")), "{}", error.message());
    };
    check(root, "s390x", "linux/amd64, linux/arm64").await;
    check(amd, "arm64", "linux/amd64").await;
}

#[tokio::test]
async fn nested_indexes() {
    let mut store = Store::default();
    let amd = store.image("amd64");
    let mut root = store.index(&[(amd, "")]);
    for depth in 1..=3 {
        let done = store.derive(root, &recipe(&[])).await.unwrap();
        verify(&done);
        assert_eq!(changed(&done), 2 + depth);
        root = store.index(&[(root, "")]);
    }
    let done = store.derive(root, &recipe(&[])).await.unwrap();
    assert_eq!(done.untouched, Some(Refusal::Nesting.into()));
    let many: Vec<_> = (0..=IMAGE_LIMIT).map(|n| store.add(OCI_MANIFEST, n.to_string())).collect();
    let many: Vec<_> = many.into_iter().map(|digest| (digest, "")).collect();
    let root = store.index(&many);
    let done = store.derive(root, &recipe(&[])).await.unwrap();
    assert_eq!(done.untouched, Some(Refusal::Images.into()));
}

/// How many documents replace others: all but the provenance.
fn changed(done: &Derivation) -> usize {
    done.documents.len() - 2 * done.referrers.len() - usize::from(!done.referrers.is_empty())
}

#[tokio::test]
async fn what_is_no_image_is_untouched() {
    let mut store = Store::default();
    let config = store.add(OCI_CONFIG, "{}");
    let chart = store.manifest("application/vnd.cncf.helm.config.v1+json", config, "");
    let artifact = store.manifest(OCI_CONFIG, config, r#","artifactType":"a/b""#);
    let schema1 = store.add("text/plain", r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#);
    // The digest of a signed document is that of what was signed.
    let signed = Digest::sha256("what was signed");
    let media = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    store.documents.insert(signed, (media.into(), r#"{"schemaVersion":1,"signatures":[]}"#.into()));
    let twice = store.manifest(OCI_CONFIG, config, r#","layers":[]"#);
    let other = store.add("application/vnd.oci.artifact.manifest.v1+json", "{}");
    let root = store.image("amd64");
    let index = store.index(&[(chart, ""), (artifact, "")]);
    let check = async |root, recipe: &Recipe, why: Untouched| {
        let done = store.derive(root, recipe).await.unwrap();
        assert_eq!((done.untouched, done.root, changed(&done)), (Some(why), root, 0));
        assert_eq!(done.size, store.size(&root) as u64);
        done.refusal().map(|error| (error.code(), error.status().as_u16()))
    };
    assert_eq!(check(chart, &recipe(&[]), Untouched::Artifact).await, None);
    assert_eq!(check(artifact, &recipe(&[]), Untouched::Artifact).await, None);
    assert_eq!(check(other, &recipe(&[]), Untouched::Artifact).await, None);
    assert_eq!(check(index, &recipe(&[]), Untouched::Artifact).await, None);
    let unsupported = Some((Code::Unsupported, 400));
    assert_eq!(check(schema1, &recipe(&[]), Untouched::Schema1).await, unsupported);
    assert_eq!(check(signed, &recipe(&[]), Untouched::Schema1).await, unsupported);
    let refused = Untouched::Refused(Refusal::Twice("layers"));
    assert_eq!(check(twice, &recipe(&[]), refused).await, Some((Code::ManifestInvalid, 400)));
    assert_eq!(check(root, &Recipe::default(), Untouched::EmptyRecipe).await, None);
}

#[tokio::test]
async fn answers_that_are_not_what_was_promised() {
    let mut store = Store::default();
    let root = store.image("amd64");
    let index = store.index(&[(root, "linux/amd64")]);
    let check = async |store: &Store, root, text: &str| {
        let error = store.derive(root, &recipe(&[])).await.unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), (Code::Unavailable, 502));
        assert!(error.message().contains(text), "{}", error.message());
    };
    let mut other = store.clone();
    other.documents.get_mut(&root).unwrap().1.push(' ');
    check(&other, root, "something else").await;
    check(&other, index, "size that was announced").await;
    let mut other = store.clone();
    other.documents.get_mut(&root).unwrap().0 = "text/html".into();
    check(&other, root, "media type").await;
    let mut other = store.clone();
    let large = other.add(OCI_INDEX, " ".repeat(LIMIT + 1));
    check(&other, large, "larger").await;
    let mut other = store.clone();
    other.documents.remove(&root);
    let error = other.derive(index, &recipe(&[])).await.unwrap_err();
    assert_eq!(error.code(), Code::ManifestUnknown);
}

#[tokio::test]
async fn what_is_set_already_changes_nothing() {
    let mut store = Store::default();
    let config = store.add(
        "application/octet-stream",
        r#"{"os":"linux","architecture":"amd64","config":{"Cmd":["x"]},"rootfs":{"type":"layers","diff_ids":[]}}"#,
    );
    const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
    let size = store.size(&config);
    let root = store.add(
        DOCKER,
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{DOCKER}","layers":[],"config":
            {{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"{config}","size":{size}}}}}"#
        ),
    );
    let index = store.index(&[(root, "linux/amd64")]);
    let recipe = Recipe { cmd: vec!["x".into()], ..Recipe::default() };
    for root in [root, index] {
        let done = store.derive(root, &recipe).await.unwrap();
        assert_eq!((done.root, done.untouched, done.warning), (root, Some(Untouched::EmptyRecipe), None));
    }
    // A config whose layers are not those of the manifest is nobody's base.
    let other = store.manifest(OCI_CONFIG, config, "");
    let done = store.derive(other, &recipe).await.unwrap();
    assert_eq!(done.untouched, Some(Untouched::Refused(Refusal::Counts)));
}

#[tokio::test]
async fn the_images_of_an_index_share_what_is_allowed() {
    let mut store = Store::default();
    let small: Vec<_> = (0..15).map(|n| (store.image(&format!("linux/amd64/v{n}")), "")).collect();
    let config = store.add(
        OCI_CONFIG,
        format!(
            r#"{{"os":"linux","architecture":"arm64","x":"{}","rootfs":{{"type":"layers","diff_ids":["x"]}}}}"#,
            "x".repeat(LIMIT / 2)
        ),
    );
    let large = (store.manifest(OCI_CONFIG, config, ""), "");
    let root = store.index(&[&small[..14], &[large]].concat());
    assert_eq!(changed(&store.derive(root, &recipe(&[])).await.unwrap()), 2 * 15 + 1);
    let other = (store.image("linux/s390x"), "");
    let root = store.index(&[&small[..], &small[..1], &[large, other]].concat());
    assert_eq!(changed(&store.derive(root, &recipe(&[])).await.unwrap()), 2 * 16 + 1);
}

#[tokio::test]
async fn a_few_documents_at_a_time() {
    let mut store = Store::default();
    let names = ["386", "amd64", "arm/v6", "arm/v7", "arm64", "ppc64le", "riscv64", "s390x"];
    let images: Vec<_> = names.iter().map(|name| (store.image(&format!("linux/{name}")), "")).collect();
    let root = store.index(&images);
    let done = store.derive(root, &recipe(&[])).await.unwrap();
    assert_eq!(changed(&done), 2 * names.len() + 1);
    assert_eq!(*store.under_way.lock().unwrap(), (0, CONCURRENCY));
}
