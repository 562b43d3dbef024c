//! `summary.json`: the run in numbers. Units are last in names.

use std::collections::BTreeMap;
use std::time::Duration;

use bank::CustomerId;
use check::{Judged, Named, Violation};
use serde::Serialize;
use serde_json::{Value, json};

use super::percentiles::Percentiles;
use super::{RunReport, Unrecorded};
use crate::client::BackoffCount;
use crate::load::{KINDS, Silence, StatusCount};
use crate::scenario::{ClusterChoice, Scenario, Workload};

/// Raised when a name or a meaning changes.
const SCHEMA: u32 = 3;

/// The content of `summary.json`.
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    schema: u32,
    verdict: &'static str,
    exit_code: u8,
    interrupted: bool,
    seed: Option<u64>,
    /// Answered operations that ended in the measured window, by its length.
    throughput_per_s: f64,
    measured_s: f64,
    /// Counts of outcomes by kind.
    operations: BTreeMap<&'static str, Value>,
    /// What the checks could not see.
    unrecorded: Unrecorded,
    /// Counts by reason.
    rejections: BTreeMap<&'static str, u64>,
    /// Operations without an answer that the contract defines, by gRPC status code and status word.
    statuses: Vec<Value>,
    /// Operations with a status beyond those in `statuses`.
    other_statuses: u64,
    /// How often customers paused after a failed call, by branch.
    backoffs: Vec<&'a BackoffCount>,
    /// By kind and of all: answered operations only. `failed` and `unanswered` have their own.
    latency: BTreeMap<&'static str, Value>,
    /// The longest time without any answer.
    longest_silence: Option<Value>,
    generator: Value,
    checks: Vec<Value>,
    cluster: Value,
    workload: &'a Workload,
    /// What the run was set to besides its workload.
    settings: &'a Scenario,
    traces: Value,
}

impl RunReport {
    /// The content of `summary.json`.
    pub fn summary(&self) -> Summary<'_> {
        let Self { recorder, measured, traces, scenario, .. } = self;
        let load = &measured.generator;
        let latency = self.rows().map(|(name, record)| {
            let (response, service) = (&record.response, &record.service);
            let [response, service] = [response, service].map(Percentiles::of);
            (name, json!({"response": response, "service": service}))
        });
        let outcomes = KINDS.map(|kind| {
            let live = &recorder.kind(kind).live;
            let counts = json!({"ok": live.ok, "rejected": live.rejected, "unknown": live.unknown});
            (kind.name(), counts)
        });
        let rejections = recorder.rejections().filter(|(_, count)| *count > 0);
        Summary {
            schema: SCHEMA,
            verdict: self.verdict().name(),
            exit_code: self.exit_code().number(),
            interrupted: self.interrupted,
            seed: self.seed(),
            throughput_per_s: self.throughput_per_s(),
            measured_s: measured.window.as_secs_f64(),
            operations: BTreeMap::from(outcomes),
            unrecorded: self.unrecorded,
            rejections: rejections.map(|(reason, count)| (reason.key(), count)).collect(),
            statuses: recorder.statuses().counts().iter().map(status).collect(),
            other_statuses: recorder.statuses().others(),
            backoffs: recorder.backoffs().counts().collect(),
            latency: latency.collect(),
            longest_silence: measured.silence.as_ref().map(silence),
            generator: json!({
                "workers": load.workers,
                "cpu_cores": load.cores(),
                "cores_available": self.cores_available,
                // Embedded branches run in this process.
                "includes_branches": matches!(scenario.cluster, ClusterChoice::Embedded(_)),
                "longest_pause_ms": milliseconds(load.longest_pause),
            }),
            checks: self.checks().iter().map(check).collect(),
            cluster: cluster(self),
            workload: &scenario.workload,
            settings: scenario,
            traces: json!({
                "sample_percent": scenario.trace_sample.percent(),
                "kept_traces": traces.traces,
                "kept_spans": traces.spans,
                "beyond_bound_spans": traces.beyond_bound,
            }),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn cluster(report: &RunReport) -> Value {
    let facts = &report.cluster;
    let mut cluster = json!({
        "branches": facts.branches,
        "replication": facts.replication,
        "lock": report.locks(),
        "wire": report.scenario.wire.name(),
        "ack": report.scenario.ack,
        // What it comes to under the scheme of the run.
        "read": report.read(),
        "opening_balance": facts.opening.minor_units(),
        "frames_sent": facts.frames_sent,
        "frames_per_write": report.frames_per_write(),
        // Branches that were not there to the end.
        "lost": facts.lost,
    });
    if let Some(fanout) = report.fanout() {
        cluster["fanout"] = json!(fanout);
    }
    cluster
}

fn status(StatusCount { code, first, count }: &StatusCount) -> Value {
    let mut status = json!({"code": code.name(), "count": count, "first_message": first.message});
    if let Some(undefined) = &first.word {
        status["status"] = json!(undefined.word);
        status["expected"] = json!(undefined.expected);
    }
    status
}

/// `in_flight` is by branch, when the first call was given up; empty if none was.
pub(super) fn silence(silence: &Silence) -> Value {
    let in_flight = silence.in_flight.iter().map(|(branch, calls)| (branch.0, *calls));
    json!({
        "from_s": silence.from.as_secs_f64(),
        "lasted_ms": milliseconds(silence.lasted),
        "ended_by_answer": silence.ended_by_answer,
        "in_flight": in_flight.collect::<BTreeMap<_, _>>(),
    })
}

fn check(Judged { finding, promised }: &Judged) -> Value {
    let operation = |Named { customer: CustomerId(customer), position, trace, .. }: &Named| {
        let mut operation = json!({"customer": customer, "event": position});
        if let Some(trace) = trace {
            operation["trace_id"] = json!(format!("{trace:032x}"));
        }
        operation
    };
    // The operation that cannot be is the first.
    let violation = |Violation { description: story, operations }: &Violation| {
        let operations: Vec<Value> = operations.iter().map(operation).collect();
        json!({"story": story, "operations": operations})
    };
    json!({
        "property": finding.property.name(),
        "promised": promised,
        "verdict": finding.verdict.name(),
        "violations": finding.violations_total,
        "note": finding.note,
        "first_violations": finding.violations.iter().map(violation).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use check::{Finding, Property, Verdict};

    use super::*;

    #[test]
    fn check_names_every_operation_with_its_trace() {
        let named = Named { customer: CustomerId(7), position: 9, trace: Some(0xabc), place: 0 };
        let violation = Violation { operations: vec![named], description: "held -3".to_owned() };
        let finding = Finding {
            property: Property::Overdraft,
            verdict: Verdict::Fail,
            violations: vec![violation],
            violations_total: 1,
            note: "lowest balance -3".to_owned(),
        };
        let expected = json!({
            "property": "overdraft",
            "promised": true,
            "verdict": "fail",
            "violations": 1,
            "note": "lowest balance -3",
            "first_violations": [{
                "story": "held -3",
                "operations": [{
                    "customer": 7,
                    "event": 9,
                    "trace_id": "00000000000000000000000000000abc",
                }],
            }],
        });
        assert_eq!(check(&Judged { finding, promised: true }), expected);
    }
}
