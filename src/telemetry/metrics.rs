//! Metrics as plain values, and their encoding for Prometheus.
//!
//! Nothing is counted here: who owns a counter hands out copies when somebody scrapes.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Scrape;

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; its samples end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Latencies or sizes by bucket.
    Histogram,
}

/// A metric's name, help and kind. They live in [`super::names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricName {
    /// Without the suffixes `_total`, `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// What the number means.
    pub kind: MetricKind,
}

/// A value at the instant of the scrape.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a [`MetricKind::Counter`].
    Counter(u64),
    /// Of a [`MetricKind::Gauge`].
    Gauge(i64),
    /// Of a [`MetricKind::Histogram`].
    Histogram(Scrape),
}

/// Label names and values of a series.
pub type Labels = Vec<(&'static str, String)>;

/// A metric with all of its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Which metric.
    pub name: MetricName,
    /// Its series.
    pub series: Vec<(Labels, Value)>,
}

impl Family {
    /// A metric with these series.
    pub fn new(name: MetricName, series: impl IntoIterator<Item = (Labels, Value)>) -> Self {
        Self { name, series: series.into_iter().collect() }
    }

    /// Joins families of the same name, in order of first appearance: each metric is exposed once.
    pub fn join(families: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut joined: Vec<Self> = Vec::new();
        for family in families {
            match joined.iter_mut().find(|other| other.name == family.name) {
                Some(other) => other.series.extend(family.series),
                None => joined.push(family),
            }
        }
        joined
    }
}

#[derive(Debug)]
struct Snapshot(Vec<Family>);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { name, series } in &self.0 {
            let kind = match name.kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(name.name, name.help, None, kind)?;
            for (labels, value) in series {
                encode_value(metric.encode_family(labels)?, value)?;
            }
        }
        Ok(())
    }
}

fn encode_value(mut encoder: MetricEncoder<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Counter(count) => encoder.encode_counter::<NoLabelSet, _, u64>(count, None),
        Value::Gauge(level) => encoder.encode_gauge(level),
        Value::Histogram(Scrape { sum, count, buckets }) => {
            encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
        }
    }
}

/// The families in the `OpenMetrics` text format. Families of the same name are joined.
pub fn encode(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot(Family::join(families))));
    let mut body = String::new();
    text::encode(&mut body, &registry)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Latencies, Sizes, names};
    use super::*;

    #[test]
    fn a_scrape_is_open_metrics_text() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_millis(3));
        let mut sizes = Sizes::default();
        sizes.record(3);
        let labels = |branch: &str| vec![("branch", branch.to_owned())];
        let families = vec![
            Family::new(names::BALANCE, [(labels("1"), Value::Gauge(-5))]),
            Family::new(names::BRANCH_REQUESTS, [(labels("1"), Value::Counter(7))]),
            Family::new(names::FANOUT, [(labels("1"), Value::Histogram(latencies.scrape()))]),
            Family::new(names::BALANCE, [(labels("2"), Value::Gauge(6))]),
            Family::new(names::PUSH_ROWS, [(labels("1"), Value::Histogram(sizes.scrape()))]),
        ];
        let text = encode(families).expect("encoded");
        for line in [
            "passbook_branch_balance{branch=\"1\"} -5",
            "passbook_branch_balance{branch=\"2\"} 6",
            "passbook_branch_requests_total{branch=\"1\"} 7",
            "passbook_branch_fanout_seconds_bucket{le=\"0.002\",branch=\"1\"} 0",
            "passbook_branch_fanout_seconds_bucket{le=\"0.004\",branch=\"1\"} 1",
            "passbook_branch_fanout_seconds_bucket{le=\"+Inf\",branch=\"1\"} 1",
            "passbook_branch_fanout_seconds_count{branch=\"1\"} 1",
            "passbook_branch_push_rows_sum{branch=\"1\"} 3.0",
            "passbook_branch_push_rows_bucket{le=\"2.0\",branch=\"1\"} 0",
            "passbook_branch_push_rows_bucket{le=\"4.0\",branch=\"1\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|other| other == line), "no line {line} in\n{text}");
        }
        assert_eq!(text.matches("# TYPE passbook_branch_balance gauge").count(), 1);
    }
}
