//! Metrics of one test alone.

use super::Metrics;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

/// A recorder to install with `metrics::set_default_local_recorder` on a current-thread runtime.
pub(crate) fn recorder() -> (PrometheusRecorder, Metrics) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = Metrics::new(recorder.handle());
    (recorder, metrics)
}

/// The value of the series whose name is `name` and whose labels include all of `labels`; 0 when there is
/// none.
pub(crate) fn value(metrics: &Metrics, name: &str, labels: &[(&str, &str)]) -> f64 {
    let text = metrics.render();
    let of_series = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let rest = series.strip_prefix(name)?;
        let labelled = (rest.is_empty() || rest.starts_with('{'))
            && labels.iter().all(|(key, value)| rest.contains(&format!("{key}=\"{value}\"")));
        labelled.then(|| value.parse::<f64>().expect("a number"))
    };
    text.lines().filter_map(of_series).sum()
}
