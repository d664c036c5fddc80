use super::*;
use crate::inject::pack::{Folder, Job, Made, Silent};
use crate::inject::testing::layer_of;
use crate::scratch::Scratch;
use serde_json::{Value, json};

async fn read(scratch: &Scratch, text: impl ToString) -> Result<Recipe, String> {
    let path = scratch.write("pack/layer.json", text.to_string());
    load(&path, &Measures::new(), Some(&kept(scratch))).await.map_err(|failure| failure.to_string())
}

fn kept(scratch: &Scratch) -> Kept {
    Kept::open(scratch.path().join("kept")).unwrap()
}

fn entry(layer: &Layer) -> Value {
    json!({
        "location": "x.gz", "gzipDigest": layer.digest, "gzipSize": layer.size, "tarDigest": layer.diff_id,
    })
}

#[tokio::test]
async fn what_pack_wrote_is_read() {
    let scratch = Scratch::new();
    scratch.write("dir/foo.txt", "hello");
    let config = r#"{"entrypoint":["/x"],"cmd":["y"],"env":["A=b"],"workingDir":"/w","platforms":["amd64"]}"#;
    scratch.write("layer-config.json", config);
    let job = Job { output: scratch.path().join("pack"), ..Job::new(scratch.path().join("dir")) };
    let packed = job.run(&mut Silent).unwrap();
    let recipe = load(&packed.descriptor, &Measures::new(), Some(&kept(&scratch))).await.unwrap();
    assert_eq!((recipe.entrypoint, recipe.cmd), (vec!["/x".to_string()], vec!["y".to_string()]));
    assert_eq!((recipe.env, recipe.working_dir), (vec!["A=b".to_string()], Some("/w".into())));
    let [layer] = &recipe.layers[..] else { panic!("one layer") };
    let [made] = &packed.layers[..] else { panic!("one layer") };
    assert_eq!(layer.platforms, [Platform::linux_amd64()]);
    is_read(layer, made);
}

fn is_read(layer: &Layer, made: &Made) {
    assert_eq!(layer.digest, made.digest());
    assert_eq!(layer.platforms, made.platforms);
    assert_eq!(layer.source, Source::File(made.path.clone()));
    made.measured.keeps(layer).unwrap();
}

#[tokio::test]
async fn each_platform_has_its_own_layer() {
    let scratch = Scratch::new();
    scratch.write("amd/foo.txt", "for amd64");
    scratch.write("arm/foo.txt", "for arm64");
    // The platform of a folder is not that of the config.
    scratch.write("layer-config.json", r#"{"entrypoint":["/x"],"platforms":["s390x"]}"#);
    let folder = |dir: &str, platform: &str| Folder {
        dir: scratch.path().join(dir),
        platform: Some(platform.parse().unwrap()),
    };
    let folders = vec![folder("amd", "amd64"), folder("arm", "arm64")];
    let job = Job { folders, output: scratch.path().join("pack"), ..Job::new("") };
    let packed = job.run(&mut Silent).unwrap();
    let recipe = load(&packed.descriptor, &Measures::new(), None).await.unwrap();
    assert_eq!(recipe.entrypoint, ["/x"]);
    let ([amd, arm], [first, second]) = (&recipe.layers[..], &packed.layers[..]) else {
        panic!("two layers")
    };
    is_read(amd, first);
    is_read(arm, second);
    assert_eq!(amd.platforms, ["amd64".parse().unwrap()]);
    assert_eq!(arm.platforms, ["arm64".parse().unwrap()]);
    assert_ne!(amd.digest, arm.digest);
    let name = |made: &Made| made.path.file_name().unwrap().to_str().unwrap().to_string();
    assert_eq!((name(first), name(second)), ("layer.tar.gzip".into(), "layer-linux-arm64.tar.gzip".into()));
    let mistaken = Job { folders: vec![folder("amd", "amd64"), folder("arm", "amd64")], ..job };
    assert!(mistaken.run(&mut Silent).unwrap_err().to_string().contains("is for linux/amd64"));
}

#[tokio::test]
async fn the_older_form_and_other_members() {
    let scratch = Scratch::new();
    let (content, layer) = layer_of("foo.txt", b"hello");
    let absolute = scratch.write("elsewhere/x.gz", content);
    let mut append = entry(&layer);
    append["location"] = json!(absolute);
    append["skipHashing"] = json!(true);
    let recipe =
        read(&scratch, json!({ "append": append, "entrypoint": ["/e"], "cmd": null })).await.unwrap();
    assert_eq!(recipe.layers, [Layer { source: Source::File(absolute), ..layer }]);
    assert_eq!((recipe.entrypoint.len(), recipe.cmd.len()), (1, 0));
    assert!(read(&scratch, "{}").await.unwrap().is_empty());
}

#[tokio::test]
async fn every_mistake_has_its_reason() {
    let scratch = Scratch::new();
    let (content, layer) = layer_of("foo.txt", b"hello");
    scratch.write("pack/x.gz", &content);
    let good = entry(&layer);
    read(&scratch, json!({ "layers": [good] })).await.unwrap();
    let hex = layer.digest.hex();
    let other = Digest::sha256("other");
    let prefix = "should start with the 'sha256:' prefix -- offending value: ";
    for (member, value, want) in [
        ("location", Value::Null, "Missing layer tar path".to_string()),
        ("location", json!(""), "Missing layer tar path".into()),
        ("location", json!("none.gz"), "none.gz: file not found".into()),
        ("location", json!("https://x/y"), "Unsupported location type".into()),
        ("gzipDigest", Value::Null, "Missing layer gzip digest".into()),
        ("tarDigest", Value::Null, "Missing layer tar digest".into()),
        ("gzipSize", Value::Null, "Missing layer gzip size".into()),
        ("gzipDigest", json!(hex), format!("Layer gzip digest {prefix}{hex}")),
        ("tarDigest", json!("md5:1"), format!("Layer tar digest {prefix}md5:1")),
        ("tarDigest", json!("sha256:1"), "Invalid layer tar digest: wrong length".into()),
        ("gzipDigest", json!(other), format!("the layer has the digest {}, not {other}", layer.digest)),
        ("gzipSize", json!(100), format!("the layer has {} bytes, not 100", content.len())),
        ("tarDigest", json!(other), format!("the layer has the tar digest {}, not {other}", layer.diff_id)),
        ("platforms", json!(["vax"]), "'vax' is not a platform".into()),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        let said = read(&scratch, json!({ "layers": [bad] })).await.unwrap_err();
        assert!(said.contains(&want), "{want}: {said}");
        assert!(said.starts_with(scratch.path().to_str().unwrap()), "{said}");
    }
    assert!(read(&scratch, "{").await.unwrap_err().contains("EOF"));
    assert!(read(&scratch, json!({ "env": ["=x"] })).await.unwrap_err().contains("offending value: =x"));
    scratch.write("pack/x.gz", &content[..content.len() / 2]);
    assert!(read(&scratch, json!({ "layers": [good] })).await.unwrap_err().ends_with("the layer is cut off"));
    assert_eq!(kept(&scratch).digests(), [layer.digest], "and only what was right is kept");
    let missing =
        load(&scratch.path().join("no.json"), &Measures::new(), Some(&kept(&scratch))).await.unwrap_err();
    assert!(missing.to_string().ends_with("no.json: file not found"));
}
