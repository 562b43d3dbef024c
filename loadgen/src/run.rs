//! A run from its first connection to its report.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bank::{BranchId, Money};
use exercise::{Notation, Output, Shape, replace, write_input, write_output};
use history::Header;
use history::{BranchOrigin, Customers, ErrorLimit, History, ReferenceModel};
use passbook::cluster::MakeReplica;
use passbook::telemetry::{KeptTrace, Tracing};
use thiserror::Error;
use tokio::sync::watch::Receiver;
use tokio::time::interval;

use crate::client::{ConnectError, Terms};
use crate::interrupt::Interrupt;
use crate::load::crowds;
use crate::load::{AtWork, Look, Measured, Plan, Ran, Recorder};
use crate::metrics::MetricsServer;
use crate::record::artifacts::{ArtifactError, HISTORY, INPUT, LEDGER, OUTPUT, RunFolder, SUMMARY};
use crate::record::judge::{JudgeError, JudgedRun, judge_folder};
use crate::record::{Answers, Calls, Ledgers, LedgersError, Logged, asked};
use crate::report::{ClusterFacts, Files, Report, Results, Unrecorded};
use crate::scenario::{
    ClusterChoice, Recording, Replay, ReplayOrder, Scenario, Stop, Synthetic, Wire, Workload,
};
use crate::target::clusters::{Branches, ClustersError, Lost, SETTLE_LIMIT, Settled};

/// Between two signs of life.
const PROGRESS: Duration = Duration::from_secs(1);
/// Waiting for an answer ends by the operation's own deadline; this is for what comes on top.
const SLACK: Duration = Duration::from_secs(5);

/// What a run is doing. The clock runs only while measuring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Starting branches, connecting, asking each branch once.
    WarmUp,
    /// Customers at work.
    Measure,
    /// Nothing new begins; what is under way ends.
    Drain,
    /// Propagations end.
    Settle,
}

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
    pub look: Look,
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
    Clusters(#[from] ClustersError),
    /// Customers could not connect.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Customers could not be started.
    #[error("failed to start a thread for customers: {0}")]
    Thread(io::Error),
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
    /// Customers died.
    #[error("the thread of customers died")]
    Died,
    /// Branches' logs could not be recorded.
    #[error(transparent)]
    Ledgers(#[from] LedgersError),
    /// Artifacts could not be written.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// What was written could not be read back.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The output file of a replay could not be written.
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// What the branches and the customers gave.
struct Performed {
    branches: Branches,
    ran: Ran,
    settled: Settled,
    logged: Logged,
    /// What branches sent each other for it.
    frames_sent: Option<u64>,
}

/// What was written into the run folder, and found there.
struct Recorded {
    judged: JudgedRun,
    unrecorded: Unrecorded,
    output: Output,
    files: Files,
}

/// Performs `scenario`, judges it and writes its artifacts. Blocks; not to be called from a runtime. If the artifacts
/// cannot be written, the report has what was measured, and [`Report::record_error`].
///
/// # Errors
/// The run cannot be done, or cannot be finished.
pub fn run(scenario: &Scenario, hooks: Hooks<'_>) -> Result<Report, RunError> {
    // Before anything is started: an --out that cannot be written must not cost a run. The gate reads from disk
    // also where nothing is to be kept.
    let folder = match &scenario.out {
        Some(out) => RunFolder::begin(out)?,
        None => RunFolder::temporary()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Thread)?;
    let (interrupt, tracing) = (hooks.interrupt.clone(), hooks.tracing);
    let Performed { branches, ran, settled, logged, frames_sent } =
        runtime.block_on(perform(scenario, &folder, hooks))?;
    // The connections of this thread end with its runtime; branches would wait for them otherwise.
    drop(runtime);
    // A signal from here on finds the run done.
    let interrupted = interrupt.is_raised();
    let (ids, opening) = (branches.ids(), branches.opening);
    let replication = branches.replication.clone();
    let lost = branches.end(&settled, &interrupt)?;
    let error_limit = error_limit(scenario, &lost, &interrupt);
    let header = header(scenario, &replication, &ids, opening, &logged, error_limit);
    let Ran { recorder, calls, measured } = ran;
    let kept = tracing.map(Tracing::take_kept).unwrap_or_default();
    let recording = Record { calls, logged, settled: &settled, traces: &kept.traces };
    let recorded = recording.write(scenario, &folder, &header);
    let (recorded, error) = match recorded {
        Ok(recorded) => (recorded, None),
        Err(error) => (Recorded::nothing(header), Some(error)),
    };
    let Recorded { judged, unrecorded, output, mut files } = recorded;
    let results = Results {
        recorder: &recorder,
        measured,
        judged,
        unrecorded,
        kept: &kept,
        cluster: ClusterFacts { branches: ids.len(), opening, replication, frames_sent, lost },
        interrupted,
        output,
    };
    let report = Report::new(scenario, results);
    let finished = match error {
        Some(error) => Err(error),
        None => finish(scenario, folder, &report).map_err(RunError::from),
    };
    match finished {
        Ok(place) => {
            files.folder = place;
            Ok(report.with_files(files))
        }
        Err(error) => Ok(report.with_record_error(unsaved(scenario, &error))),
    }
}

/// Writes the summary and puts the folder in its place, if it is to be kept.
fn finish(
    scenario: &Scenario,
    folder: RunFolder,
    report: &Report,
) -> Result<Option<PathBuf>, ArtifactError> {
    folder.json(SUMMARY, &report.summary())?;
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

/// What is to be written into the run folder.
struct Record<'a> {
    calls: Calls,
    logged: Logged,
    settled: &'a Settled,
    traces: &'a [KeptTrace],
}

impl Record<'_> {
    /// Writes everything but the summary, and judges it as read back from disk.
    fn write(
        self,
        scenario: &Scenario,
        folder: &RunFolder,
        header: &Header,
    ) -> Result<Recorded, RunError> {
        let Self { calls, logged, settled, traces } = self;
        let recorded = calls.finish().map_err(|source| folder.unwritable(HISTORY, source))?;
        let unrecorded = Unrecorded { left_out: recorded.left_out, lost: recorded.lost };
        let history = recorded.write(&folder.path(HISTORY), header, logged.base());
        let history = history.map_err(|source| folder.unwritable(HISTORY, source))?;
        logged
            .write(header, &settled.finals, &folder.path(LEDGER))
            .map_err(|source| folder.unwritable(LEDGER, source))?;
        let mut files = Files::default();
        let output = answers(scenario, folder, &history, header, &mut files)?;
        // It is read back for the judge: both at once are twice the memory.
        drop(history);
        folder.traces(traces)?;
        let judged = judge_folder(folder.building())?;
        Ok(Recorded { judged, unrecorded, output, files })
    }
}

impl Recorded {
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
        Self { judged, unrecorded, output: Output::new(), files: Files::default() }
    }
}

/// How many operations may fail, and whether that is the fault of the branches.
fn error_limit(scenario: &Scenario, lost: &[Lost], interrupt: &Interrupt) -> ErrorLimit {
    let branches = match &scenario.cluster {
        ClusterChoice::Running { .. } => BranchOrigin::Running,
        // Operations that were under way then are not the fault of the branches.
        _ if interrupt.report().is_cancelled() => BranchOrigin::Interrupted,
        ClusterChoice::Embedded(_) | ClusterChoice::Processes(_) if lost.is_empty() => {
            BranchOrigin::Started
        }
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
    let terms = (scenario.ack, scenario.read);
    let mut branches = ids.to_vec();
    branches.sort_unstable();
    Header {
        opening,
        branches,
        settings: scenario.wire.settings(replication, ids.len(), terms, customers),
        rights: logged.rights().map(<[i64]>::to_vec),
        reference_model,
        error_limit: Some(error_limit),
    }
}

/// Writes what was asked and what every customer received; gives the latter where it is to be kept.
fn answers(
    scenario: &Scenario,
    folder: &RunFolder,
    history: &History,
    header: &Header,
    files: &mut Files,
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
    if let Workload::Replay(Replay { output: Some(path), .. }) = workload {
        replace(path, |file| {
            let mut written = File::open(folder.path(OUTPUT))?;
            io::copy(&mut written, file).map(drop)
        })
        .map_err(|cause| RunError::Unwritable { path: path.clone(), cause })?;
        files.output = Some(path.clone());
    }
    Ok(if scenario.keep_answers { elements().collect() } else { Output::new() })
}

async fn perform(
    scenario: &Scenario,
    folder: &RunFolder,
    hooks: Hooks<'_>,
) -> Result<Performed, RunError> {
    let Hooks { progress, interrupt, metrics, tracing, replica } = hooks;
    let (looks, looking) = tokio::sync::watch::channel(Look::default());
    let mut report = |phase, limit, waiting| {
        let (look, interrupted) = (looking.borrow().clone(), interrupt.is_raised());
        progress(&Progress { scheme: None, phase, limit, interrupted, waiting, look });
    };
    report(Phase::WarmUp, None, None);
    let (waits, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let prepare = async {
        let branches = Branches::start(scenario, replica, waits).await?;
        let ledgers = if scenario.wire == Wire::Passbook && scenario.recording != Recording::Nothing
        {
            let channels = branches.channels();
            Some(Ledgers::begin(&channels, folder.building(), &interrupt).await?)
        } else {
            // Answers by the others' contracts say nothing of logs.
            None
        };
        let frames_before = branches.frames_sent().await;
        Ok::<_, RunError>((branches, ledgers, frames_before))
    };
    let mut prepare = std::pin::pin!(prepare);
    let (mut branches, ledgers, frames_before) = loop {
        tokio::select! {
            prepared = &mut prepare => break prepared?,
            Some(servers) = waiting.recv() => report(Phase::WarmUp, None, Some(servers)),
            () = interrupt.drain().cancelled() => return Err(RunError::Interrupted),
        }
    };
    let mut tell = |phase, limit| report(phase, limit, None);
    if let Some(metrics) = metrics {
        metrics.show(looking.clone(), branches.handles(), tracing.map(Tracing::counters));
    }
    let calls = Calls::begin(folder.building(), scenario.recording, &interrupt);
    let calls = calls.map_err(|source| folder.unwritable(HISTORY, source))?;
    let mut all = Ran { recorder: Recorder::new(), calls, measured: Measured::default() };
    let mut settled = Settled::default();
    for crowd in crowds(&scenario.workload, branches.ids()) {
        let plan = Plan {
            addresses: branches.addresses.clone(),
            wire: scenario.wire,
            terms: Terms {
                ack: scenario.ack,
                read: scenario.read,
                message_bytes_max: scenario.message_bytes_max,
            },
            timeout: scenario.timeout,
            trace_sample: scenario.trace_sample,
            crowd,
            recorder: all.recorder,
            calls: all.calls,
            interrupt: interrupt.clone(),
        };
        tell(Phase::Measure, None);
        let at_work = plan.start(looks.clone()).map_err(RunError::Thread)?;
        let ran = watch(at_work, &looking, scenario, &mut tell, &interrupt).await?;
        all = Ran { measured: all.measured.then(ran.measured), ..ran };
        interrupt.skip_if_unwritable();
        let settling = branches.settle(interrupt.report());
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
    Ok(Performed { branches, ran: all, settled, logged, frames_sent })
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

/// Waits for the customers and reports how far they are.
async fn watch(
    at_work: AtWork,
    look: &Receiver<Look>,
    scenario: &Scenario,
    tell: &mut dyn FnMut(Phase, Option<Duration>),
    interrupt: &Interrupt,
) -> Result<Ran, RunError> {
    let AtWork { mut ran } = at_work;
    let until = match &scenario.workload {
        Workload::Synthetic(Synthetic { stop: Stop::After(duration), .. }) => Some(*duration),
        Workload::Synthetic(_) | Workload::Replay(_) => None,
    };
    let mut ticks = interval(PROGRESS);
    ticks.tick().await;
    let (mut draining, mut hurrying) = (false, false);
    let give_up = tokio::time::sleep(Duration::MAX);
    let mut give_up = std::pin::pin!(give_up);
    loop {
        let is_over = until.is_some_and(|until| look.borrow().elapsed >= until);
        let phase = if draining || is_over { Phase::Drain } else { Phase::Measure };
        let limit = (phase == Phase::Drain).then_some(scenario.timeout);
        tokio::select! {
            ran = &mut ran => return Ok(ran.map_err(|_| RunError::Died)??),
            _ = ticks.tick() => tell(phase, limit),
            () = interrupt.drain().cancelled(), if !draining => {
                draining = true;
                give_up.as_mut().reset(tokio::time::Instant::now() + scenario.timeout + SLACK);
                tell(Phase::Drain, Some(scenario.timeout));
            }
            () = interrupt.report().cancelled(), if !hurrying => {
                hurrying = true;
                give_up.as_mut().reset(tokio::time::Instant::now() + SLACK);
            }
            () = &mut give_up => return Err(RunError::Died),
        }
    }
}
