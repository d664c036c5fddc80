//! What the tests call is what `tests/install.sh` installs.

use super::read;

/// What is between two texts.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).expect("there is a beginning");
    rest.split_once(end).expect("there is an end").0
}

#[test]
fn the_tools_of_the_tests_are_those_that_are_installed() {
    let (table, script) = (read("tests/e2e/support/tools.rs"), read("tests/install.sh"));
    let called = between(&table, "const TOOLS: &[(&str, &str)] = &[\n", "];");
    let called: Vec<_> = called
        .lines()
        .map(|row| {
            let row = row.trim().strip_prefix("(\"").and_then(|row| row.strip_suffix("\"),"));
            row.and_then(|row| row.split_once("\", \"")).expect("a row is a pair of strings")
        })
        .collect();
    let installed = between(&script, "\ne2e='\n", "'\n");
    let installed: Vec<_> =
        installed.lines().map(|row| row.trim().split_once(':').expect("a row has two columns")).collect();
    assert!(called.len() > 20, "{called:?}");
    assert_eq!(called, installed);
}
