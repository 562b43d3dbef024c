//! A run from its first connection to its report.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use passbook::check::{BranchState, Judged};
use passbook::cluster::MakeReplica;
use passbook::files::{Notation, OutputError, Shape, replace, write_output};
use passbook::telemetry::{Tracing, serve_metrics};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::artifacts::{ArtifactError, OUTPUT, RunFolder, SUMMARY};
use crate::clusters::{Branches, ClustersError};
use crate::customers::{AtWork, ConnectError, Look, Plan, Ran, Recorder, Terms};
use crate::judge::{Concurrency, judge, performed};
use crate::report::{ClusterFacts, Files, Report, Results, families};
use crate::scenario::{Replay, ReplayOrder, Scenario, Synthetic, Workload};
use crate::stages::{arrange, crowds};

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
    /// Artifacts could not be written.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// What was written could not be read back.
    #[error(transparent)]
    Output(#[from] OutputError),
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
    states: Vec<BranchState>,
    /// What branches sent each other for it.
    frames_sent: Option<u64>,
}

/// Performs `scenario`, judges it and writes its artifacts. Blocks; not to be called from a runtime.
pub fn run(scenario: &Scenario, hooks: Hooks<'_>) -> Result<Report, RunError> {
    // Before anything is started: an --out that cannot be written must not cost a run.
    let folder = scenario.out.as_deref().map(RunFolder::begin).transpose()?;
    let Hooks { progress, interrupted, tracing, replica } = hooks;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Thread)?;
    let performing = perform(scenario, progress, &interrupted, tracing, replica);
    let Performed { branches, ran, states, frames_sent } = runtime.block_on(performing)?;
    // The connections of this thread end with its runtime; branches would wait for them otherwise.
    drop(runtime);
    let (ids, opening) = (branches.ids(), branches.opening);
    let replication = branches.replication.clone();
    let lost = branches.end(&states)?;
    let cluster = ClusterFacts { branches: ids.len(), opening, replication, frames_sent, lost };
    let kept = tracing.map(Tracing::take_kept).unwrap_or_default();

    let done = performed(&ran.records, ids, opening);
    let (shape, notation) = match &scenario.workload {
        Workload::Synthetic(_) => (Shape::GroupedWithBranch, Notation::Json),
        Workload::Replay(Replay { style, order, .. }) => {
            (style.shape(&done), style.notation(*order))
        }
    };
    let answers = ran.records.iter().flat_map(|record| &record.done).map(|done| done.answer);
    let output = shape.lay_out(&done, answers);
    let mut files = Files::default();
    if let Workload::Replay(replay) = &scenario.workload
        && let Some(path) = &replay.output
    {
        replace(path, |file| write_output(file, &output, notation))
            .map_err(|source| RunError::Unwritable { path: path.clone(), source })?;
        files.output = Some(path.clone());
    }
    if let Some(folder) = &folder {
        folder.files(&done, &output, notation)?;
        folder.traces(&kept.traces)?;
    }
    let concurrency = match &scenario.workload {
        Workload::Synthetic(Synthetic { customers: 2.., .. }) => Concurrency::Many,
        Workload::Replay(Replay { order: ReplayOrder::Concurrent, .. }) => Concurrency::QueriesLast,
        Workload::Synthetic(_) | Workload::Replay(_) => Concurrency::None,
    };
    let on_disk = folder.as_ref().map(|folder| folder.path(OUTPUT)).or(files.output.clone());
    let checks = match on_disk {
        Some(path) => judge(&path, &done, &ran.records, &states, concurrency, scenario.ack)?,
        None => judge_without_files(&done, &output, |path| {
            judge(path, &done, &ran.records, &states, concurrency, scenario.ack)
        })?,
    };
    let results = Results {
        ran: &ran,
        checks,
        kept: &kept,
        cluster,
        interrupted: interrupted.is_cancelled(),
        output,
    };
    let report = Report::new(scenario, results);
    if let Some(folder) = folder {
        folder.json(SUMMARY, &report.summary())?;
        files.folder = Some(folder.finish()?);
    }
    Ok(report.with_files(files))
}

/// The gate reads from disk also where nothing is to be kept.
fn judge_without_files(
    done: &passbook::files::Input,
    output: &passbook::files::Output,
    judge: impl FnOnce(&Path) -> Result<Vec<Judged>, OutputError>,
) -> Result<Vec<Judged>, RunError> {
    let nowhere = std::env::temp_dir().join("passbook-run");
    let scratch = tempfile::tempdir()
        .map_err(|source| ArtifactError::Unwritable { path: nowhere, source })?;
    let folder = RunFolder::begin(&scratch.path().join("run"))?;
    folder.files(done, output, Notation::Json)?;
    Ok(judge(&folder.path(OUTPUT))?)
}

async fn perform(
    scenario: &Scenario,
    progress: &mut dyn FnMut(&Progress),
    interrupted: &CancellationToken,
    tracing: Option<&Tracing>,
    replica: Option<MakeReplica>,
) -> Result<Performed, RunError> {
    let look = Look::default();
    progress(&Progress { scheme: None, phase: Phase::WarmUp, metrics: None, look: look.clone() });
    // Before anything is started or moved: a taken port must not cost a run.
    let listener = match scenario.metrics_listen {
        Some(address) => Some(bind_metrics(address).await?),
        None => None,
    };
    let branches = tokio::select! {
        branches = Branches::start(scenario, replica) => branches?,
        () = interrupted.cancelled() => return Err(RunError::Interrupted),
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
    let mut tell = |phase, look| progress(&Progress { scheme: None, phase, metrics, look });
    let mut all = Ran { records: Vec::new(), recorder: Recorder::new(), measured: Duration::ZERO };
    let mut states = Vec::new();
    let frames_before = branches.frames_sent().await;
    for crowd in crowds(&scenario.workload, branches.ids()) {
        let plan = Plan {
            addresses: branches.addresses.clone(),
            wire: scenario.wire,
            terms: Terms { ack: scenario.ack, read: scenario.read },
            timeout: scenario.timeout,
            trace_sample: scenario.trace_sample,
            crowd,
            recorder: all.recorder,
            interrupted: interrupted.clone(),
        };
        tell(Phase::Measure, looking.borrow().clone());
        let at_work = plan.start(looks.clone()).map_err(RunError::Thread)?;
        let ran = watch(at_work, &looking, scenario, &mut tell, interrupted).await?;
        all.records.extend(ran.records);
        all.recorder = ran.recorder;
        all.measured += ran.measured;
        tell(Phase::Settle, looking.borrow().clone());
        states = branches.settle().await.into_iter().map(|last| last.state).collect();
    }
    all.records = arrange(&scenario.workload, all.records);
    let frames_after = branches.frames_sent().await;
    let frames_sent = frames_after.zip(frames_before).and_then(|(all, old)| all.checked_sub(old));
    Ok(Performed { branches, ran: all, states, frames_sent })
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
