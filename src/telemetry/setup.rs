//! Installing the log and the metrics, once, at start.

use super::fields::Fields;
use super::{Lossy, names};
use crate::config::{Log, LogFormat};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt as lines, reload};

/// What is installed.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Which lines are logged.
    pub level: Level,
    /// What `/metrics` prints.
    pub metrics: Metrics,
    /// The log's writer, to be flushed at the end.
    pub log: Lossy,
}

/// The filter of the log, which can be changed while the process runs.
#[derive(Clone, Debug)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

/// The metrics of the process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// A text that is no filter.
#[derive(Debug)]
pub struct InvalidLevel(String);

/// How often histograms are folded when nobody asks for them.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the subscriber, which writes to standard error, and the recorder. Fails when `level` is no
/// filter, when no thread can be started, or when this was done before.
pub fn install(log: &Log) -> io::Result<Telemetry> {
    let (filter, level) =
        Level::parse(&log.level).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
    let writer = Lossy::start(io::stderr())?;
    let layer = lines::layer().with_writer(writer.clone());
    let layer = match log.format {
        LogFormat::Text => layer.with_ansi(io::stderr().is_terminal()).fmt_fields(Fields).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer).try_init().map_err(io::Error::other)?;
    let recorder = PrometheusBuilder::new().set_buckets(names::BUCKETS).map_err(io::Error::other)?;
    let metrics = Metrics::new(recorder.install_recorder().map_err(io::Error::other)?);
    names::describe();
    Ok(Telemetry { level, metrics, log: writer })
}

impl Level {
    /// A filter such as `info` or `info,wave_registry::net=debug`, and the handle that replaces it.
    pub fn parse(text: &str) -> Result<(reload::Layer<EnvFilter, Registry>, Level), InvalidLevel> {
        let (layer, handle) = reload::Layer::new(filter(text)?);
        Ok((layer, Level(handle)))
    }

    /// Replaces the filter.
    pub fn set(&self, text: &str) -> Result<(), InvalidLevel> {
        let filter = filter(text)?;
        self.0.reload(filter).map_err(|gone| InvalidLevel(gone.to_string()))
    }

    /// The filter as text.
    pub fn current(&self) -> String {
        self.0.with_current(EnvFilter::to_string).unwrap_or_default()
    }
}

impl Metrics {
    /// The metrics behind `handle`.
    pub fn new(handle: PrometheusHandle) -> Metrics {
        Metrics(handle)
    }

    /// All metrics in the Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what the histograms have collected, for ever: without it they would grow until somebody scrapes.
    pub async fn upkeep(&self) -> std::convert::Infallible {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }
}

/// An empty text would log nothing at all, which nobody means.
fn filter(text: &str) -> Result<EnvFilter, InvalidLevel> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidLevel("the filter is empty".into()));
    }
    EnvFilter::builder().parse(text).map_err(|why| InvalidLevel(why.to_string()))
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl fmt::Display for InvalidLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a log filter: {}", self.0)
    }
}

impl std::error::Error for InvalidLevel {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_changes_while_we_run() {
        let (filter, level) = Level::parse("info").unwrap();
        let subscriber = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(subscriber, || {
            assert!(!tracing::enabled!(tracing::Level::DEBUG));
            level.set("warn,wave_registry=debug").unwrap();
            assert!(tracing::enabled!(tracing::Level::DEBUG));
            for bad in ["", "wave_registry=loud", "="] {
                assert!(level.set(bad).is_err(), "{bad}");
            }
            assert!(level.current().contains("wave_registry=debug"));
        });
    }

    #[test]
    fn histograms_have_our_buckets() {
        let recorder = PrometheusBuilder::new().set_buckets(names::BUCKETS).unwrap().build_recorder();
        let metrics = Metrics::new(recorder.handle());
        metrics::with_local_recorder(&recorder, || {
            names::describe();
            metrics::histogram!(names::REQUEST_HEAD, "kind" => "blob").record(0.003);
        });
        let text = metrics.render();
        assert!(text.contains("wave_request_head_seconds_bucket{kind=\"blob\",le=\"0.005\"} 1"), "{text}");
        assert!(text.contains("# HELP wave_request_head_seconds Time from"), "{text}");
    }
}
