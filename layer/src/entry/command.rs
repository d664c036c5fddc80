//! The command to run: the image's own entry point, then our arguments.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::chain::Chain;
use super::path::SearchPath;
use crate::sys;

/// The words of a command; there is at least the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command(Vec<OsString>);

impl Command {
    /// Chain, then arguments; `None` if that is no word at all.
    ///
    /// Leading words of the chain that are this very program are left out, or an image to which the layer was added
    /// twice would start us for ever.
    pub(crate) fn assemble(
        chain: Chain,
        args: Vec<OsString>,
        path: &SearchPath,
        own: &OwnFile,
    ) -> Option<Self> {
        let mut words = chain.into_words();
        let ours = words.iter().take_while(|word| own.is_at(path.resolve(word).as_deref())).count();
        words.drain(..ours);
        words.extend(args);
        (!words.is_empty()).then_some(Self(words))
    }

    /// The first word.
    pub(crate) fn program(&self) -> &OsStr {
        self.0.first().expect("a command has at least its program")
    }

    /// All words, the program first.
    pub(crate) fn words(&self) -> &[OsString] {
        &self.0
    }
}

/// The file this program was started from, known by device and inode so that links to it are known as well.
#[derive(Debug)]
pub(crate) struct OwnFile(Option<(u64, u64)>);

impl OwnFile {
    /// Asks the kernel: by `/proc`, or by the path given to `execve` where no `/proc` is mounted.
    pub(crate) fn find() -> Self {
        Self(identity(Path::new("/proc/self/exe")).or_else(|| identity(sys::exec_path()?.as_ref())))
    }

    fn is_at(&self, file: Option<&Path>) -> bool {
        self.0.is_some() && self.0 == file.and_then(identity)
    }
}

fn identity(file: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(file).ok()?;
    Some((meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::super::support::TempDir;
    use super::*;
    use crate::config::Environment;

    struct Case {
        dir: TempDir,
        path: SearchPath,
        own: OwnFile,
    }

    /// A folder in PATH with `self`, links to it, and `app`.
    fn case() -> Case {
        let dir = TempDir::new();
        let own = dir.file("self", 0o755);
        dir.file("app", 0o755);
        fs::hard_link(&own, dir.path().join("hard")).unwrap();
        std::os::unix::fs::symlink("self", dir.path().join("soft")).unwrap();
        let path = SearchPath::of(&Environment::from([("PATH", dir.path().to_str().unwrap())]));
        Case { own: OwnFile(identity(&own)), path, dir }
    }

    #[track_caller]
    fn check(case: &Case, chain: &str, args: &[&str], want: &[&str]) {
        let args = args.iter().map(OsString::from).collect();
        let command = Command::assemble(Chain::parse(Some(chain.as_ref())), args, &case.path, &case.own);
        let words = command.map(|command| command.0).unwrap_or_default();
        assert_eq!(words, want, "{chain}");
    }

    #[test]
    fn chain_comes_before_arguments() {
        let case = case();
        check(&case, r#"["app","-v"]"#, &["x", "y"], &["app", "-v", "x", "y"]);
        check(&case, "", &["x"], &["x"]);
        check(&case, "app", &[], &["app"]);
        check(&case, "", &[], &[]);
    }

    #[test]
    fn our_own_file_is_left_out_by_any_name() {
        let case = case();
        let full = case.dir.path().join("self");
        for chain in ["self", "hard", "soft", full.to_str().unwrap()] {
            check(&case, chain, &["x"], &["x"]);
            check(&case, chain, &[], &[]);
        }
        check(&case, r#"["self","hard","app","self"]"#, &["x"], &["app", "self", "x"]);
    }

    #[test]
    fn a_chain_that_is_nowhere_is_kept_for_its_error() {
        check(&case(), "nowhere", &["x"], &["nowhere", "x"]);
    }

    #[test]
    fn this_process_knows_its_file() {
        let exe = std::env::current_exe().unwrap();
        assert!(OwnFile::find().is_at(Some(&exe)));
        assert_eq!(identity(sys::exec_path().unwrap().as_ref()), identity(&exe));
        assert!(!OwnFile(None).is_at(None));
    }
}
