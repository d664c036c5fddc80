use super::*;
use crate::grant::Source;
use crate::oci::{Compression, Digest};

const LIMIT: usize = 1 << 20;

fn recipe() -> Recipe {
    let layer = Layer {
        digest: Digest::sha256("one"),
        size: 77,
        diff_id: Digest::sha256("one.tar"),
        compression: Compression::Gzip,
        platforms: Vec::new(),
        source: Source::Spooled,
    };
    Recipe {
        layers: vec![layer],
        entrypoint: vec!["/opt/entry".into()],
        cmd: Vec::new(),
        env: vec!["A=new".into(), "B=\"q\"".into()],
        working_dir: Some("/w".into()),
        platforms: Vec::new(),
    }
}

fn run(input: &str, recipe: &Recipe) -> Result<String, Refusal> {
    let layers: Vec<&Layer> = recipe.layers.iter().collect();
    let change = Change { recipe, layers: &layers };
    let new = apply(&Doc::new(input.as_bytes(), LIMIT)?, &change, LIMIT)?;
    assert_eq!(new.digest, Digest::sha256(&new.bytes));
    Ok(String::from_utf8(new.bytes.to_vec()).unwrap())
}

#[test]
fn documents() {
    let check = |input: &str, expected: &str| assert_eq!(run(input, &recipe()).unwrap(), expected);
    check(
        include_str!("../../../tests/data/rewrite/config-docker.json"),
        include_str!("../../../tests/data/rewrite/config-docker.out.json"),
    );
    check(
        include_str!("../../../tests/data/rewrite/config-odd.json"),
        include_str!("../../../tests/data/rewrite/config-odd.out.json"),
    );
    check(
        include_str!("../../../tests/data/rewrite/config-bare.json"),
        include_str!("../../../tests/data/rewrite/config-bare.out.json"),
    );
    check(
        include_str!("../../../tests/data/rewrite/config-string.json"),
        include_str!("../../../tests/data/rewrite/config-string.out.json"),
    );
}

/// Runs `recipe` over an image without layers whose `config` is `process`; returns the new `config`.
fn process(process: &str, recipe: &Recipe) -> Result<String, Refusal> {
    let head = r#"{"rootfs":{"type":"layers","diff_ids":[]},"config":"#;
    let new = run(&format!("{head}{process}}}"), &Recipe { layers: Vec::new(), ..recipe.clone() })?;
    let new = new.strip_prefix(head).expect("nothing in front is changed").to_string();
    Ok(new.strip_suffix('}').unwrap().to_string())
}

fn entry() -> Recipe {
    Recipe { entrypoint: vec!["/opt/entry".into()], ..Recipe::default() }
}

#[test]
fn the_original_entry_point_is_chained() {
    let check = |entrypoint: &str, chain: &str| {
        let want = match chain {
            "" => r#"{"Entrypoint":["/opt/entry"]}"#.into(),
            chain => format!(
                r#"{{"Entrypoint":["/opt/entry"],"Env":[{}]}}"#,
                serde_json::Value::from(format!("WAVE_ENTRY_CHAIN={chain}"))
            ),
        };
        assert_eq!(
            process(&format!(r#"{{"Entrypoint":{entrypoint}}}"#), &entry()).unwrap(),
            want,
            "{entrypoint}"
        );
    };
    check("null", "");
    check("[]", "");
    check(r#""""#, "");
    check(r#""entrypoint""#, "entrypoint");
    check(r#"["entrypoint"]"#, "entrypoint");
    check(r#"["entrypoint","list"]"#, r#"["entrypoint","list"]"#);
    check(r#"["/bin/sh","-c","\"echo Hola\""]"#, r#"["/bin/sh","-c","\"echo Hola\""]"#);
    check(r#"["foo","'bar foo'"]"#, r#"["foo","'bar foo'"]"#);
    check(r#"["[odd]"]"#, r#"["[odd]"]"#);
    check(r#"[""]"#, r#"[""]"#);
    check(r#"["\u0061 b"]"#, "a b");
}

#[test]
fn a_chain_never_leads_back_to_our_entry() {
    let check =
        |recipe: &Recipe, before: &str, after: &str| assert_eq!(process(before, recipe).unwrap(), after);
    let ours = r#"{"Entrypoint":["/opt/entry"],"Env":["WAVE_ENTRY_CHAIN=sh","X=1"]}"#;
    check(&entry(), ours, ours);
    let env = Recipe { env: vec!["X=2".into()], ..Recipe::default() };
    check(&env, ours, &ours.replace("X=1", "X=2"));
    // Another entry point on top of ours chains ours.
    let other = Recipe { entrypoint: vec!["/other".into()], ..Recipe::default() };
    let want = r#"{"Entrypoint":["/other"],"Env":["WAVE_ENTRY_CHAIN=/opt/entry","X=1"]}"#;
    check(&other, ours, want);
    // A chain whose entry point was taken back is none.
    let stale = r#"{"Entrypoint":[],"Env":["WAVE_ENTRY_CHAIN=sh"]}"#;
    check(&entry(), stale, r#"{"Entrypoint":["/opt/entry"],"Env":["WAVE_ENTRY_CHAIN="]}"#);
    // Without an entry point of ours the variable tells what the image's own is.
    check(&env, r#"{"Entrypoint":["a"]}"#, r#"{"Entrypoint":["a"],"Env":["X=2","WAVE_ENTRY_CHAIN=a"]}"#);
}

#[test]
fn variables_are_set_by_key() {
    let recipe = Recipe { env: ["A=1", "B=2", "A=3", "C"].map(String::from).to_vec(), ..Recipe::default() };
    let check = |before: &str, after: &str| assert_eq!(process(before, &recipe).unwrap(), after);
    check("{}", r#"{"Env":["A=3","B=2","C"]}"#);
    check(r#"{"Env":[]}"#, r#"{"Env":["A=3","B=2","C"]}"#);
    check(r#"{"Env":null,"Cmd":null}"#, r#"{"Env":["A=3","B=2","C"],"Cmd":null}"#);
    check(
        r#"{"Env":[ "a=0", "\u0041=0", "AA=0" ,"A=0", "C=0"]}"#,
        r#"{"Env":[ "a=0", "A=3", "AA=0" ,"A=3", "C","B=2"]}"#,
    );
}

#[test]
fn settings_replace() {
    let recipe = Recipe { cmd: vec!["c".into()], working_dir: Some("/w".into()), ..Recipe::default() };
    let check =
        |recipe: &Recipe, before: &str, after: &str| assert_eq!(process(before, recipe).unwrap(), after);
    check(&recipe, r#"{"Cmd":"x" ,"WorkingDir":""}"#, r#"{"Cmd":["c"] ,"WorkingDir":"/w"}"#);
    check(&recipe, "null", r#"{"Cmd":["c"],"WorkingDir":"/w"}"#);
    // An empty one asks for nothing, and a command stays when only the entry point changes.
    let nothing = Recipe { working_dir: Some(String::new()), ..Recipe::default() };
    check(&nothing, "null", "null");
    check(&entry(), r#"{"Cmd":["sh"]}"#, r#"{"Cmd":["sh"],"Entrypoint":["/opt/entry"]}"#);
}

#[test]
fn history_is_kept_in_step_or_left_alone() {
    let entries = |history: &str, ids: &str| {
        let text = format!(r#"{{"history":{history},"rootfs":{{"type":"layers","diff_ids":{ids}}}}}"#);
        run(&text, &recipe()).unwrap().matches("\"created_by\"").count()
    };
    assert_eq!(entries("[]", "[]"), 1);
    assert_eq!(entries("[{},{\"empty_layer\":true}]", r#"["a"]"#), 1);
    assert_eq!(entries("[{},{\"empty_layer\":false}]", r#"["a"]"#), 0, "too long");
    assert_eq!(entries("[{}]", r#"["a","b"]"#), 0, "too short");
    assert_eq!(entries("null", "[]"), 0);
}

/// Docker leaves the list out where it is empty.
#[test]
fn diff_ids_may_be_absent_or_null() {
    let ids = format!("[\"{}\"]", recipe().layers[0].diff_id);
    for (rootfs, want) in [
        (r#"{"type":"layers"}"#, format!(r#"{{"type":"layers","diff_ids":{ids}}}"#)),
        (r#"{"diff_ids":null,"type":"layers"}"#, format!(r#"{{"diff_ids":{ids},"type":"layers"}}"#)),
    ] {
        let text = |rootfs: &str| format!(r#"{{"config":{{}},"rootfs":{rootfs}}}"#);
        let new = run(&text(rootfs), &recipe()).unwrap();
        assert!(new.ends_with(&format!(r#""rootfs":{want}}}"#)), "{new}");
        assert_eq!(read(&Doc::new(text(rootfs).as_bytes(), LIMIT).unwrap()).unwrap().layers, Some(0));
        let none = Recipe { layers: Vec::new(), ..recipe() };
        assert!(run(&text(rootfs), &none).unwrap().ends_with(&format!(r#""rootfs":{rootfs}}}"#)));
    }
}

#[test]
fn refusals() {
    let check = |text: &str, why| assert_eq!(run(text, &recipe()), Err(why), "{text}");
    check("{}", Refusal::Missing("rootfs"));
    check(r#"{"rootfs":{"type":"x","diff_ids":[]}}"#, Refusal::Form("rootfs"));
    check(r#"{"rootfs":{"type":"layers","diff_ids":{}}}"#, Refusal::Form("diff_ids"));
    check(r#"{"Config":{},"config":{}}"#, Refusal::LookAlike("config"));
    let check = |text: &str, why| assert_eq!(process(text, &recipe()), Err(why), "{text}");
    check("[]", Refusal::Object);
    check(r#"{"Env":{}}"#, Refusal::Form("Env"));
    check(r#"{"Env":[1]}"#, Refusal::Form("Env"));
    check(r#"{"Entrypoint":1}"#, Refusal::Form("Entrypoint"));
    check(r#"{"Entrypoint":["\ud800"]}"#, Refusal::Syntax);
    check(r#"{"entrypoint":["a"]}"#, Refusal::LookAlike("Entrypoint"));
}

#[test]
fn the_platform_is_what_the_config_says() {
    let of = |text: &str| read(&Doc::new(text.as_bytes(), LIMIT).unwrap()).unwrap();
    let config = of(include_str!("../../../tests/data/rewrite/config-odd.json"));
    assert_eq!((config.platform.to_string(), config.layers), ("linux/arm64".into(), Some(2)));
    assert_eq!(of("{}").platform.to_string(), "/");
    assert_eq!(of(r#"{"os":"windows","architecture":"amd64"}"#).platform.os, "windows");
}
