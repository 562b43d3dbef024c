//! `summary.json`: the run in numbers.

use std::collections::BTreeMap;

use check::Verdict;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::caveats::{GeneratorRecord, SilenceRecord};
use super::checks::CheckRecord;
use super::statuses::{BackoffRecord, StatusRecord};
use super::text::decimals;
use super::{Report, Row};
use crate::load::{P50, P90, P99, P99_9, percentile};
use crate::scenario::{Stop, Workload};
use crate::target::clusters::Lost;

/// Raised when a name or a meaning changes.
const SCHEMA: u32 = 3;

/// The content of `summary.json`. Units are last in names.
#[derive(Debug, Serialize)]
pub struct Summary {
    schema: u32,
    verdict: &'static str,
    exit_code: u8,
    interrupted: bool,
    seed: Option<u64>,
    /// Answered operations that ended in the measured window, by its length.
    throughput_per_s: f64,
    measured_s: f64,
    operations: BTreeMap<&'static str, Outcomes>,
    /// What the checks could not see.
    unrecorded: UnrecordedRecord,
    /// Counts by reason.
    rejections: BTreeMap<&'static str, u64>,
    /// Operations without an answer that the contract defines, by gRPC status code and status word.
    statuses: Vec<StatusRecord>,
    /// Operations with a status beyond those in `statuses`.
    other_statuses: u64,
    /// How often customers paused after a failed call, by branch.
    backoffs: Vec<BackoffRecord>,
    /// By kind and of all: answered operations only. `failed` and `unanswered` have their own.
    latency: BTreeMap<&'static str, Latency>,
    /// The longest time without any answer.
    longest_silence: Option<SilenceRecord>,
    generator: GeneratorRecord,
    checks: Vec<CheckRecord>,
    cluster: ClusterRecord,
    workload: WorkloadRecord,
    traces: TracesRecord,
}

#[derive(Debug, Serialize)]
struct UnrecordedRecord {
    left_out: u64,
    lost: u64,
}

#[derive(Debug, Serialize)]
struct Outcomes {
    ok: u64,
    rejected: u64,
    unknown: u64,
}

#[derive(Debug, Serialize)]
struct Latency {
    response: Percentiles,
    service: Percentiles,
}

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
        let micros = |value: u64| super::count_as_f64(value) / 1_000.0;
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

#[derive(Debug, Serialize)]
struct ClusterRecord {
    branches: usize,
    replication: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fanout: Option<&'static str>,
    lock: bool,
    wire: &'static str,
    ack: &'static str,
    read: &'static str,
    opening_balance: i64,
    frames_sent: Option<u64>,
    frames_per_write: Option<f64>,
    /// Branches that were not there to the end.
    lost: Vec<LostRecord>,
}

#[derive(Debug, Serialize)]
struct LostRecord {
    branch: u32,
    how: String,
}

#[derive(Debug, Default, Serialize)]
struct WorkloadRecord {
    kind: &'static str,
    customers: u64,
    /// Threads that performed the operations.
    workers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    events_each: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roam: Option<f64>,
    /// The distribution, as `--think` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think_mean_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct TracesRecord {
    sample_percent: f64,
    kept_traces: usize,
    kept_spans: usize,
    beyond_bound_spans: u64,
}

impl Report {
    /// The run in numbers.
    pub fn summary(&self) -> Summary {
        let kinds = self.rows.iter().filter(|row| row.name != "all");
        let outcomes = |row: &Row| {
            let live = &row.record.live;
            (row.name, Outcomes { ok: live.ok, rejected: live.rejected, unknown: live.unknown })
        };
        let latency = |row: &Row| {
            let response = Percentiles::of(&row.record.response);
            (row.name, Latency { response, service: Percentiles::of(&row.record.service) })
        };
        Summary {
            schema: SCHEMA,
            verdict: self.verdict().name(),
            exit_code: self.exit_code().number(),
            interrupted: self.interrupted,
            seed: self.seed(),
            throughput_per_s: self.throughput_per_s(),
            measured_s: self.measured.window.as_secs_f64(),
            operations: kinds.map(outcomes).collect(),
            unrecorded: UnrecordedRecord {
                left_out: self.unrecorded.left_out,
                lost: self.unrecorded.lost,
            },
            rejections: self.rejections.iter().map(|(why, count)| (why.key(), *count)).collect(),
            statuses: StatusRecord::all(&self.statuses),
            other_statuses: self.statuses.others(),
            backoffs: BackoffRecord::all(&self.backoffs),
            latency: self.rows.iter().chain(&self.failures).map(latency).collect(),
            longest_silence: self.silence_record(),
            generator: self.generator_record(),
            checks: self.judged.checks.iter().map(CheckRecord::of).collect(),
            cluster: ClusterRecord {
                branches: self.cluster.branches,
                replication: self.cluster.replication.clone(),
                fanout: self.fanout(),
                lock: self.locks(),
                wire: self.scenario.wire.name(),
                ack: self.scenario.ack.name(),
                read: self.read().name(),
                opening_balance: self.cluster.opening.minor_units(),
                frames_sent: self.cluster.frames_sent,
                frames_per_write: self.frames_per_write(),
                lost: self.lost_records(),
            },
            workload: self.workload_record(),
            traces: TracesRecord {
                sample_percent: self.scenario.trace_sample.percent(),
                kept_traces: self.traces.traces,
                kept_spans: self.traces.spans,
                beyond_bound_spans: self.traces.beyond_bound,
            },
        }
    }

    fn lost_records(&self) -> Vec<LostRecord> {
        let record = |lost: &Lost| LostRecord { branch: lost.branch.0, how: lost.how.clone() };
        self.cluster.lost.iter().map(record).collect()
    }

    fn workload_record(&self) -> WorkloadRecord {
        let workers = self.measured.generator.workers;
        match &self.scenario.workload {
            Workload::Replay(replay) => WorkloadRecord {
                kind: "replay",
                customers: u64::try_from(replay.input.customers.len()).unwrap_or(u64::MAX),
                workers,
                ..WorkloadRecord::default()
            },
            Workload::Synthetic(synthetic) => {
                let (events_each, duration_s) = match synthetic.stop {
                    Stop::Events(events) => (Some(events), None),
                    Stop::After(duration) => (None, Some(duration.as_secs_f64())),
                };
                WorkloadRecord {
                    kind: "synthetic",
                    customers: synthetic.customers,
                    workers,
                    events_each,
                    duration_s,
                    mix: Some(synthetic.mix.to_string()),
                    roam: Some(synthetic.roam),
                    think: Some(synthetic.think.to_string()),
                    think_mean_s: Some(synthetic.think.mean().as_secs_f64()),
                }
            }
        }
    }
}

/// Whether a verdict asks for attention. A property without evidence does not.
pub(super) fn stands_out(verdict: Verdict) -> bool {
    verdict > Verdict::Pass
}
