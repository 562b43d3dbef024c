//! `/metrics` of this process, from before the first run until its report is printed, and longer if that is asked for.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use bank::OperationKind;
use passbook::branch::BranchHandle;
use passbook::cluster;
use passbook::telemetry::{Family, Latencies, SpanCounters, Value, names, serve_metrics};
use thiserror::Error;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::load::{KINDS, LoadProgress, ProgressReader};

/// How long branches may take to give their last values.
const FREEZE_LIMIT: Duration = Duration::from_secs(1);

/// `/metrics` cannot be served.
#[derive(Debug, Error)]
#[error("failed to serve metrics at {address}: {cause}; give another --metrics-listen")]
pub struct MetricsError {
    address: SocketAddr,
    cause: io::Error,
}

/// Where a scrape takes its values from.
#[derive(Clone, Debug)]
enum Source {
    /// A run.
    Live { progress: ProgressReader, branches: Vec<BranchHandle>, spans: Option<SpanCounters> },
    /// The last values of a run that is over; none before the first run.
    Frozen(Vec<Family>),
}

impl Source {
    async fn scrape(self) -> Vec<Family> {
        match self {
            Self::Live { progress, branches, spans } => {
                families(&progress.read(), &branches, spans.as_ref()).await
            }
            Self::Frozen(families) => families,
        }
    }
}

/// Serves `/metrics` in a thread of its own until it is dropped.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    source: watch::Sender<Source>,
    ending: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl MetricsServer {
    /// Begins to serve at `address`.
    ///
    /// # Errors
    /// The address is taken or is not one of this machine's, or the thread cannot be started.
    pub fn start(address: SocketAddr) -> Result<Self, MetricsError> {
        let source = watch::Sender::new(Source::Frozen(Vec::new()));
        let ending = CancellationToken::new();
        let (scraped, ended) = (source.clone(), ending.clone());
        let start = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let thread = std::thread::Builder::new().name("passbook-metrics".to_owned());
            let thread = thread.spawn(move || runtime.block_on(serve(listener, scraped, ended)))?;
            Ok((address, thread))
        };
        let (address, thread) = start().map_err(|cause| MetricsError { address, cause })?;
        Ok(Self { address, source, ending, thread: Some(thread) })
    }

    /// The address it listens at.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the values of a run from now on.
    pub(crate) fn show(
        &self,
        progress: ProgressReader,
        branches: Vec<BranchHandle>,
        spans: Option<SpanCounters>,
    ) {
        self.source.send_replace(Source::Live { progress, branches, spans });
    }

    /// Serves the values of this instant from now on: the branches are about to end.
    pub(crate) async fn freeze(&self) {
        let source = self.source.borrow().clone();
        if let Ok(last) = timeout(FREEZE_LIMIT, source.scrape()).await {
            self.source.send_replace(Source::Frozen(last));
        }
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.ending.cancel();
        if let Some(thread) = self.thread.take() {
            // It has nothing to return.
            let _ = thread.join();
        }
    }
}

/// The customers' metrics, those of an embedded cluster's branches, and the spans'.
async fn families(
    progress: &LoadProgress,
    branches: &[BranchHandle],
    spans: Option<&SpanCounters>,
) -> Vec<Family> {
    let kinds = || KINDS.iter().zip(&progress.live);
    let operation = |kind: &OperationKind| vec![("operation", kind.name().to_owned())];
    let operations = kinds().flat_map(|(kind, live)| {
        [("ok", live.ok), ("rejected", live.rejected), ("unknown", live.unknown)].map(
            |(outcome, count)| {
                let mut labels = operation(kind);
                labels.push(("outcome", outcome.to_owned()));
                (labels, Value::Counter(count))
            },
        )
    });
    let histogram = |latencies: &Latencies| Value::Histogram(latencies.scrape());
    let response = kinds().map(|(kind, live)| (operation(kind), histogram(&live.response)));
    let service = kinds().map(|(kind, live)| (operation(kind), histogram(&live.service)));
    let active = Value::Gauge(i64::try_from(progress.active).unwrap_or(i64::MAX));
    let mut families = vec![
        Family::new(names::CUSTOMER_OPERATIONS, operations),
        Family::new(names::CUSTOMER_RESPONSE, response),
        Family::new(names::CUSTOMER_SERVICE, service),
        Family::new(names::CUSTOMERS_ACTIVE, [(Vec::new(), active)]),
    ];
    families.extend(cluster::families(branches).await);
    families.extend(spans.map(SpanCounters::family));
    families
}

async fn serve(listener: TcpListener, source: watch::Sender<Source>, ending: CancellationToken) {
    // Without its metrics a run is still a run.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let scrape = move || source.borrow().clone().scrape();
    let serving = serve_metrics(listener, CancellationToken::new(), scrape);
    let _ = ending.run_until_cancelled(serving).await;
}
