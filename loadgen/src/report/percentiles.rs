//! Percentiles of a latency, as numbers and as columns.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::numbers::decimals;
use super::run_report::count_as_f64;
use crate::load::{P50, P90, P99, P99_9, percentile};

/// A value is `None` where the sample is too small for it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50_us: Option<f64>,
    pub(super) p90_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
    pub(super) p999_us: Option<f64>,
    pub(super) max_us: Option<f64>,
    pub(super) count: u64,
}

impl Percentiles {
    pub(super) fn of(nanoseconds: &Histogram<u64>) -> Self {
        let micros = |value: u64| count_as_f64(value) / 1_000.0;
        let at = |tenths| percentile(nanoseconds, tenths).map(micros);
        Self {
            p50_us: at(P50),
            p90_us: at(P90),
            p99_us: at(P99),
            p999_us: at(P99_9),
            max_us: (!nanoseconds.is_empty()).then(|| micros(nanoseconds.max())),
            count: nanoseconds.len(),
        }
    }

    /// The heads of [`Self::columns`].
    pub(super) fn heads() -> String {
        ["p50", "p90", "p99", "p99.9", "max"].map(|head| format!("{head:>10}")).concat()
    }

    /// Five columns of ten characters, in milliseconds; `–` where the sample is too small.
    pub(super) fn columns(&self) -> String {
        let values = [self.p50_us, self.p90_us, self.p99_us, self.p999_us, self.max_us];
        let column = |micros: Option<f64>| {
            let text = micros.map(|micros| micros / 1_000.0);
            let text = text.map(|value| decimals(value, if value < 10_000.0 { 3 } else { 1 }));
            format!("{:>10}", text.as_deref().unwrap_or("–"))
        };
        values.map(column).concat()
    }
}
