//! Stage two: a configuration valid by construction, one function for each section.

mod access;
mod blobs;
mod cross;
mod registries;
mod server;
mod store;
mod upstream;

use super::keys::Key;
use super::reader::Reader;
use super::relaxed::Slot;
use super::{Config, Log, LogFormat};
use tracing_subscriber::EnvFilter;
use url::Url;

/// The rows of all sections, in the order of the README.
pub(super) static SECTIONS: [&[Key]; 7] =
    [&server::KEYS, &access::KEYS, &registries::KEYS, &store::KEYS, &blobs::KEYS, &upstream::KEYS, &LOG];

static LOG: [Key; 3] = [
    Key::new(
        "wave.log.level",
        "info",
        "what is logged: a level, or a filter such as `wave_registry=debug,warn`",
    ),
    Key::new("wave.log.format", "text", "`text` for people, `json` for collectors"),
    Key::new("wave.log.access", "true", "one line for each request"),
];

/// The configuration; problems and notes pile up in the reader.
pub(super) fn config(read: &mut Reader) -> Config {
    let config = Config {
        server: server::server(read),
        admin: server::admin(read),
        data_dir: store::data_dir(read),
        layer_path: store::layer_path(read),
        allow_anonymous: read.value("wave.allow-anonymous", super::units::truth),
        allow_private_layers: read.value("wave.allow-private-layers", super::units::truth),
        accounts: access::accounts(read),
        registries: registries::registries(read),
        tokens: store::tokens(read),
        cache: store::cache(read),
        blob_cache: blobs::blob_cache(read),
        upstream: upstream::upstream(read),
        rate: access::rate(read),
        platform: read.optional(&Slot::of("tower.api.endpoint"), base_url),
        log: log(read),
    };
    cross::check(&config, read);
    config
}

fn log(read: &mut Reader) -> Log {
    Log {
        level: read.value("wave.log.level", log_level),
        format: read.value("wave.log.format", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("is neither text nor json".into()),
        }),
        access: read.value("wave.log.access", super::units::truth),
    }
}

/// A log filter; the command line takes the same.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_string()),
        _ => Err("is not a log level such as info or wave_registry=debug".into()),
    }
}

/// `http://` or `https://`, any path, no user and no query.
fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("is not an http:// or https:// URL".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or fragment".into());
    }
    Ok(url)
}

/// As [`base_url`], without a path.
pub(super) fn origin_url(text: &str) -> Result<Url, String> {
    base_url(text)
        .and_then(|url| if url.path() == "/" { Ok(url) } else { Err("must not have a path".into()) })
}

/// A forward proxy: `http://[user:password@]host:port`; the scheme may be left out, as in `HTTPS_PROXY`.
fn proxy_url(text: &str) -> Result<Url, String> {
    let text = if text.contains("://") { text.to_string() } else { format!("http://{text}") };
    let url = Url::parse(&text).map_err(|error| format!("is not a URL: {error}"))?;
    if url.scheme() != "http" || !url.has_host() || url.path() != "/" || url.query().is_some() {
        return Err("is not a forward proxy such as http://proxy:3128".into());
    }
    Ok(url)
}
