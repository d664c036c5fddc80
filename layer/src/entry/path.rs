//! Where a program's file is looked for: the rules of `execvp`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::Environment;

/// What container runtimes give an image that names no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The folders of `PATH`, in order.
#[derive(Clone, Debug)]
pub(crate) struct SearchPath(OsString);

impl SearchPath {
    /// The command's PATH, which is the one we were given, or the default if there is none.
    pub(crate) fn of(environment: &Environment) -> Self {
        Self(environment.value("PATH").unwrap_or(DEFAULT_PATH.as_ref()).to_owned())
    }

    /// The files a word can mean, best first. A word with a slash is a path; an empty folder is the current one.
    pub(crate) fn candidates(&self, word: &OsStr) -> Vec<PathBuf> {
        if word.is_empty() || word.as_bytes().contains(&b'/') {
            return vec![PathBuf::from(word)];
        }
        let folders = self.0.as_bytes().split(|&byte| byte == b':');
        folders
            .map(
                |folder| {
                    if folder.is_empty() { Path::new(".") } else { Path::new(OsStr::from_bytes(folder)) }
                },
            )
            .map(|folder| folder.join(word))
            .collect()
    }

    /// The file that `execve` would take of the candidates.
    pub(crate) fn resolve(&self, word: &OsStr) -> Option<PathBuf> {
        self.candidates(word).into_iter().find(|file| is_executable(file))
    }

    /// PATH as it was given.
    pub(crate) fn as_os_str(&self) -> &OsStr {
        &self.0
    }
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::super::support::TempDir;
    use super::*;

    fn path(value: &str) -> SearchPath {
        SearchPath::of(&Environment::from([("PATH", value)]))
    }

    fn candidates(path: &SearchPath, word: &str) -> Vec<String> {
        path.candidates(word.as_ref()).iter().map(|file| file.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_word_is_looked_for_in_each_folder() {
        assert_eq!(candidates(&path("/a:/b/"), "x"), ["/a/x", "/b/x"]);
    }

    #[test]
    fn a_word_with_a_slash_is_itself() {
        for word in ["/x", "./x", "a/x", "x/", ""] {
            assert_eq!(candidates(&path("/a:/b"), word), [word]);
        }
    }

    #[test]
    fn an_empty_folder_is_the_current_one() {
        assert_eq!(candidates(&path(":/b:"), "x"), ["./x", "/b/x", "./x"]);
        assert_eq!(candidates(&path(""), "x"), ["./x"]);
    }

    #[test]
    fn without_path_the_default_of_runtimes_is_searched() {
        let found = candidates(&SearchPath::of(&Environment::from([])), "x");
        assert_eq!(found.first().map(String::as_str), Some("/usr/local/sbin/x"));
        assert_eq!(found.last().map(String::as_str), Some("/bin/x"));
        assert_eq!(found.len(), 6);
    }

    #[test]
    fn folders_and_plain_files_are_passed_over() {
        let dir = TempDir::new();
        fs::create_dir_all(dir.path().join("1/app")).unwrap();
        dir.file("2/app", 0o644);
        let wanted = dir.file("3/app", 0o755);
        let value = ["0", "1", "2", "3"].map(|name| format!("{}/{name}", dir.path().display())).join(":");
        assert_eq!(path(&value).resolve("app".as_ref()), Some(wanted));
        assert_eq!(path(&value).resolve("other".as_ref()), None);
    }
}
