use super::*;

const LIMIT: usize = 1 << 20;

fn digest(digit: &str) -> Digest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

fn run(input: &str, replaced: &[&str]) -> Result<String, Refusal> {
    let new = Edits::new(&Doc::new(b"{}", LIMIT)?, LIMIT).splice()?;
    let replacements = replaced.iter().map(|digit| (digest(digit), new.clone())).collect();
    let new = apply(&Doc::new(input.as_bytes(), LIMIT)?, &replacements, LIMIT)?;
    assert_eq!(new.digest, Digest::sha256(&new.bytes));
    Ok(String::from_utf8(new.bytes.to_vec()).unwrap())
}

#[test]
fn documents() {
    let check = |replaced: &[&str], input: &str, expected: &str| {
        assert_eq!(run(input, replaced).unwrap(), expected);
        assert_eq!(run(input, &[]).unwrap(), input, "nothing replaced, nothing changed");
    };
    check(
        &["a"],
        include_str!("../../../tests/data/rewrite/index-attested.json"),
        include_str!("../../../tests/data/rewrite/index-attested.out.json"),
    );
    check(
        &["a"],
        include_str!("../../../tests/data/rewrite/index-docker.json"),
        include_str!("../../../tests/data/rewrite/index-docker.out.json"),
    );
}

#[test]
fn attestations_go_with_what_they_attest() {
    let entry = |digit: &str, of: Option<&str>| {
        let more = of.map_or(String::new(), |of| {
            format!(
                r#","platform":{{"os":"unknown","architecture":"unknown"}},"annotations":
                {{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"{}"}}"#,
                digest(of)
            )
        });
        format!(r#"{{"digest":"{}","size":1{more}}}"#, digest(digit))
    };
    let kept = |entries: &[String]| {
        let new = run(&format!(r#"{{"schemaVersion":2,"manifests":[ {} ]}}"#, entries.join(" , ")), &["a"]);
        let new = new.unwrap();
        let entries = read(&Doc::new(new.as_bytes(), LIMIT).unwrap()).unwrap();
        entries.iter().filter(|entry| entry.attests.is_some()).count()
    };
    let (image, of_a, of_b) = (entry("a", None), entry("1", Some("a")), entry("2", Some("b")));
    assert_eq!(kept(&[of_a.clone(), of_a.clone(), image.clone()]), 0);
    assert_eq!(kept(&[image.clone(), of_a.clone(), of_a.clone()]), 0);
    assert_eq!(kept(&[of_a.clone(), of_b.clone(), of_a.clone(), image]), 1);
    // The image is in a nested index.
    assert_eq!(kept(&[of_a.clone(), of_a.clone()]), 0);
    assert_eq!(kept(&[of_a.clone(), of_a, of_b.clone(), of_b]), 2);
}

#[test]
fn a_changed_index_is_no_referrer() {
    let text = format!(
        r#"{{"schemaVersion":2,"subject":{{"digest":"{0}"}},"manifests":[{{"digest":"{0}","size":1}}]}}"#,
        digest("a")
    );
    assert!(!run(&text, &["a"]).unwrap().contains("subject"));
    assert_eq!(run(&text, &["b"]).unwrap(), text);
}

#[test]
fn entries_of_any_kind() {
    let text = format!(
        r#"{{"schemaVersion":2,"manifests":[
        {{"mediaType":"x/y","digest":"~:00","size":1,"artifactType":"a/b"}},
        {{"digest":"{}","size":2,"platform":{{"os":"linux","architecture":"arm64","variant":"v8"}}}}]}}"#,
        digest("c")
    );
    let entries = read(&Doc::new(text.as_bytes(), LIMIT).unwrap()).unwrap();
    assert_eq!((entries[0].digest, entries[0].is_artifact), (None, true));
    assert_eq!((&entries[0].media, &entries[0].platform), (&MediaType::parse("x/y"), &None));
    assert_eq!((entries[1].digest, entries[1].size, entries[1].is_artifact), (Some(digest("c")), 2, false));
    assert_eq!(entries[1].platform, "linux/arm64".parse().ok());
}

#[test]
fn refusals() {
    let check = |text: &str, why| assert_eq!(run(text, &[]), Err(why), "{text}");
    check(r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, Refusal::Ambiguous);
    check(r#"{"schemaVersion":2}"#, Refusal::Missing("manifests"));
    check(r#"{"schemaVersion":2,"manifests":{}}"#, Refusal::Form("manifests"));
    check(r#"{"schemaVersion":2,"manifests":[1]}"#, Refusal::Object);
    check(r#"{"schemaVersion":1,"manifests":[]}"#, Refusal::Form("schemaVersion"));
    check(r#"{"schemaVersion":2,"manifests":[{"digest":"x","size":-1}]}"#, Refusal::Form("size"));
    let twice = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"digest":"{0}","Digest":"{0}","size":1}}]}}"#,
        digest("a")
    );
    check(&twice, Refusal::LookAlike("digest"));
}
