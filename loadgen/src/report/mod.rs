//! What a run came to: for people, for programs, and as an exit code.

mod caveats;
mod checks;
mod comparison;
mod guarantees;
mod line;
mod metrics;
mod statuses;
mod summary;
mod text;
mod waterfall;

use std::num::NonZero;
use std::path::PathBuf;

use bank::Read;
use bank::{Money, Rejection};
use check::{Judged, Verdict};
use exercise::Output;
use history::OperationRecord;
use passbook::telemetry::Kept;
use replication::{Locking, Scheme};

use crate::client::Backoffs;
use crate::load::{KINDS, KindRecord, Measured, Recorder, Statuses};
use crate::record::judge::JudgedRun;
use crate::scenario::{ClusterChoice, Scenario, Workload};
use crate::target::clusters::Lost;

pub use comparison::{SideBySide, SideBySideFigures};
pub use guarantees::render_guarantees;
pub use metrics::families;
pub use summary::Summary;
pub use text::rate;
pub use waterfall::Waterfall;

/// How a process of loadgen ends. The order of the design's list decides where several apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Every promise held.
    Passed,
    /// The run could not be done.
    NotDone,
    /// Bad arguments or input.
    BadInput,
    /// The correctness gate failed.
    Failed,
    /// The verdict is unknown.
    Unknown,
    /// Interrupted, after reporting.
    Interrupted,
}

impl ExitCode {
    /// What a verdict ends a process with.
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Passed,
            Verdict::Unknown | Verdict::NotJudged => Self::Unknown,
            Verdict::Fail => Self::Failed,
        }
    }

    /// The number the shell sees.
    pub const fn number(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::NotDone => 1,
            Self::BadInput => 2,
            Self::Failed => 3,
            Self::Unknown => 5,
            Self::Interrupted => 130,
        }
    }
}

/// Where the artifacts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The run folder.
    pub folder: Option<PathBuf>,
    /// A replay's `output.json`.
    pub output: Option<PathBuf>,
}

/// Counts and latencies of one kind of operation, of all, or of one class of failures.
#[derive(Clone, Debug)]
pub struct Row {
    /// `deposit`, `withdraw`, `query` or `all`; `failed` or `unanswered`.
    pub name: &'static str,
    /// What was recorded.
    pub record: KindRecord,
}

#[derive(Clone, Copy, Debug)]
struct TraceCounts {
    traces: usize,
    spans: usize,
    beyond_bound: u64,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    scenario: Scenario,
    measured: Measured,
    /// How many cores the process may use, where that is known.
    cores_available: Option<usize>,
    /// By kind, then all together. Their latencies are those of answered operations.
    rows: Vec<Row>,
    /// Operations that failed and that were never answered. They are counted in `rows` as well.
    failures: Vec<Row>,
    /// Answered operations that ended in the measured window.
    answered_in_window: u64,
    /// The first operations whose outcome is unknown.
    first_unknown: Vec<OperationRecord<'static>>,
    statuses: Statuses,
    backoffs: Backoffs,
    /// How many operations were rejected, by reason.
    rejections: Vec<(Rejection, u64)>,
    judged: JudgedRun,
    unrecorded: Unrecorded,
    waterfall: Option<Waterfall>,
    traces: TraceCounts,
    cluster: ClusterFacts,
    interrupted: bool,
    output: Output,
    files: Files,
    record_error: Option<String>,
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
    /// known of branches that do not tell.
    pub frames_sent: Option<u64>,
    /// Those that were not there to the end.
    pub lost: Vec<Lost>,
}

/// Operations that the gate could not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unrecorded {
    /// They were left out on purpose.
    pub left_out: u64,
    /// The disk was too slow for them.
    pub lost: u64,
}

/// Everything a run brought home.
#[derive(Debug)]
pub struct Results<'a> {
    /// What was measured.
    pub recorder: &'a Recorder,
    /// The measured window.
    pub measured: Measured,
    /// What the gate found.
    pub judged: JudgedRun,
    /// What it could not see.
    pub unrecorded: Unrecorded,
    /// The traces.
    pub kept: &'a Kept,
    /// The branches.
    pub cluster: ClusterFacts,
    /// Whether it was ended early.
    pub interrupted: bool,
    /// What every customer received.
    pub output: Output,
}

impl Report {
    /// What the results of `scenario` come to.
    pub fn new(scenario: &Scenario, results: Results<'_>) -> Self {
        let Results { recorder, measured, judged, unrecorded, kept, .. } = results;
        let Results { cluster, interrupted, output, .. } = results;
        let kinds =
            KINDS.map(|kind| Row { name: kind.name(), record: recorder.kind(kind).clone() });
        let mut rows = Vec::from(kinds);
        rows.push(Row { name: "all", record: recorder.all() });
        let failures = recorder.failures();
        let failures =
            failures.map(|(class, record)| Row { name: class.name(), record: record.clone() });
        Self {
            scenario: scenario.clone(),
            measured,
            cores_available: std::thread::available_parallelism().ok().map(NonZero::get),
            rows,
            failures: failures.collect(),
            answered_in_window: recorder.answered_in_window(),
            first_unknown: recorder.first_unknown().to_vec(),
            statuses: recorder.statuses().clone(),
            backoffs: recorder.backoffs().clone(),
            rejections: recorder.rejections().filter(|(_, count)| *count > 0).collect(),
            judged,
            unrecorded,
            waterfall: Waterfall::slowest_write(&kept.traces),
            traces: TraceCounts {
                traces: kept.traces.len(),
                spans: kept.spans(),
                beyond_bound: kept.beyond_bound,
            },
            cluster,
            interrupted,
            output,
            files: Files::default(),
            record_error: None,
        }
    }

    /// With its artifacts where `files` says.
    #[must_use]
    pub fn with_files(mut self, files: Files) -> Self {
        self.files = files;
        self
    }

    /// As a run whose record could not be written or kept, for the reason that `error` says.
    #[must_use]
    pub fn with_record_error(mut self, error: String) -> Self {
        self.record_error = Some(error);
        self
    }

    /// Why the record of the run is not on disk, and what is there instead; `None` if it is.
    pub fn record_error(&self) -> Option<&str> {
        self.record_error.as_deref()
    }

    /// The worst verdict on what was promised; of a bank that has lost a branch not everything is known.
    pub fn verdict(&self) -> Verdict {
        let at_best = if self.cluster.lost.is_empty() { Verdict::Pass } else { Verdict::Unknown };
        self.judged.verdict().max(at_best)
    }

    /// Whether operations were not recorded because that was asked for, and nothing else keeps the verdict from
    /// being known: what was recorded is not wrong, and the rest was not looked at. A run in which nothing was answered is
    /// not one that was merely left unchecked.
    pub fn is_unchecked(&self) -> bool {
        let is_answered = self.answered() > 0 && self.record_error.is_none();
        self.verdict() == Verdict::Unknown
            && is_answered
            && self.unrecorded.left_out > 0
            && self.unrecorded.lost == 0
            && self.cluster.lost.is_empty()
    }

    /// The verdict in a word.
    fn verdict_name(&self) -> &'static str {
        if self.is_unchecked() { "unchecked" } else { self.verdict().name() }
    }

    /// Whether the run ended before its workload did: it was interrupted, or could not be recorded.
    fn is_early(&self) -> bool {
        self.interrupted || self.record_error.is_some()
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

    /// What every customer received.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Every property that was looked at.
    pub fn checks(&self) -> &[Judged] {
        &self.judged.checks
    }

    /// Answered operations that ended in the measured window, per second of it.
    pub fn throughput_per_s(&self) -> f64 {
        let seconds = self.measured.window.as_secs_f64();
        if seconds > 0.0 { count_as_f64(self.answered_in_window) / seconds } else { 0.0 }
    }

    /// Answered operations, also those that ended after the measured window.
    fn answered(&self) -> u64 {
        self.rows.last().map_or(0, |all| all.record.response.len())
    }

    /// Messages between branches for each accepted write. Not known where branches do not tell, or nothing was
    /// written.
    pub fn frames_per_write(&self) -> Option<f64> {
        let writes = self.rows.iter().filter(|row| ["deposit", "withdraw"].contains(&row.name));
        let accepted = writes.map(|row| row.record.live.ok).sum();
        let sent = self.cluster.frames_sent.filter(|_| accepted > 0)?;
        Some(count_as_f64(sent) / count_as_f64(accepted))
    }

    /// Known only of a cluster that was started for the run.
    fn fanout(&self) -> Option<&'static str> {
        match &self.scenario.cluster {
            ClusterChoice::Embedded(Scheme::Broadcast { fanout, .. })
            | ClusterChoice::Processes(Scheme::Broadcast { fanout, .. }) => Some(fanout.name()),
            ClusterChoice::Embedded(Scheme::Passbook)
            | ClusterChoice::Processes(Scheme::Passbook)
            | ClusterChoice::Running { .. } => None,
        }
    }

    /// What queries were answered from.
    fn read(&self) -> Read {
        self.judged.header.settings.read
    }

    /// Whether the run's own cluster locks.
    fn locks(&self) -> bool {
        let locked = Locking::UntilPropagated;
        match &self.scenario.cluster {
            ClusterChoice::Embedded(Scheme::Broadcast { locking, .. })
            | ClusterChoice::Processes(Scheme::Broadcast { locking, .. }) => *locking == locked,
            ClusterChoice::Embedded(Scheme::Passbook)
            | ClusterChoice::Processes(Scheme::Passbook)
            | ClusterChoice::Running { .. } => false,
        }
    }

    fn seed(&self) -> Option<u64> {
        match &self.scenario.workload {
            Workload::Synthetic(synthetic) => Some(synthetic.seed),
            Workload::Replay(_) => None,
        }
    }
}

/// For rates only: beyond 2^53 the last digits are rounded.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a rate needs no more digits than a float has"
)]
fn count_as_f64(count: u64) -> f64 {
    count as f64
}
