//! Rules of the house that the compiler does not know.

mod crates;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folder`, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source is text");
                found.push((path.strip_prefix(root()).expect("below the root").to_path_buf(), text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect("a file of the project")
}

/// A source without what is compiled for tests only: each item behind `#[cfg(test)]`, as rustfmt lays it out.
fn product(text: &str) -> String {
    let mut product = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            product.extend([line, "\n"]);
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let ends = |line: &str| {
            let at_this_depth =
                line.strip_prefix(indent).is_some_and(|rest| !rest.starts_with(char::is_whitespace));
            at_this_depth && (line.ends_with(';') || line.ends_with('}') || line.ends_with(','))
        };
        // An attribute of the same item has no such end.
        lines.by_ref().find(|line| ends(line)).expect("an item ends");
    }
    product
}

#[test]
fn a_product_is_all_but_its_tests() {
    let text = "a\n#[cfg(test)]\nmod testing;\nb\n    #[cfg(test)]\n    fn c() {\n        d();\n    }\n    e\n\
                #[cfg(test)]\n#[path = \"x\"]\nmod tests {\n    fn f() {\n    }\n}\ng\n";
    assert_eq!(product(text), "a\nb\n    e\ng\n");
}

#[test]
fn files_are_short() {
    for folder in ["src", "layer/src", "layer/tests", "tests", "benches"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            assert!(lines <= 400, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn the_vocabulary_and_the_documents_do_no_io() {
    let pure = [
        "config.rs",
        "derivation.rs",
        "edit.rs",
        "fields.rs",
        "index.rs",
        "manifest.rs",
        "process.rs",
        "scan.rs",
        "splice.rs",
        "text.rs",
        "wanted.rs",
    ];
    let is_pure = |path: &Path| {
        path.starts_with("src/oci")
            || (path.starts_with("src/rewrite") && pure.iter().any(|name| path.ends_with(name)))
    };
    for (path, text) in sources("src").iter().filter(|(path, _)| is_pure(path)) {
        for word in ["tokio::", "hyper::", "hyper_util", "tower::", "std::fs", "std::net::Tcp"] {
            assert!(!product(text).contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn layers_are_stacked_in_one_place() {
    for (path, text) in sources("src") {
        let test =
            path.components().any(|part| part.as_os_str() == "tests.rs" || part.as_os_str() == "tests");
        if test || path.starts_with("src/stack") {
            continue;
        }
        let product: String = product(&text).split_whitespace().collect();
        let stacked = ["ServiceBuilder", "Layer::layer("].iter().find(|word| product.contains(**word));
        assert_eq!(stacked, None, "{} stacks layers", path.display());
        for (at, call) in product.match_indices(".layer(") {
            let end = product[..at].rfind(|c: char| !c.is_alphanumeric()).map_or(0, |before| before + 1);
            // Those of images, not of services.
            let of_an_image = ["default", "family", "recipe"].contains(&&product[end..at]);
            assert!(of_an_image, "{} stacks layers: {}{call}", path.display(), &product[end..at]);
        }
    }
}

#[test]
fn only_ascii_in_the_product() {
    for (path, text) in sources("src") {
        assert!(text.is_ascii(), "{} is not ASCII", path.display());
    }
}

#[test]
fn every_metric_is_documented() {
    let readme = read("README.md");
    let names = read("src/telemetry/names.rs");
    let metrics: Vec<_> = names.split('"').filter(|text| is_metric(text)).collect();
    assert!(metrics.len() > 10, "{metrics:?}");
    for metric in metrics {
        assert!(readme.contains(metric), "README does not know {metric}");
    }
}

fn is_metric(text: &str) -> bool {
    text.starts_with("wave_") && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

#[test]
fn every_metric_is_used() {
    let names = read("src/telemetry/names.rs");
    let rows = names.lines().filter_map(|line| line.trim().split_once(" = \"wave_"));
    let rows: Vec<_> =
        rows.map(|(constant, rest)| (constant, rest.split('"').next().unwrap_or_default())).collect();
    assert!(rows.len() > 10, "{rows:?}");
    let elsewhere: String = sources("src")
        .into_iter()
        .filter(|(path, _)| !path.ends_with("telemetry/names.rs"))
        .map(|(_, text)| text)
        .collect();
    for (constant, rest) in rows {
        let named = elsewhere.contains(&format!("names::{constant}"));
        let literal = elsewhere.contains(&format!("\"wave_{rest}\""));
        assert!(named || literal, "{constant} is described and never recorded");
    }
}

#[test]
fn every_configuration_key_is_documented() {
    let readme = read("README.md");
    assert!(
        readme.contains(&wave_registry::config::markdown_table()),
        "the table of keys in README.md is not the one of `config::markdown_table`:\n{}",
        wave_registry::config::markdown_table()
    );
}

#[test]
fn there_is_one_tls_provider_and_no_second_http_stack() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            "wave-registry",
        ])
        .current_dir(root())
        .output()
        .expect("cargo is there");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
    let has = |name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    assert!(has("aws-lc-rs") && has("hyper"));
    for second in ["ring", "reqwest", "axum", "openssl", "native-tls", "tokio-tar", "serde_yml"] {
        assert!(!has(second), "{second} is in the tree");
    }
}

#[test]
fn no_log_line_shows_a_raw_uri() {
    let macros = ["trace!(", "debug!(", "info!(", "warn!(", "error!(", "event!(", "span!("];
    for (path, text) in sources("src") {
        let product = product(&text);
        let calls = macros.iter().flat_map(|name| product.match_indices(name).map(|(at, _)| at + name.len()));
        for start in calls {
            let call = &product[start..closing(&product, start)];
            assert!(
                !call.contains("uri()") && !call.contains("path_and_query"),
                "{}: {call}",
                path.display()
            );
        }
    }
}

/// Where the parenthesis that is open at `start` closes.
fn closing(text: &str, start: usize) -> usize {
    let mut open = 1;
    let end = text[start..].find(|c| {
        open += i32::from(c == '(') - i32::from(c == ')');
        open == 0
    });
    end.map_or(text.len(), |length| start + length)
}
