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

/// Makes a layer of each folder.
pub(crate) fn pack(verb: &cli::Pack) -> Result<ExitCode, Failure> {
    let (folders, output) = (verb.folders.clone(), verb.output.clone());
    let packed = Job { folders, output, level: verb.level, config: None }.run(&mut Terminal::new())?;
    for layer in &packed.layers {
        say(format_args!("{}\n", layer.path.display()));
    }
    say(format_args!("{}\n", packed.descriptor.display()));
    for layer in &packed.layers {
        if packed.layers.len() > 1 {
            layer.platforms.iter().for_each(|platform| say(format_args!("platform   {platform}\n")));
        }
        let measured = &layer.measured;
        say(format_args!("gzipDigest {}\ngzipSize   {}\n", measured.digest, measured.size));
        say(format_args!("tarDigest  {}\n", measured.diff_id));
    }
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
    let words = |flag: &Option<String>, name: &str| match flag {
        Some(text) => Ok(client::words(text)),
        None => member(&file, name),
    };
    let request = TokenRequest {
        image: verb.image.clone(),
        entrypoint: words(&verb.config_entrypoint, "entrypoint")?,
        cmd: words(&verb.config_cmd, "cmd")?,
        env: member(&file, "env")?.into_iter().chain(verb.config_env.iter().cloned()).collect(),
        working_dir: verb
            .config_working_dir
            .clone()
            .or_else(|| file["workingDir"].as_str().map(String::from)),
        layers,
        platform: verb.platform.clone(),
        tower_token: verb.tower_token.clone(),
        tower_workspace_id: verb.tower_workspace_id,
    };
    let client = connect(&verb.client)?;
    let minted = runtime()?.block_on(client::token(&client, &verb.client.endpoint, &request))?;
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
    let image = client::named(&verb.client.endpoint, &verb.image);
    let (runtime, client) = (runtime()?, connect(&verb.client)?);
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

/// A client as the flags describe it.
fn connect(flags: &cli::Client) -> Result<Client, Failure> {
    let client = Client::new(flags.ca_file.as_deref())?;
    let Some(user) = &flags.user else { return Ok(client) };
    let password = std::env::var("WAVE_PASSWORD").ok();
    Ok(client.with_credentials(client::login(user, flags.password_file.as_deref(), password)?))
}

/// A member of a containerConfig: strings, or words in one string.
fn member(file: &Value, name: &str) -> Result<Vec<String>, Failure> {
    match &file[name] {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(client::words(text)),
        other => serde_json::from_value(other.clone()).map_err(|why| format!("'{name}': {why}").into()),
    }
}

/// A folder as a layer that travels inside the request.
fn inline(dir: &Path) -> Result<Value, Failure> {
    let scratch = std::env::temp_dir().join(format!("wave-token-{}", std::process::id()));
    let job = Job { output: scratch.clone(), ..Job::new(dir) };
    let content = job.run(&mut Silent).map_err(Failure::from).and_then(|packed| {
        let [layer] = &packed.layers[..] else { unreachable!("a folder becomes a layer") };
        Ok((std::fs::read(&layer.path)?, layer.measured))
    });
    // It is a temporary folder of our own; what matters is whether the layer was made.
    let _ = std::fs::remove_dir_all(&scratch);
    let (content, measured) = content?;
    Ok(json!({
        "location": format!("data:{}", base64::engine::general_purpose::STANDARD.encode(content)),
        "gzipDigest": measured.digest,
        "gzipSize": measured.size,
        "tarDigest": measured.diff_id,
    }))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn at<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> Failure {
    move |error| format!("{}: {error}", path.display()).into()
}
