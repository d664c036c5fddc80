//! The verbs that are no server: `wave pack`, `wave token`, `wave inspect`.

use crate::{complain, say};
use base64::Engine as _;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use wave_registry::cli::{self, Output};
use wave_registry::client::{self, Client, TokenRequest};
use wave_registry::inject::pack::{Job, Silent, Terminal};
use wave_registry::oci::Platform;

/// What went wrong, in words for the terminal.
type Failure = Box<dyn std::error::Error>;

/// Makes a layer of a folder.
pub(crate) fn pack(verb: &cli::Pack) -> Result<ExitCode, Failure> {
    let job = Job { output: verb.output.clone(), level: verb.level, ..Job::new(&verb.dir) };
    let packed = job.run(&mut Terminal::new())?;
    say(format_args!("{}\n{}\n", packed.layer.display(), packed.descriptor.display()));
    let measured = &packed.measured;
    say(format_args!("gzipDigest {}\ngzipSize   {}\n", measured.digest, measured.size));
    say(format_args!("tarDigest  {}\n", measured.diff_id));
    Ok(ExitCode::SUCCESS)
}

/// Asks a server for the name of an augmented image.
pub(crate) fn token(verb: &cli::Token) -> Result<ExitCode, Failure> {
    let file: Value = match &verb.config_file {
        Some(path) => serde_json::from_slice(&std::fs::read(path).map_err(at(path))?).map_err(at(path))?,
        None => Value::Null,
    };
    let mut layers = file["layers"].as_array().cloned().unwrap_or_default();
    for dir in &verb.layers {
        layers.push(inline(dir)?);
    }
    let request = TokenRequest {
        image: verb.image.clone(),
        entrypoint: words(verb.config_entrypoint.as_deref(), &file["entrypoint"]),
        cmd: words(verb.config_cmd.as_deref(), &file["cmd"]),
        env: words(None, &file["env"]).into_iter().chain(verb.config_env.iter().cloned()).collect(),
        working_dir: verb
            .config_working_dir
            .clone()
            .or_else(|| file["workingDir"].as_str().map(String::from)),
        layers,
        platform: verb.platform.clone(),
    };
    let minted = runtime()?.block_on(client::token(&Client::new(None)?, &verb.client.endpoint, &request))?;
    match verb.client.output {
        Output::Text => say(format_args!("{minted}\n")),
        Output::Json => say(format_args!("{:#}\n", minted.reply)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows an image as a server gives it.
pub(crate) fn inspect(verb: &cli::Inspect) -> Result<ExitCode, Failure> {
    let platform =
        verb.platform.as_deref().map(str::parse).transpose()?.unwrap_or_else(Platform::linux_amd64);
    let authority = &verb.client.endpoint[url::Position::BeforeHost..url::Position::AfterPort];
    let image = format!("{}://{authority}/{}", verb.client.endpoint.scheme(), verb.image);
    let (runtime, client) = (runtime()?, Client::new(None)?);
    let inspection = runtime.block_on(client::inspect(&client, &image, &platform))?;
    match verb.client.output {
        Output::Text => say(format_args!("{inspection}\n")),
        Output::Json => say(format_args!("{}\n", serde_json::to_string_pretty(&inspection)?)),
    }
    if verb.pull {
        let bytes = runtime.block_on(client::pull(&client, &image, &inspection))?;
        let layers = inspection.layers.len();
        complain(format_args!("pulled      {layers} layers, {bytes} bytes, every digest right\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The words of a flag, or of the member of a file: a JSON array, or words between spaces.
fn words(flag: Option<&str>, member: &Value) -> Vec<String> {
    let parsed = flag.map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)));
    match parsed.as_ref().unwrap_or(member) {
        Value::Array(words) => words.iter().filter_map(Value::as_str).map(String::from).collect(),
        Value::String(text) => text.split_whitespace().map(String::from).collect(),
        _ => Vec::new(),
    }
}

/// A folder as a layer that travels inside the request.
fn inline(dir: &Path) -> Result<Value, Failure> {
    let scratch = std::env::temp_dir().join(format!("wave-token-{}", std::process::id()));
    let job = Job { output: scratch.clone(), ..Job::new(dir) };
    let content = job.run(&mut Silent).map_err(Failure::from).and_then(|packed| {
        let content = std::fs::read(&packed.layer)?;
        Ok((content, packed))
    });
    // It is a temporary folder of our own; what matters is whether the layer was made.
    let _ = std::fs::remove_dir_all(&scratch);
    let (content, packed) = content?;
    Ok(json!({
        "location": format!("data:{}", base64::engine::general_purpose::STANDARD.encode(content)),
        "gzipDigest": packed.measured.digest,
        "gzipSize": packed.measured.size,
        "tarDigest": packed.measured.diff_id,
    }))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn at<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> Failure {
    move |error| format!("{}: {error}", path.display()).into()
}
