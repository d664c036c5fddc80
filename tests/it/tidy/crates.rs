//! What is linked in, and with which features.

use super::root;
use std::collections::BTreeSet;
use std::process::Command;

/// The features of a crate that the product has switched on, by whatever path.
fn features(name: &str) -> BTreeSet<String> {
    let arguments = ["tree", "--offline", "--locked", "--edges", "features,normal", "--prefix", "none"];
    let tree = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--package", "wave-registry", "--invert", name])
        .current_dir(root())
        .output()
        .expect("cargo is there");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
    let prefix = format!("{name} feature \"");
    let features = tree.lines().filter_map(|line| line.strip_prefix(&*prefix)?.split('"').next());
    features.map(String::from).collect()
}

/// With one provider compiled in and none the default, a configuration that does not name its provider does not build.
#[test]
fn rustls_has_no_features_but_those_that_are_wanted() {
    assert_eq!(features("rustls"), ["aws-lc-rs", "aws_lc_rs", "std", "tls12"].map(String::from).into());
    assert_eq!(features("tokio-rustls"), ["aws_lc_rs", "tls12"].map(String::from).into());
}
