//! Who the command line says it is.

use super::Failure;
use crate::auth::Credentials;
use crate::secret::Secret;
use std::path::Path;

/// Credentials of `user`, with the password in `file`, else the one in `variable`, which is the value of
/// `WAVE_PASSWORD`. A command line is no place for a password: everybody on the machine can read it.
pub fn login(user: &str, file: Option<&Path>, variable: Option<String>) -> Result<Credentials, Failure> {
    let password = match (file, variable) {
        (Some(path), _) => {
            let unread = |why| Failure::new(format!("cannot read a password from {}: {why}", path.display()));
            std::fs::read_to_string(path).map_err(unread)?
        }
        (None, Some(password)) => password,
        (None, None) => String::new(),
    };
    // Editors end files with a line break.
    match password.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::new("--user needs a password: in --password-file, or in WAVE_PASSWORD")),
        password => Ok(Credentials { username: user.into(), password: Secret::new(password) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn from_a_file_or_the_environment() {
        let dir = Scratch::new();
        let (file, empty) = (dir.write("password", "from file\n"), dir.write("empty", "\n"));
        let check = |file: Option<&Path>, variable: Option<&str>| {
            let login = login("alice", file, variable.map(String::from));
            login.map(|login| login.password.expose().to_string()).map_err(|failure| failure.to_string())
        };
        assert_eq!(check(Some(&file), Some("from environment")), Ok("from file".into()));
        assert_eq!(check(None, Some("from environment")), Ok("from environment".into()));
        for missing in [check(None, None), check(None, Some("")), check(Some(&empty), Some("x"))] {
            assert!(missing.unwrap_err().starts_with("--user needs a password"));
        }
        let unread = check(Some(&dir.path().join("none")), None).unwrap_err();
        assert!(unread.starts_with("cannot read a password from"), "{unread}");
    }
}
