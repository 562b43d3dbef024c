//! `/metrics` of this process, from before the first run until its report is printed, and longer if that is asked for.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use passbook::branch::BranchHandle;
use passbook::telemetry::{Family, SpanCounters, serve_metrics};
use thiserror::Error;
use tokio::runtime::Builder;
use tokio::sync::watch::Receiver;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::load::Look;
use crate::report::families;

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
    Live { look: Receiver<Look>, branches: Vec<BranchHandle>, spans: Option<SpanCounters> },
    /// The last values of a run that is over; none before the first run.
    Frozen(Vec<Family>),
}

impl Source {
    async fn scrape(self) -> Vec<Family> {
        match self {
            Self::Live { look, branches, spans } => {
                let look = look.borrow().clone();
                families(&look, &branches, spans.as_ref()).await
            }
            Self::Frozen(families) => families,
        }
    }
}

/// Serves `/metrics` in a thread of its own until it is dropped.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    source: Arc<Mutex<Source>>,
    ending: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl MetricsServer {
    /// Begins to serve at `address`.
    ///
    /// # Errors
    /// The address is taken or is not one of this machine's, or the thread cannot be started.
    pub fn start(address: SocketAddr) -> Result<Self, MetricsError> {
        let source = Arc::new(Mutex::new(Source::Frozen(Vec::new())));
        let ending = CancellationToken::new();
        let (scraped, ended) = (Arc::clone(&source), ending.clone());
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
        look: Receiver<Look>,
        branches: Vec<BranchHandle>,
        spans: Option<SpanCounters>,
    ) {
        self.set(Source::Live { look, branches, spans });
    }

    /// Serves the values of this instant from now on: the branches are about to end.
    pub(crate) async fn freeze(&self) {
        if let Ok(last) = timeout(FREEZE_LIMIT, current(&self.source).scrape()).await {
            self.set(Source::Frozen(last));
        }
    }

    fn set(&self, source: Source) {
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = source;
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

fn current(source: &Mutex<Source>) -> Source {
    source.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn serve(listener: TcpListener, source: Arc<Mutex<Source>>, ending: CancellationToken) {
    // Without its metrics a run is still a run.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let scrape = move || current(&source).scrape();
    let serving = serve_metrics(listener, CancellationToken::new(), scrape);
    let _ = ending.run_until_cancelled(serving).await;
}
