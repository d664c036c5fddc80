//! The command line: flags exactly as typed.

use crate::config::{self, Source};
use crate::inject::Folder;
use crate::secret::Secret;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use url::Url;

/// Exit code for a wrong command line or configuration (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;
/// Exit code for everything else that fails.
pub const FAILURE: u8 = 1;

/// A command line, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What to do.
    pub verb: Verb,
    /// `--log-level`: wins over `wave.log.level`.
    pub log_level: Option<String>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Verb {
    /// Run the registry (default).
    Serve(Configured),
    /// Print all mistakes of the configuration, or what holds, secrets masked.
    Check(Configured),
    /// Make a layer of a directory.
    Pack(Pack),
    /// Ask a server for the name of an augmented image.
    Token(Token),
    /// Show manifest and configuration of an image as a server gives them.
    Inspect(Inspect),
}

/// `wave serve` and `wave check`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Configured {
    /// The configuration; unset: WAVE_CONFIG_FILE, else config.yml when it exists.
    #[arg(long, value_name = "FILE", value_parser = config::file_name)]
    config: Option<PathBuf>,
}

/// `wave pack`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Pack {
    /// Directory whose contents become the layer; with several, each for its platform, such as linux/arm64=DIR.
    #[arg(value_name = "[PLATFORM=]DIR", required = true)]
    pub folders: Vec<Folder>,
    /// layers/layer.tar.gzip and layers/layer.json are put below this.
    #[arg(long, value_name = "DIR", default_value = "pack", value_parser = config::file_name)]
    pub output: PathBuf,
    /// gzip level, 0 to 9.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=9))]
    pub level: u32,
}

/// `wave token`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Token {
    /// The image to augment.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The server, and how its answer is printed.
    #[command(flatten)]
    pub client: Client,
    /// File with a containerConfig in JSON: layers, entrypoint, cmd, env, workingDir.
    #[arg(long, value_name = "FILE", value_parser = config::file_name)]
    pub config_file: Option<PathBuf>,
    /// Directory to append as a layer, sent along in the request; may be given several times.
    #[arg(long = "layer", value_name = "DIR", value_parser = config::file_name)]
    pub layers: Vec<PathBuf>,
    /// Entry point: words, or a JSON array.
    #[arg(long, value_name = "WORDS")]
    pub config_entrypoint: Option<String>,
    /// Arguments: words, or a JSON array.
    #[arg(long, value_name = "WORDS")]
    pub config_cmd: Option<String>,
    /// Variable to set in the image; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub config_env: Vec<String>,
    /// Working directory of the image.
    #[arg(long, value_name = "DIR")]
    pub config_working_dir: Option<String>,
    /// Platform, such as linux/amd64.
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Access token of the platform.
    #[arg(long, value_name = "TOKEN", env = "TOWER_ACCESS_TOKEN", hide_env_values = true, value_parser = secret)]
    pub tower_token: Option<Secret>,
    /// Workspace of the platform.
    #[arg(long, value_name = "ID", env = "TOWER_WORKSPACE_ID")]
    pub tower_workspace_id: Option<u64>,
}

/// `wave inspect`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Inspect {
    /// The image to look at.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The server, and how its answer is printed.
    #[command(flatten)]
    pub client: Client,
    /// Platform, such as linux/amd64.
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Fetch the layers too, and check their digests; nothing is kept.
    #[arg(long)]
    pub pull: bool,
}

/// The server a client verb asks.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Client {
    /// The server to ask.
    #[arg(
        long,
        value_name = "URL",
        env = "WAVE_ENDPOINT",
        default_value = "http://localhost:9090",
        value_parser = config::server_url
    )]
    pub endpoint: Url,
    /// User at the server; the password is in --password-file, or in WAVE_PASSWORD.
    #[arg(long, value_name = "NAME", value_parser = user)]
    pub user: Option<String>,
    /// File with the user's password.
    #[arg(long, value_name = "FILE", requires = "user", value_parser = config::file_name)]
    pub password_file: Option<PathBuf>,
    /// PEM file with certificates to trust besides the public ones.
    #[arg(long, value_name = "FILE", value_parser = config::file_name)]
    pub ca_file: Option<PathBuf>,
    /// How the answer is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How a client verb prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// The server's reply.
    Json,
}

impl Command {
    /// Parses arguments, the program's name first. The error prints itself (`print`); its exit code is
    /// [`exit_code`] of it, for `--help` and `--version` are errors too.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
        let Typed { verb, serve, log_level } = Typed::try_parse_from(args)?;
        let verb = match (verb, serve) {
            (None, serve) => Verb::Serve(serve),
            (Some(verb), Configured { config: None }) => verb,
            (Some(_), Configured { config: Some(_) }) => {
                return Err(
                    Typed::command().error(ErrorKind::ArgumentConflict, "--config goes after the verb")
                );
            }
        };
        Ok(Command { verb, log_level })
    }
}

/// 0 for what was asked for, as `--help`; else [`USAGE`].
pub fn exit_code(error: &clap::Error) -> u8 {
    if error.use_stderr() { USAGE } else { 0 }
}

impl Configured {
    /// Where the configuration is.
    pub fn source(&self) -> Source {
        self.config.clone().map_or(Source::Usual, Source::File)
    }
}

/// A container registry that changes images while they are pulled.
#[derive(Parser)]
#[command(name = "wave", version)]
struct Typed {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: Configured,
    /// What is logged: a level, or a filter such as wave_registry=debug.
    #[arg(long, global = true, value_name = "FILTER", value_parser = config::log_level)]
    log_level: Option<String>,
}

fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

fn user(text: &str) -> Result<String, String> {
    match text.contains(':') {
        true => Err("is not a user name; a password does not belong on the command line".into()),
        false if text.is_empty() => Err("is not a user name".into()),
        false => Ok(text.into()),
    }
}

fn assignment(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_string()),
        _ => Err("is not NAME=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Command, clap::Error> {
        Command::parse(["wave"].into_iter().chain(args.split_whitespace()).map(OsString::from))
    }

    fn serve(config: Option<&str>) -> Verb {
        Verb::Serve(Configured { config: config.map(PathBuf::from) })
    }

    #[test]
    fn the_grammar_is_consistent() {
        Typed::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default() {
        assert_eq!(parse("").unwrap(), Command { verb: serve(None), log_level: None });
        assert_eq!(parse("--config a.yml").unwrap().verb, serve(Some("a.yml")));
        assert_eq!(parse("serve --config a.yml").unwrap().verb, serve(Some("a.yml")));
        let Verb::Check(check) = parse("check --config a.yml").unwrap().verb else { panic!() };
        assert_eq!(check.source(), Source::File("a.yml".into()));
        for args in ["--log-level debug check", "check --log-level debug", "--log-level debug"] {
            assert_eq!(parse(args).unwrap().log_level.as_deref(), Some("debug"), "{args}");
        }
    }

    #[test]
    fn verbs() {
        let Verb::Pack(pack) = parse("pack layer/rootfs --level 9").unwrap().verb else { panic!() };
        assert_eq!((pack.level, pack.output.to_str()), (9, Some("pack")));
        let Verb::Pack(pack) = parse("pack linux/amd64=a linux/arm64=b").unwrap().verb else { panic!() };
        let folders = [("a", "amd64"), ("b", "arm64")];
        let folder =
            |(dir, platform): (&str, &str)| Folder { dir: dir.into(), platform: platform.parse().ok() };
        assert_eq!(pack.folders, folders.map(folder));
        let args = "token alpine --endpoint https://r.io --config-env A=b --config-env C= --tower-token hunter2 -o json";
        let Verb::Token(token) = parse(args).unwrap().verb else { panic!() };
        assert_eq!((token.client.endpoint.as_str(), token.client.output), ("https://r.io/", Output::Json));
        assert_eq!(token.config_env, ["A=b", "C="]);
        assert!(!format!("{token:?}").contains("hunter2"));
        let args = "inspect alpine:3 --platform linux/arm64 --user alice --password-file p --ca-file c.pem";
        let Verb::Inspect(inspect) = parse(args).unwrap().verb else { panic!() };
        assert_eq!(
            (inspect.client.user.as_deref(), inspect.client.password_file),
            (Some("alice"), Some("p".into()))
        );
        assert_eq!(inspect.client.ca_file, Some("c.pem".into()));
        assert_eq!((&*inspect.image, inspect.platform.as_deref()), ("alpine:3", Some("linux/arm64")));
    }

    #[test]
    fn mistakes_are_64() {
        for bad in [
            "frobnicate",
            "serve --port 1",
            "--config a.yml check",
            "--log-level =,=",
            "pack",
            "pack d --level 10",
            "token",
            "token a --endpoint ftp://x",
            "token a --config-env A",
            "token a --user alice:pw",
            "token a --password-file p",
            "build",
        ] {
            assert_eq!(exit_code(&parse(bad).unwrap_err()), USAGE, "{bad}");
        }
        for asked in ["--help", "--version", "token --help"] {
            assert_eq!(exit_code(&parse(asked).unwrap_err()), 0, "{asked}");
        }
    }
}
