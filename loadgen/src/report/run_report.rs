//! The value that a run comes to.

use std::path::PathBuf;
use std::sync::Arc;

use bank::{Money, OperationKind, Read};
use check::{Judged, Verdict};
use exercise::Output;
use passbook::telemetry::Kept;
use replication::{Locking, Scheme};
use serde::Serialize;

use super::{ExitCode, Waterfall};
use crate::load::{KINDS, KindRecord, Measured, Recorder};
use crate::record::judge::JudgedRun;
use crate::scenario::Scenario;
use crate::target::LostBranch;

/// Where the artifacts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The run folder.
    pub folder: Option<PathBuf>,
    /// A replay's `output.json`.
    pub output: Option<PathBuf>,
}

/// How many traces were kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceCounts {
    pub(super) traces: usize,
    pub(super) spans: usize,
    pub(super) beyond_bound: u64,
}

impl TraceCounts {
    /// The counts of `kept`.
    pub fn of(kept: &Kept) -> Self {
        let (traces, spans) = (kept.traces.len(), kept.spans());
        Self { traces, spans, beyond_bound: kept.beyond_bound }
    }
}

/// What a run learned of its branches.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// How many there are.
    pub branches: usize,
    /// What every branch held at the start.
    pub opening: Money,
    /// The name of the replication scheme.
    pub replication: String,
    /// How many messages they sent each other for the run, from the first operation until all had settled. Not
    /// known of branches that do not count.
    pub frames_sent: Option<u64>,
    /// Those that were not there to the end.
    pub lost: Vec<LostBranch>,
}

/// Operations that the gate could not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unrecorded {
    /// They were left out on purpose.
    pub left_out: u64,
    /// The disk was too slow for them.
    pub lost: u64,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct RunReport {
    pub(crate) scenario: Arc<Scenario>,
    /// The operations of each kind, failures among them.
    pub(crate) recorder: Recorder,
    /// All kinds together. Its latencies are those of answered operations.
    pub(crate) all: KindRecord,
    pub(crate) measured: Measured,
    /// How many cores the process may use, where that is known.
    pub(crate) cores_available: Option<usize>,
    /// What the gate found.
    pub(crate) judged: JudgedRun,
    /// What the gate could not see.
    pub(crate) unrecorded: Unrecorded,
    /// The slowest traced write.
    pub(crate) waterfall: Option<Waterfall>,
    pub(crate) traces: TraceCounts,
    pub(crate) cluster: ClusterFacts,
    /// Whether somebody ended the run early.
    pub(crate) interrupted: bool,
    /// What every customer received, if it was to be kept.
    pub(crate) output: Output,
    pub(crate) files: Files,
    /// Why the record of the run is not on disk, and what is there instead; `None` if it is.
    pub(crate) record_error: Option<String>,
}

impl RunReport {
    /// Why the record of the run is not on disk, and what is there instead; `None` if it is.
    pub fn record_error(&self) -> Option<&str> {
        self.record_error.as_deref()
    }

    /// What every customer received.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Every property that was examined.
    pub fn checks(&self) -> &[Judged] {
        &self.judged.checks
    }

    /// The worst verdict on what was promised; of a bank that has lost a branch not everything is known.
    pub fn verdict(&self) -> Verdict {
        let at_best = if self.cluster.lost.is_empty() { Verdict::Pass } else { Verdict::Unknown };
        self.judged.verdict().max(at_best)
    }

    /// Whether operations were not recorded because that was asked for, and nothing else keeps the verdict from
    /// being known: what was recorded is not wrong, and the rest was not examined. A run in which nothing was answered
    /// is not one that was merely left unchecked.
    pub fn is_unchecked(&self) -> bool {
        let is_answered = self.answered() > 0 && self.record_error.is_none();
        self.verdict() == Verdict::Unknown
            && is_answered
            && self.unrecorded.left_out > 0
            && self.unrecorded.lost == 0
            && self.cluster.lost.is_empty()
    }

    /// The verdict in a word.
    pub(super) fn verdict_name(&self) -> &'static str {
        if self.is_unchecked() { "unchecked" } else { self.verdict().name() }
    }

    /// What stands after a verdict if the run ended before its workload did: it was interrupted, or could not be
    /// recorded.
    pub(super) fn early_text(&self) -> &'static str {
        if self.interrupted || self.record_error.is_some() { ", ended early" } else { "" }
    }

    /// What the process is to end with.
    pub fn exit_code(&self) -> ExitCode {
        if self.record_error.is_some() {
            return ExitCode::NotDone;
        }
        let unchecked_ok = self.scenario.unchecked_ok && self.is_unchecked();
        match ExitCode::of(if unchecked_ok { Verdict::Pass } else { self.verdict() }) {
            ExitCode::Passed if self.interrupted => ExitCode::Interrupted,
            // Nothing is wrong with a run that was ended before the first operation.
            ExitCode::Unknown if self.interrupted && self.is_empty() => ExitCode::Interrupted,
            code => code,
        }
    }

    /// Whether no operation was sent, although all were to be recorded.
    fn is_empty(&self) -> bool {
        self.judged.operations == 0 && self.judged.is_whole && self.cluster.lost.is_empty()
    }

    /// Answered operations that ended in the measured window, per second of it.
    pub fn throughput_per_s(&self) -> f64 {
        let seconds = self.measured.window.as_secs_f64();
        let answered = count_as_f64(self.recorder.answered_in_window());
        if seconds > 0.0 { answered / seconds } else { 0.0 }
    }

    /// Answered operations, also those that ended after the measured window.
    pub(super) fn answered(&self) -> u64 {
        self.all.response.len()
    }

    /// Messages between branches for each accepted write. Not known where branches do not count, or nothing was
    /// written.
    pub fn frames_per_write(&self) -> Option<f64> {
        let writes = [OperationKind::Deposit, OperationKind::Withdraw];
        let accepted = writes.map(|kind| self.recorder.kind(kind).live.ok).iter().sum();
        let sent = self.cluster.frames_sent.filter(|_| accepted > 0)?;
        Some(count_as_f64(sent) / count_as_f64(accepted))
    }

    /// The kinds of operations, all together, and the classes of failures, each with its name.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'static str, &KindRecord)> {
        let kinds = KINDS.into_iter().map(|kind| (kind.name(), self.recorder.kind(kind)));
        let failures = self.recorder.failures().map(|(class, record)| (class.name(), record));
        kinds.chain([("all", &self.all)]).chain(failures)
    }

    /// In which order branches send writes; `None` where the scheme has no order, or is not known.
    pub(super) fn fanout(&self) -> Option<&'static str> {
        match self.scenario.cluster.scheme()? {
            Scheme::Broadcast { fanout, .. } => Some(fanout.name()),
            Scheme::Passbook => None,
        }
    }

    /// Whether the run's own cluster locks.
    pub(super) fn locks(&self) -> bool {
        let scheme = self.scenario.cluster.scheme();
        matches!(scheme, Some(Scheme::Broadcast { locking: Locking::UntilPropagated, .. }))
    }

    /// What queries were answered from.
    pub(super) const fn read(&self) -> Read {
        self.judged.header.settings.read
    }

    pub(super) fn seed(&self) -> Option<u64> {
        self.scenario.workload.seed()
    }
}

/// For rates only: beyond 2^53 the last digits are rounded.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a rate needs no more digits than a float has"
)]
pub(super) const fn count_as_f64(count: u64) -> f64 {
    count as f64
}
