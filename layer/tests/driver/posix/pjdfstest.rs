//! `pjdfstest`: what POSIX says about each call, test by test. `pjdfstest.txt` has all tests of the calls that are
//! looked at, and what is known to be otherwise here and why.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::mount::{Mount, server};
use super::tools::Tool;
use crate::mounted::Folder;

/// The table: a test a row. A name alone is a test that passes; behind the others is what happens, and the reason.
const TABLE: &str = include_str!("pjdfstest.txt");

/// Two users of Debian who own nothing; and a pause that is longer than the clock's steps.
const CONFIG: &str = "
[features]
utime_now = {}
utimensat = {}
[settings]
naptime = 0.02
[dummy_auth]
entries = [[\"nobody\", \"nogroup\"], [\"daemon\", \"daemon\"]]
";

/// What happens to a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    Fails,
    Skipped,
    /// Not tried.
    LeftOut,
}

/// Name and fate in each row of the table; a deviation without a reason is a mistake.
fn table() -> BTreeMap<&'static str, Fate> {
    let rows = TABLE.lines().filter(|row| !row.is_empty() && !row.starts_with('#'));
    rows.map(|row| match row.split_once(char::is_whitespace) {
        None => (row, Fate::Passes),
        Some((name, rest)) => {
            let (fate, reason) = rest.trim().split_once(": ").unwrap_or_else(|| panic!("no reason: {row}"));
            assert!(!reason.trim().is_empty(), "no reason: {row}");
            let fate = match fate {
                "fails" => Fate::Fails,
                "skipped" => Fate::Skipped,
                "left out" => Fate::LeftOut,
                _ => panic!("neither fails, skipped nor left out: {row}"),
            };
            (name, fate)
        }
    })
    .collect()
}

/// The fates that the tool printed.
fn printed(output: &str) -> BTreeMap<&str, Fate> {
    let rows = output.lines().filter(|line| !line.starts_with(char::is_whitespace));
    rows.filter_map(|line| {
        let (name, fate) = line.split_once(' ')?;
        let fate = match fate.trim() {
            "ok" => Fate::Passes,
            "FAILED" => Fate::Fails,
            "skipped" => Fate::Skipped,
            _ => return None,
        };
        Some((name, fate))
    })
    .collect()
}

#[test]
fn posix_is_followed_but_for_what_is_known() {
    let table = table();
    let server = server();
    let (mount, aside) = (Mount::of(&server), Folder::new());
    for folder in mount.bucket().ancestors().skip(2) {
        let mode = folder.metadata().unwrap().permissions().mode();
        assert!(mode & 0o001 != 0, "{folder:?} is closed to others, whom pjdfstest acts as: build elsewhere");
    }
    let config = aside.path().join("pjdfstest.toml");
    fs::write(&config, CONFIG).unwrap();
    let tried = table
        .iter()
        .filter(|(_, fate)| **fate != Fate::LeftOut)
        .map(|(name, _)| format!("pjdfstest::tests::{name}"));
    let tool = Tool::new("pjdfstest", 400).args(["-c".as_ref(), config.as_os_str(), "-p".as_ref()]);
    // Another file system, for what has to stay within one.
    let tool = tool.args([mount.bucket().as_path(), "-s".as_ref(), aside.path()]);
    let output = tool.args(["--exact"]).args(tried).output();
    fs::remove_file(config).unwrap();
    let output =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let printed = printed(&output);
    let wrong: Vec<_> = table
        .iter()
        .filter(|(_, fate)| **fate != Fate::LeftOut)
        .filter(|(name, fate)| printed.get(*name) != Some(*fate))
        .map(|(name, fate)| format!("{name}: {:?} and not {fate:?}", printed.get(name)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{output}");
    mount.end();
}
