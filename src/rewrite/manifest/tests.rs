use super::*;
use crate::grant::Source;
use crate::oci::Compression;

const LIMIT: usize = 1 << 20;

fn layer(name: &str, compression: Compression) -> Layer {
    let (digest, diff_id) = (Digest::sha256(name), Digest::sha256(format!("{name}.tar")));
    Layer { digest, size: 77, diff_id, compression, platforms: Vec::new(), source: Source::Spooled }
}

fn run(input: &str, family: Family, layers: &[Layer]) -> Result<String, Refusal> {
    let doc = Doc::new(b"{}", LIMIT)?;
    let config = Edits::new(&doc, LIMIT).splice()?;
    let base = Base { name: "example.org/app", digest: Digest::sha256("base") };
    let layers: Vec<&Layer> = layers.iter().collect();
    let change = Change { family, config: &config, layers: &layers, base };
    let new = apply(&Doc::new(input.as_bytes(), LIMIT)?, &change, LIMIT)?;
    assert_eq!(new.digest, Digest::sha256(&new.bytes));
    Ok(String::from_utf8(new.bytes.to_vec()).unwrap())
}

#[test]
fn documents() {
    let check = |family, compression, input: &str, expected: &str| {
        assert_eq!(run(input, family, &[layer("one", compression)]).unwrap(), expected);
    };
    check(
        Family::Docker,
        Compression::Gzip,
        include_str!("../../../tests/data/rewrite/manifest-docker.json"),
        include_str!("../../../tests/data/rewrite/manifest-docker.out.json"),
    );
    check(
        Family::Oci,
        Compression::Zstd,
        include_str!("../../../tests/data/rewrite/manifest-odd.json"),
        include_str!("../../../tests/data/rewrite/manifest-odd.out.json"),
    );
    check(
        Family::Oci,
        Compression::None,
        include_str!("../../../tests/data/rewrite/manifest-bare.json"),
        include_str!("../../../tests/data/rewrite/manifest-bare.out.json"),
    );
}

/// A manifest with `layers`, a config and what follows them.
fn text(layers: usize, rest: &str) -> String {
    let digest = Digest::sha256("x");
    let layer =
        format!(r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":1}}"#);
    let layers = vec![layer; layers].join(",");
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json",
        "digest":"{digest}","size":2}},"layers":[{layers}]{rest}}}"#
    )
}

#[test]
fn limits_count_our_layers() {
    let one = [layer("one", Compression::Gzip)];
    assert!(run(&text(126, ""), Family::Oci, &one).is_ok());
    assert_eq!(run(&text(127, ""), Family::Oci, &one), Err(Refusal::Layers(128)));
    assert_eq!(run(&text(128, ""), Family::Oci, &[]), Err(Refusal::Layers(128)));
}

#[test]
fn the_same_layer_may_come_twice() {
    let twice = [layer("one", Compression::Gzip), layer("one", Compression::Gzip)];
    let new = run(&text(1, ""), Family::Oci, &twice).unwrap();
    assert_eq!(new.matches(&Digest::sha256("one").to_string()).count(), 2);
}

#[test]
fn refusals() {
    let check = |rest: &str, why| assert_eq!(run(&text(1, rest), Family::Oci, &[]), Err(why), "{rest}");
    check(r#","manifests":[]"#, Refusal::Ambiguous);
    check(r#","manifests":null"#, Refusal::Ambiguous);
    check(r#","fsLayers":[]"#, Refusal::Form("schemaVersion"));
    check(r#","layers":[]"#, Refusal::Twice("layers"));
    check(r#","Layers":[]"#, Refusal::LookAlike("layers"));
    check(r#","annotations":[]"#, Refusal::Object);
    let zstd = [layer("one", Compression::Zstd)];
    assert_eq!(run(&text(1, ""), Family::Docker, &zstd), Err(Refusal::Compression));
}

#[test]
fn images_and_others() {
    let is_image = |text: &str| read(&Doc::new(text.as_bytes(), LIMIT).unwrap()).unwrap().is_image;
    assert!(is_image(&text(2, "")));
    assert!(is_image(&text(0, r#","artifactType":"""#)));
    assert!(!is_image(&text(1, r#","artifactType":"application/vnd.example""#)));
    assert!(!is_image(&text(1, "").replace("layer.v1.tar", "layer.v1.tar+encrypted")));
    assert!(!is_image(&text(1, "").replace("image.config.v1", "empty.v1")));
    assert!(!is_image(&text(1, "").replace("oci.image.config", "cncf.helm.config")));
}
