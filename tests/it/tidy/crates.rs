//! What is linked in, and with which features.

use super::root;
use std::collections::BTreeSet;
use std::process::Command;

/// Lines of `cargo tree` for what `package` is built of when it is built alone.
fn tree(package: &str, edges: &str, more: &[&str]) -> String {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--prefix", "none", "--edges", edges, "--package", package])
        .args(more)
        .current_dir(root())
        .output()
        .expect("cargo is there");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8_lossy(&tree.stdout).into_owned()
}

/// The features of a crate that `package` has switched on, by whatever path.
fn features(package: &str, name: &str) -> BTreeSet<String> {
    let tree = tree(package, "features,normal", &["--invert", name]);
    let prefix = format!("{name} feature \"");
    let features = tree.lines().filter_map(|line| line.strip_prefix(&*prefix)?.split('"').next());
    features.map(String::from).collect()
}

/// The crates that end up in the program of `package`.
fn crates(package: &str) -> BTreeSet<String> {
    tree(package, "normal", &[]).lines().filter_map(|line| line.split(' ').next()).map(String::from).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(String::from).into()
}

/// With one provider compiled in and none the default, a configuration that does not name its provider does not build.
#[test]
fn rustls_has_no_features_but_those_that_are_wanted() {
    for (package, name, wanted) in [
        ("wave-registry", "rustls", set(["aws-lc-rs", "aws_lc_rs", "std", "tls12"])),
        ("wave-registry", "tokio-rustls", set(["aws_lc_rs", "tls12"])),
        // The program inside the container is to be small.
        ("fusion", "rustls", set(["ring", "std", "tls12"])),
        ("fusion", "tokio-rustls", set(["ring", "tls12"])),
    ] {
        assert_eq!(features(package, name), wanted, "{name} in {package}");
    }
}

/// Two providers in one program are twice the code, and a choice that nobody has made.
#[test]
fn each_program_has_one_implementation_of_cryptography() {
    let both = set(["aws-lc-rs", "ring"]);
    let has = |package| crates(package).intersection(&both).cloned().collect::<BTreeSet<_>>();
    assert_eq!(has("wave-registry"), set(["aws-lc-rs"]));
    assert_eq!(has("fusion"), set(["ring"]));
}
