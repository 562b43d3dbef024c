//! A run from its first connection to its report.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bank::{BranchId, Money};
use exercise::{Notation, Output, Shape, replace, write_input, write_json, write_output};
use history::{BranchOrigin, Customers, ErrorLimit, FinalState, Header, History, ReferenceModel};
use passbook::cluster::MakeReplica;
use passbook::telemetry::{KeptTrace, Tracing};
use thiserror::Error;
use tokio::time::interval;

use crate::interrupt::Interrupt;
use crate::load::{
    LoadError, LoadProgress, LoadRecord, Measured, Phase, ProgressReader, WorkerSettings, Workers,
    customers_at_once, schedules, worker_count,
};
use crate::metrics::MetricsServer;
use crate::record::judge::{JudgeError, JudgedRun, judge_folder};
use crate::record::run_folder::{
    ArtifactError, HISTORY, INPUT, LEDGER, OUTPUT, RunFolder, SUMMARY, TRACES,
};
use crate::record::{Answers, Ledgers, LedgersError, Logged, OperationSpool, asked};
use crate::report::{ClusterFacts, Files, RunReport, TraceCounts, Unrecorded, Waterfall};
use crate::scenario::{
    ClusterChoice, Recording, Replay, ReplayOrder, Scenario, Synthetic, Wire, Workload,
};
use crate::target::{LostBranch, SETTLE_LIMIT, SettleOutcome, Target, TargetError};

/// Between two signs of life.
const PROGRESS: Duration = Duration::from_secs(1);
/// Waiting for an answer ends by the operation's own deadline; this is for what comes on top.
const SLACK: Duration = Duration::from_secs(5);

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Which of several schemes is at work; none where there is one run only.
    pub scheme: Option<&'static str>,
    /// What it is doing.
    pub phase: Phase,
    /// How long the phase takes at most; `None` where that is not known.
    pub limit: Option<Duration>,
    /// Whether somebody asked for the end.
    pub interrupted: bool,
    /// The addresses that `--wait` waits for and for how long, when they turn out to be unreachable.
    pub waiting: Option<String>,
    /// How far the customers are.
    pub load: LoadProgress,
}

/// What a run needs from outside.
pub struct Hooks<'a> {
    /// Is told about once a second how far the run is.
    pub progress: &'a mut dyn FnMut(&Progress),
    /// Ends the run early.
    pub interrupt: Interrupt,
    /// Shows the run while it lasts.
    pub metrics: Option<&'a MetricsServer>,
    /// Tracing, if it is installed in this process.
    pub tracing: Option<&'a Tracing>,
    /// Makes replicas of an embedded cluster instead of the scheme's. For tests that need a wrong one.
    pub replica: Option<MakeReplica>,
}

impl fmt::Debug for Hooks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// The run could not be done.
#[derive(Debug, Error)]
pub enum RunError {
    /// The branches cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Operations could not be performed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It was one of several.
    #[error("under {scheme}: {cause}")]
    Under {
        /// The name of the scheme.
        scheme: &'static str,
        /// Why.
        cause: Box<RunError>,
    },
    /// Somebody ended the run before customers began.
    #[error("interrupted before customers began")]
    Interrupted,
    /// Branches' logs could not be recorded.
    #[error(transparent)]
    Ledgers(#[from] LedgersError),
    /// Artifacts could not be written.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// What was written could not be read back.
    #[error(transparent)]
    Judge(#[from] JudgeError),
}

/// What the branches and the customers gave.
struct LoadOutcome {
    target: Target,
    record: LoadRecord,
    measured: Measured,
    settled: SettleOutcome,
    logged: Logged,
    /// What branches sent each other for it.
    frames_sent: Option<u64>,
}

/// What was written into the run folder, and found there.
struct WrittenRecord {
    judged: JudgedRun,
    unrecorded: Unrecorded,
    output: Output,
}

/// Performs `scenario`, judges it and writes its artifacts. Blocks; not to be called from a runtime. If the artifacts
/// cannot be written, the report has what was measured, and [`RunReport::record_error`].
///
/// # Errors
/// The run cannot be done, or cannot be finished.
pub fn run(scenario: &Scenario, hooks: Hooks<'_>) -> Result<RunReport, RunError> {
    let scenario = &Arc::new(scenario.clone());
    // Before anything is started: an --out that cannot be written must not cost a run. The gate reads from disk
    // also where nothing is to be kept.
    let folder = match &scenario.out {
        Some(out) => RunFolder::begin(out)?,
        None => RunFolder::temporary()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(LoadError::Thread)?;
    let (interrupt, tracing) = (hooks.interrupt.clone(), hooks.tracing);
    let LoadOutcome { target, record, measured, settled, logged, frames_sent } =
        runtime.block_on(perform(scenario, &folder, hooks))?;
    // The connections of this thread end with its runtime; branches would wait for them otherwise.
    drop(runtime);
    // A signal from here on finds the run done.
    let interrupted = interrupt.is_raised();
    let (ids, opening) = (target.ids(), target.opening());
    let replication = target.replication().to_owned();
    let lost = target.end(&settled, &interrupt)?;
    let error_limit = error_limit(scenario, &lost, &interrupt);
    let header = header(scenario, &replication, &ids, opening, &logged, error_limit);
    let LoadRecord { recorder, operations } = record;
    let kept = tracing.map(Tracing::take_kept).unwrap_or_default();
    let (finals, traces) = (&settled.finals, &kept.traces);
    let recorded = write_record(scenario, &folder, &header, operations, logged, finals, traces);
    let (recorded, error) = match recorded {
        Ok(recorded) => (recorded, None),
        Err(error) => (WrittenRecord::nothing(header), Some(error)),
    };
    let WrittenRecord { judged, unrecorded, output } = recorded;
    let mut report = RunReport {
        scenario: Arc::clone(scenario),
        all: recorder.all(),
        recorder,
        measured,
        cores_available: std::thread::available_parallelism().ok().map(NonZero::get),
        judged,
        unrecorded,
        waterfall: Waterfall::slowest_write(&kept.traces),
        traces: TraceCounts::of(&kept),
        cluster: ClusterFacts { branches: ids.len(), opening, replication, frames_sent, lost },
        interrupted,
        output,
        files: Files::default(),
        record_error: None,
    };
    let finished = match error {
        Some(error) => Err(error),
        None => finish(scenario, folder, &report).map_err(RunError::from),
    };
    match finished {
        Ok(folder) => report.files = Files { folder, output: scenario.workload.output().cloned() },
        Err(error) => report.record_error = Some(unsaved(scenario, &error)),
    }
    Ok(report)
}

/// Writes the summary and puts the folder in its place, if it is to be kept.
fn finish(
    scenario: &Scenario,
    folder: RunFolder,
    report: &RunReport,
) -> Result<Option<PathBuf>, ArtifactError> {
    folder.write(SUMMARY, |file| write_json(file, &report.summary()))?;
    scenario.out.is_some().then(|| folder.finish()).transpose()
}

/// What became of the run folder because of `error`.
fn unsaved(scenario: &Scenario, error: &RunError) -> String {
    match (error, &scenario.out) {
        (RunError::Artifacts(ArtifactError::Unfit { .. }), _) => error.to_string(),
        (_, Some(out)) if out.exists() => {
            format!("{error}; the older run in {} is as it was", out.display())
        }
        _ => format!("{error}; no file of this run was kept"),
    }
}

/// Writes everything but the summary, and judges it as read back from disk.
fn write_record(
    scenario: &Scenario,
    folder: &RunFolder,
    header: &Header,
    operations: Vec<OperationSpool>,
    logged: Logged,
    finals: &[FinalState],
    traces: &[KeptTrace],
) -> Result<WrittenRecord, RunError> {
    let recorded = OperationSpool::finish(operations);
    let recorded = recorded.map_err(|source| folder.unwritable(HISTORY, source))?;
    let unrecorded = Unrecorded { left_out: recorded.left_out, lost: recorded.lost };
    let history = folder.write(HISTORY, |file| recorded.write(file, header, logged.base()))?;
    folder.write(LEDGER, |file| logged.write(file, header, finals))?;
    let output = write_answers(scenario, folder, &history, header)?;
    // It is read back for the judge: both at once are twice the memory.
    drop(history);
    folder.write(TRACES, |file| traces.iter().try_for_each(|trace| trace.write_otlp_line(file)))?;
    let judged = judge_folder(folder.building())?;
    Ok(WrittenRecord { judged, unrecorded, output })
}

impl WrittenRecord {
    /// Nothing is on disk, so nothing was judged.
    fn nothing(header: Header) -> Self {
        let judged = JudgedRun {
            header,
            operations: 0,
            is_whole: false,
            checks: Vec::new(),
            counterexample: None,
        };
        let unrecorded = Unrecorded::default();
        Self { judged, unrecorded, output: Output::new() }
    }
}

/// How many operations may fail, and whether that is the fault of the branches.
fn error_limit(scenario: &Scenario, lost: &[LostBranch], interrupt: &Interrupt) -> ErrorLimit {
    let branches = match &scenario.cluster {
        ClusterChoice::Running { .. } => BranchOrigin::Running,
        // Operations that were under way then are not the fault of the branches.
        _ if interrupt.report().is_cancelled() => BranchOrigin::Interrupted,
        _ if lost.is_empty() => BranchOrigin::Started,
        ClusterChoice::Embedded(_) | ClusterChoice::Processes(_) => BranchOrigin::Ended,
    };
    ErrorLimit { max_share: scenario.max_error_share.fraction(), branches }
}

/// What the run was set to, as its files say it.
fn header(
    scenario: &Scenario,
    replication: &str,
    ids: &[BranchId],
    opening: Money,
    logged: &Logged,
    error_limit: ErrorLimit,
) -> Header {
    let (customers, reference_model) = match &scenario.workload {
        Workload::Synthetic(Synthetic { customers: 2.., .. }) => (Customers::Many, None),
        Workload::Replay(Replay { order: ReplayOrder::Concurrent, .. }) => {
            (Customers::Many, Some(ReferenceModel::FinalBalance))
        }
        Workload::Synthetic(_) | Workload::Replay(_) => {
            (Customers::One, Some(ReferenceModel::Sequential))
        }
    };
    let Scenario { wire, ack, read, .. } = *scenario;
    let mut branches = ids.to_vec();
    branches.sort_unstable();
    Header {
        opening,
        branches,
        settings: wire.settings(replication, ids.len(), ack, read, customers),
        rights: logged.rights().map(<[i64]>::to_vec),
        reference_model,
        error_limit: Some(error_limit),
    }
}

/// Writes what was asked and what every customer received; gives the latter where it is to be kept.
fn write_answers(
    scenario: &Scenario,
    folder: &RunFolder,
    history: &History,
    header: &Header,
) -> Result<Output, RunError> {
    let answers = Answers::of(history);
    let workload = &scenario.workload;
    let (shape, notation) = match workload {
        Workload::Synthetic(_) => (Shape::GroupedWithBranch, Notation::Json),
        Workload::Replay(Replay { style, order, input, .. }) => {
            (style.shape(input), style.notation(*order))
        }
    };
    folder.write(INPUT, |file| {
        let blocks = answers.blocks(workload).map(asked);
        write_input(file, blocks, &header.branches, header.opening)
    })?;
    let elements = || {
        let blocks = answers.blocks(workload);
        blocks.flat_map(|(customer, answered)| shape.elements(customer, answered))
    };
    folder.write(OUTPUT, |file| write_output(file, elements(), notation))?;
    if let Some(path) = workload.output() {
        replace(path, |file| {
            let mut written = File::open(folder.path(OUTPUT))?;
            io::copy(&mut written, file).map(drop)
        })
        .map_err(|cause| ArtifactError::Unwritable { path: path.clone(), cause })?;
    }
    Ok(if scenario.keep_answers { elements().collect() } else { Output::new() })
}

async fn perform(
    scenario: &Arc<Scenario>,
    folder: &RunFolder,
    hooks: Hooks<'_>,
) -> Result<LoadOutcome, RunError> {
    let Hooks { progress, interrupt, metrics, tracing, replica } = hooks;
    let mut report = |phase, limit, waiting, load| {
        let interrupted = interrupt.is_raised();
        progress(&Progress { scheme: None, phase, limit, interrupted, waiting, load });
    };
    let mut warm_up = |waiting| report(Phase::WarmUp, None, waiting, LoadProgress::default());
    warm_up(None);
    let (waits, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let prepare = async {
        let target = Target::start(scenario, replica, waits).await?;
        let ledgers = if scenario.wire == Wire::Passbook && scenario.recording != Recording::Nothing
        {
            Some(Ledgers::begin(target.channels(), folder.building(), &interrupt).await?)
        } else {
            // Answers by the others' contracts say nothing of logs.
            None
        };
        let frames_before = target.frames_sent().await;
        Ok::<_, RunError>((target, ledgers, frames_before))
    };
    let mut prepare = std::pin::pin!(prepare);
    let (mut target, ledgers, frames_before) = loop {
        tokio::select! {
            prepared = &mut prepare => break prepared?,
            Some(servers) = waiting.recv() => warm_up(Some(servers)),
            () = interrupt.drain().cancelled() => return Err(RunError::Interrupted),
        }
    };
    let ids = target.ids();
    let workers = workers_of(scenario);
    let spools = OperationSpool::begin(folder.building(), scenario.recording, workers, &interrupt);
    let spools = spools.map_err(|source| folder.unwritable(HISTORY, source))?;
    let settings = WorkerSettings {
        addresses: target.addresses().to_vec(),
        scenario: Arc::clone(scenario),
        interrupt: interrupt.clone(),
    };
    let mut load = Workers::new(settings, spools)?;
    let reader = load.progress();
    let mut tell = |phase, limit| report(phase, limit, None, reader.read());
    if let Some(metrics) = metrics {
        metrics.show(load.progress(), target.handles().to_vec(), tracing.map(Tracing::counters));
    }
    let (mut measured, mut settled) = (Measured::default(), SettleOutcome::default());
    for step in schedules(&scenario.workload, &ids, workers) {
        tell(Phase::Measure, None);
        let reader = load.progress();
        let step = watch(load.perform(step), &reader, scenario, &mut tell, &interrupt).await?;
        measured = measured.then(step);
        interrupt.skip_if_unwritable();
        let settling = target.settle(interrupt.report());
        settled = repeating(settling, || tell(Phase::Settle, Some(SETTLE_LIMIT))).await;
        if interrupt.drain().is_cancelled() {
            break;
        }
    }
    let logged = match ledgers {
        Some(ledgers) => {
            repeating(ledgers.finish(), || tell(Phase::Settle, Some(Ledgers::LIMIT))).await?
        }
        None => Logged::default(),
    };
    if let Some(metrics) = metrics {
        metrics.freeze().await;
    }
    let frames = settled.frames_sent.zip(frames_before);
    let frames_sent = frames.and_then(|(all, before)| all.checked_sub(before));
    let record = load.finish();
    Ok(LoadOutcome { target, record, measured, settled, logged, frames_sent })
}

/// How many workers perform `scenario`.
fn workers_of(scenario: &Scenario) -> usize {
    let shares_process = matches!(scenario.cluster, ClusterChoice::Embedded(_));
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let customers = customers_at_once(&scenario.workload);
    worker_count(scenario.workers, shares_process, cores, customers)
}

/// Waits for `work`, and calls `report` at once and every second meanwhile.
async fn repeating<T>(work: impl Future<Output = T>, mut report: impl FnMut()) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = interval(PROGRESS);
    loop {
        tokio::select! {
            biased;
            _ = ticks.tick() => report(),
            done = &mut work => return done,
        }
    }
}

/// Waits for a step to be performed, and reports how far its customers are.
async fn watch(
    performing: impl Future<Output = Result<Measured, LoadError>>,
    progress: &ProgressReader,
    scenario: &Scenario,
    tell: &mut dyn FnMut(Phase, Option<Duration>),
    interrupt: &Interrupt,
) -> Result<Measured, RunError> {
    let duration = scenario.workload.duration();
    let mut performing = std::pin::pin!(performing);
    let mut ticks = interval(PROGRESS);
    ticks.tick().await;
    let (mut draining, mut hurrying) = (false, false);
    let give_up = tokio::time::sleep(Duration::MAX);
    let mut give_up = std::pin::pin!(give_up);
    loop {
        tokio::select! {
            measured = &mut performing => return Ok(measured?),
            _ = ticks.tick() => {
                let phase = Phase::under_load(progress.read().elapsed, duration, draining);
                tell(phase, (phase == Phase::Drain).then_some(scenario.timeout));
            }
            () = interrupt.drain().cancelled(), if !draining => {
                draining = true;
                give_up.as_mut().reset(tokio::time::Instant::now() + scenario.timeout + SLACK);
                tell(Phase::Drain, Some(scenario.timeout));
            }
            () = interrupt.report().cancelled(), if !hurrying => {
                hurrying = true;
                give_up.as_mut().reset(tokio::time::Instant::now() + SLACK);
            }
            () = &mut give_up => return Err(LoadError::Died.into()),
        }
    }
}
