//! The fuzz properties over their corpora and over seeded mutations of them: what a fuzzer finds once is a file in
//! the corpus, and so a test for ever.

use std::path::{Path, PathBuf};
use wave_registry::fuzzing::targets;

/// Mutations per property. Deterministic: a failure comes again.
const MUTATIONS: usize = 3_000;

#[test]
fn every_property_holds_for_its_corpus() {
    for (name, property) in targets() {
        for (file, data) in corpus(name) {
            run(name, *property, &data, &file.display().to_string());
        }
    }
}

#[test]
fn every_property_holds_for_mutations() {
    for (name, property) in targets() {
        let seeds: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, data)| data).collect();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for round in 0..MUTATIONS {
            let data = mutate(&seeds, &mut dice);
            run(name, *property, &data, &format!("mutation {round}"));
        }
    }
}

/// Large documents, the same thing over and over: work that is more than linear in any of them breaks the property.
#[test]
fn every_property_holds_for_large_documents() {
    const SIZE: usize = 128 << 10;
    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const ATTESTS: &str = r#""platform":{"os":"unknown","architecture":"unknown"},"annotations":
        {"vnd.docker.reference.type":"a","vnd.docker.reference.digest":"DIGEST"}"#;
    let manifest = r#"{"schemaVersion":2,"config":{"digest":"DIGEST","size":2},"layers":[]"#;
    let index = r#"{"schemaVersion":2,"manifests":["#;
    let attestation = format!(r#"{{"digest":"DIGEST","size":1,{ATTESTS}}}"#);
    let config = r#"{"rootfs":{"type":"layers","diff_ids":[]}"#;
    let shapes = [
        ("manifest", format!("{manifest},"), r#""x":{"y":[{}, -0.5e1]}"#, "}"),
        ("manifest", format!("{manifest},\"annotations\":{{"), r#""\u0061":"\ud83d\ude00\\\n\u20ac""#, "}}"),
        ("manifest", format!("{manifest},\"subject\":["), "                               1", "]}"),
        ("manifest", format!("{manifest},\"x\":["), "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", "]}"),
        ("manifest", manifest.replace(']', ""), r#"{"digest":"DIGEST","size":1}"#, "]}"),
        ("manifest", format!("{manifest},\"x\":["), "\"never closed", ""),
        ("index", index.into(), r#"{"digest":"DIGEST","size":1,"data":"e30="}"#, "]}"),
        ("index", index.into(), r#"{"digest":"DIGEST","size":1}"#, r#"],"subject":1}"#),
        ("index", index.into(), &attestation, "]}"),
        ("config", format!("{config},\"history\":["), r#"{"empty_layer":true,"created_by":"\"x\""}"#, "]}"),
        ("config", format!("{config},\"config\":{{\"Env\":["), r#""A=0","WAVE_ENTRY_CHAIN=x""#, "]}}"),
        ("config", format!("{config},\"config\":{{\"Entrypoint\":["), r#""\u0061""#, "]}}"),
        ("config", config.replace("]}", ""), r#""DIGEST""#, "]}}"),
    ];
    for (name, head, unit, tail) in shapes {
        let text =
            format!("{head}{}{tail}", vec![unit; SIZE / unit.len()].join(",")).replace("DIGEST", DIGEST);
        let (_, property) = targets().iter().find(|(own, _)| *own == name).expect("a property");
        run(name, *property, text.as_bytes(), &format!("{name}: {unit} ..."));
    }
}

#[test]
fn every_property_has_a_fuzz_target() {
    for (name, _) in targets() {
        let target = root().join("fuzz/fuzz_targets").join(format!("{name}.rs"));
        let text = std::fs::read_to_string(&target).unwrap_or_else(|e| panic!("{}: {e}", target.display()));
        assert!(text.contains(&format!("wave_registry::fuzzing::{name}(data)")), "{name}");
    }
    let files = std::fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap().count();
    assert_eq!(files, targets().len(), "a fuzz target without a property");
}

/// Runs a property; a failure names the input that broke it.
fn run(name: &str, property: fn(&[u8]), data: &[u8], origin: &str) {
    if let Err(panic) = std::panic::catch_unwind(|| property(data)) {
        let shown = String::from_utf8_lossy(&data[..data.len().min(8 << 10)]);
        eprintln!("property '{name}' fails for {origin}: {shown:?}");
        std::panic::resume_unwind(panic);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = root().join("fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

/// One to four small changes of a seed: bytes, pieces of other seeds, words of the grammar.
fn mutate(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const WORDS: [&str; 14] = [
        "null",
        "{}",
        "[]",
        ",",
        ":",
        "\"\"",
        "1e9",
        "-1",
        "\\u006c",
        "\u{17f}",
        "\u{212a}",
        "\"layers\":",
        "\"config\":{}",
        "\u{feff}",
    ];
    let mut data = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(4) {
        let place = dice.below(data.len() + 1);
        let end = (place + dice.below(12)).min(data.len());
        match dice.below(6) {
            0 if place < data.len() => data[place] ^= 1 << dice.below(8),
            1 => drop(data.drain(place..end)),
            2 => drop(data.splice(place..end, WORDS[dice.below(WORDS.len())].bytes())),
            3 => drop(data.splice(place..place, WORDS[dice.below(WORDS.len())].bytes())),
            4 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(40)).min(other.len());
                data.splice(place..end, other[from..to].iter().copied());
            }
            _ => data.truncate(data.len() - dice.below(3).min(data.len())),
        }
    }
    data
}

/// xorshift64*: small, seeded, good enough to choose places.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % limit
    }
}
