//! Finding the configuration and reading it.

use super::files::Files;
use super::problems::{Problems, Remark};
use super::reader::Reader;
use super::{Config, check, written};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the file is looked for when nobody says.
const FILE: &str = "config.yml";
/// The variable that says where it is.
const FILE_VARIABLE: &str = "WAVE_CONFIG_FILE";

/// Which file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one `WAVE_CONFIG_FILE` names, which must exist; else `config.yml` in the working directory when it
    /// exists; else none: the defaults are valid.
    Usual,
    /// This one, which must exist.
    File(PathBuf),
}

/// A configuration that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What is worth a warning and no mistake: keys without effect, unknown `WAVE_*` variables, risks taken.
    pub notes: Vec<Remark>,
    /// The file it was read from.
    pub file: Option<PathBuf>,
}

impl Config {
    /// Reads the file, and lays the environment over it. All problems are reported at once.
    pub fn load(source: &Source, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, Problems> {
        let env: BTreeMap<String, String> = env.collect();
        let named = env.get(FILE_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        let (file, must_exist) = match (source, named) {
            (Source::File(file), _) => (file.clone(), true),
            (Source::Usual, Some(file)) => (file, true),
            (Source::Usual, None) => (PathBuf::from(FILE), false),
        };
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => None,
            Err(error) => {
                return Err(Problems::one(file.display().to_string(), format!("cannot be read: {error}")));
            }
        };
        let file = text.is_some().then_some(file);
        read(text.as_deref().unwrap_or(""), env, Files::Disk, file)
    }
}

impl Loaded {
    /// What `wave check` prints: notes as comments, then what holds, secrets masked. It is YAML.
    pub fn report(&self) -> String {
        let from = self.file.as_ref().map_or("no file".into(), |file| file.display().to_string());
        let mut text = format!("# from {from} and the environment\n");
        for note in &self.notes {
            text.push_str(&format!("# note: {}\n", note.to_string().escape_debug()));
        }
        text + &self.config.effective()
    }
}

/// As [`Config::load`] for this text, without a look at any file: each that it names is taken to be there. A pure
/// function that never panics.
pub fn parse_text(text: &str, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, Problems> {
    read(text, env.collect(), Files::Imagined, None)
}

/// A log filter such as `info` or `wave_registry=debug`, for the command line.
pub(crate) fn log_level(text: &str) -> Result<String, String> {
    check::log_level(text)
}

/// A file name, for the command line.
pub(crate) fn file_name(text: &str) -> Result<PathBuf, String> {
    super::reader::path(text)
}

/// `http[s]://host[:port]`, for the command line.
pub(crate) fn server_url(text: &str) -> Result<url::Url, String> {
    check::origin_url(text)
}

/// What holds when nothing is set and no default file exists.
impl Default for Config {
    fn default() -> Config {
        parse_text("", std::iter::empty()).expect("the defaults are valid").config
    }
}

fn read(
    text: &str,
    env: BTreeMap<String, String>,
    files: Files,
    file: Option<PathBuf>,
) -> Result<Loaded, Problems> {
    let mut written = written::written(text, &env);
    let name = file.as_deref().map_or(Path::new(FILE), Path::new).display().to_string();
    for problem in written.problems.iter_mut().filter(|problem| problem.path.is_empty()) {
        problem.path.clone_from(&name);
    }
    let mut reader = Reader::new(written, env, files);
    let config = check::config(&mut reader);
    let (problems, notes) = reader.finish();
    match Problems::of(problems) {
        Some(problems) => Err(problems),
        None => Ok(Loaded { config, notes, file }),
    }
}
