//! A run from its first connection to its report.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use passbook::bank::{BranchId, Money};
use passbook::check::{BranchOrigin, Customers, Edition, ErrorLimit, FinalState, History};
use passbook::cluster::MakeReplica;
use passbook::files::{Header, Notation, Output, Shape, replace, write_input, write_output};
use passbook::telemetry::{Tracing, serve_metrics};
use tempfile::TempDir;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::artifacts::{ArtifactError, HISTORY, INPUT, LEDGER, OUTPUT, RunFolder, SUMMARY};
use crate::clusters::{Branches, ClustersError, Lost};
use crate::customers::{AtWork, ConnectError, Look, Measured, Plan, Ran, Recorder, Terms};
use crate::judge::{JudgeError, judge_folder};
use crate::record::{Answers, Calls, Ledgers, LedgersError, Logged, asked};
use crate::report::{ClusterFacts, Files, Report, Results, Unrecorded, families};
use crate::scenario::{
    ClusterChoice, Recording, Replay, ReplayOrder, Scenario, Synthetic, Wire, Workload,
};
use crate::stages::crowds;

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
    /// Where its metrics are served, as soon as they are.
    pub metrics: Option<SocketAddr>,
    /// The addresses that `--wait` waits for and for how long, when they turn out to be unreachable.
    pub waiting: Option<String>,
    /// How far the customers are.
    pub look: Look,
}

/// What a run needs from outside.
pub struct Hooks<'a> {
    /// Is told about once a second how far the run is.
    pub progress: &'a mut dyn FnMut(&Progress),
    /// Ends the run early, in order.
    pub interrupted: CancellationToken,
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
    Thread(#[source] io::Error),
    /// It was one of several.
    #[error("under {scheme}: {source}")]
    Under {
        /// The name of the scheme.
        scheme: &'static str,
        /// Why.
        source: Box<RunError>,
    },
    /// Somebody ended the run before customers began.
    #[error("interrupted before customers began")]
    Interrupted,
    /// Customers died.
    #[error("the thread of customers died")]
    Died,
    /// `/metrics` could not be served.
    #[error("failed to serve metrics at {address}: {source}; give another --metrics-listen")]
    Metrics {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
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
    #[error("{}: cannot be written: {source}", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the branches and the customers gave.
struct Performed {
    branches: Branches,
    ran: Ran,
    finals: Vec<FinalState>,
    logged: Logged,
    /// What branches sent each other for it.
    frames_sent: Option<u64>,
}

/// Performs `scenario`, judges it and writes its artifacts. Blocks; not to be called from a runtime.
pub fn run(scenario: &Scenario, hooks: Hooks<'_>) -> Result<Report, RunError> {
    // Before anything is started: an --out that cannot be written must not cost a run. The gate reads from disk
    // also where nothing is to be kept.
    let nowhere;
    let folder = if let Some(out) = &scenario.out {
        RunFolder::begin(out)?
    } else {
        nowhere = scratch()?;
        RunFolder::begin(&nowhere.path().join("run"))?
    };
    let Hooks { progress, interrupted, tracing, replica } = hooks;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Thread)?;
    let performing = perform(scenario, &folder, progress, &interrupted, tracing, replica);
    let Performed { branches, ran, finals, logged, frames_sent } = runtime.block_on(performing)?;
    // The connections of this thread end with its runtime; branches would wait for them otherwise.
    drop(runtime);
    let (ids, opening) = (branches.ids(), branches.opening);
    let replication = branches.replication.clone();
    let lost = branches.end(&finals)?;
    let error_limit = error_limit(scenario, &lost);
    let header = header(scenario, &replication, &ids, opening, &logged, error_limit);
    let Ran { recorder, calls, measured } = ran;
    let recorded = calls.finish().map_err(|source| folder.unwritable(HISTORY, source))?;
    let unrecorded = Unrecorded { left_out: recorded.left_out, lost: recorded.lost };
    let path = folder.path(HISTORY);
    let history = recorded.write(&path, &header, logged.base());
    let history = history.map_err(|source| folder.unwritable(HISTORY, source))?;
    logged
        .write(&header, &finals, &folder.path(LEDGER))
        .map_err(|source| folder.unwritable(LEDGER, source))?;
    let mut files = Files::default();
    let output = answers(scenario, &folder, &history, &header, &mut files)?;
    // It is read back for the judge: both at once are twice the memory.
    drop(history);
    let kept = tracing.map(Tracing::take_kept).unwrap_or_default();
    folder.traces(&kept.traces)?;
    let judged = judge_folder(folder.building())?;
    let results = Results {
        recorder: &recorder,
        measured,
        judged,
        unrecorded,
        kept: &kept,
        cluster: ClusterFacts { branches: ids.len(), opening, replication, frames_sent, lost },
        interrupted: interrupted.is_cancelled(),
        output,
    };
    let report = Report::new(scenario, results);
    folder.json(SUMMARY, &report.summary())?;
    if scenario.out.is_some() {
        files.folder = Some(folder.finish()?);
    }
    Ok(report.with_files(files))
}

/// A folder that goes with the run.
fn scratch() -> Result<TempDir, ArtifactError> {
    tempfile::tempdir().map_err(|source| ArtifactError::Unwritable {
        path: std::env::temp_dir().join("passbook-run"),
        source,
    })
}

/// How many operations may fail, and whether that is the fault of the branches.
fn error_limit(scenario: &Scenario, lost: &[Lost]) -> ErrorLimit {
    let branches = match &scenario.cluster {
        ClusterChoice::Running { .. } => BranchOrigin::Running,
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
    let (customers, edition) = match &scenario.workload {
        Workload::Synthetic(Synthetic { customers: 2.., .. }) => (Customers::Many, None),
        Workload::Replay(Replay { order: ReplayOrder::Concurrent, .. }) => {
            (Customers::Many, Some(Edition::FinalBalance))
        }
        Workload::Synthetic(_) | Workload::Replay(_) => (Customers::One, Some(Edition::Sequential)),
    };
    let terms = (scenario.ack, scenario.read);
    let mut branches = ids.to_vec();
    branches.sort_unstable();
    Header {
        opening,
        branches,
        settings: scenario.wire.settings(replication, ids.len(), terms, customers),
        rights: logged.rights().map(<[i64]>::to_vec),
        edition,
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
        .map_err(|source| RunError::Unwritable { path: path.clone(), source })?;
        files.output = Some(path.clone());
    }
    Ok(if scenario.keep_answers { elements().collect() } else { Output::new() })
}

async fn perform(
    scenario: &Scenario,
    folder: &RunFolder,
    progress: &mut dyn FnMut(&Progress),
    interrupted: &CancellationToken,
    tracing: Option<&Tracing>,
    replica: Option<MakeReplica>,
) -> Result<Performed, RunError> {
    let look = Look::default();
    let warming_up = Progress {
        scheme: None,
        phase: Phase::WarmUp,
        metrics: None,
        waiting: None,
        look: look.clone(),
    };
    progress(&warming_up);
    // Before anything is started or moved: a taken port must not cost a run.
    let listener = match scenario.metrics_listen {
        Some(address) => Some(bind_metrics(address).await?),
        None => None,
    };
    let (reports, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let mut starting = std::pin::pin!(Branches::start(scenario, replica, reports));
    let branches = loop {
        tokio::select! {
            branches = &mut starting => break branches?,
            Some(servers) = waiting.recv() => {
                progress(&Progress { waiting: Some(servers), ..warming_up.clone() });
            }
            () = interrupted.cancelled() => return Err(RunError::Interrupted),
        }
    };
    let (looks, looking) = tokio::sync::watch::channel(look);
    // Ends with this function.
    let mut serving = JoinSet::new();
    let mut metrics = None;
    if let Some((listener, address)) = listener {
        metrics = Some(address);
        let (look, handles) = (looking.clone(), branches.handles());
        let spans = tracing.map(Tracing::counters);
        let scrape = move || {
            let (look, handles, spans) = (look.borrow().clone(), handles.clone(), spans.clone());
            async move { families(&look, &handles, spans.as_ref()).await }
        };
        serving.spawn(serve_metrics(listener, CancellationToken::new(), scrape));
    }
    let mut tell = |phase, look| {
        progress(&Progress { scheme: None, phase, metrics, waiting: None, look });
    };
    let ledgers = if scenario.wire == Wire::Passbook && scenario.recording != Recording::Nothing {
        Some(Ledgers::begin(&branches.channels(), folder.building()).await?)
    } else {
        // Answers by the others' contracts say nothing of logs.
        None
    };
    let calls = Calls::begin(folder.building(), scenario.recording);
    let calls = calls.map_err(|source| folder.unwritable(HISTORY, source))?;
    let mut all = Ran { recorder: Recorder::new(), calls, measured: Measured::default() };
    let mut finals = Vec::new();
    let frames_before = branches.frames_sent().await;
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
            interrupted: interrupted.clone(),
        };
        tell(Phase::Measure, looking.borrow().clone());
        let at_work = plan.start(looks.clone()).map_err(RunError::Thread)?;
        let ran = watch(at_work, &looking, scenario, &mut tell, interrupted).await?;
        all = Ran { measured: all.measured.then(ran.measured), ..ran };
        tell(Phase::Settle, looking.borrow().clone());
        finals = branches.settle().await;
    }
    let logged = match ledgers {
        Some(ledgers) => ledgers.finish().await?,
        None => Logged::default(),
    };
    let frames_after = branches.frames_sent().await;
    let frames_sent = frames_after.zip(frames_before).and_then(|(all, old)| all.checked_sub(old));
    Ok(Performed { branches, ran: all, finals, logged, frames_sent })
}

async fn bind_metrics(address: SocketAddr) -> Result<(TcpListener, SocketAddr), RunError> {
    let unservable = |source| RunError::Metrics { address, source };
    let listener = TcpListener::bind(address).await.map_err(unservable)?;
    let address = listener.local_addr().map_err(unservable)?;
    Ok((listener, address))
}

/// Waits for the customers and says how far they are.
async fn watch(
    at_work: AtWork,
    look: &Receiver<Look>,
    scenario: &Scenario,
    tell: &mut dyn FnMut(Phase, Look),
    interrupted: &CancellationToken,
) -> Result<Ran, RunError> {
    let AtWork { mut ran } = at_work;
    let mut ticks = interval(PROGRESS);
    ticks.tick().await;
    let mut phase = Phase::Measure;
    let give_up = tokio::time::sleep(Duration::MAX);
    let mut give_up = std::pin::pin!(give_up);
    loop {
        tokio::select! {
            ran = &mut ran => return Ok(ran.map_err(|_| RunError::Died)??),
            _ = ticks.tick() => {
                let look = look.borrow().clone();
                tell(phase, look);
            }
            () = interrupted.cancelled(), if phase == Phase::Measure => {
                phase = Phase::Drain;
                give_up.as_mut().reset(tokio::time::Instant::now() + scenario.timeout + SLACK);
            }
            () = &mut give_up => return Err(RunError::Died),
        }
    }
}
