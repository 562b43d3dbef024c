//! Installs tracing in a process. Only binaries call this.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use thiserror::Error;
use tokio::runtime::Runtime;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::otlp::{Exported, OtlpEndpoint, PerService};
use super::{Family, Kept, KeptTraces, Value, names};

/// How long the exporter may take for what is queued at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// Spans that wait for export at most. At 20 bytes of name and a dozen attributes each, some 50 MiB.
const EXPORT_QUEUE: usize = 65_536;
/// Links of a span at most: a push has one for each traced write that it carries.
const LINKS_MAX: u32 = 65_536;

/// Tracing could not be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The exporter's runtime did not start.
    #[error("failed to start the exporter's thread: {0}")]
    Runtime(io::Error),
    /// Another subscriber is there already.
    #[error("tracing is installed already")]
    Installed,
}

/// What became of the spans of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Spans that ended.
    pub ended: u64,
    /// Spans that were kept in memory, for the file.
    pub kept: u64,
    /// Spans of traces that were not begun because of the bound on memory.
    pub beyond_bound: u64,
    /// Spans that the collector accepted.
    pub exported: u64,
    /// Spans that it did not, the exporter's overflow included.
    pub export_failed: u64,
}

/// Counts the spans of this process.
#[derive(Clone, Debug)]
pub struct SpanCounters {
    kept: KeptTraces,
    exported: Arc<Exported>,
}

impl SpanCounters {
    /// What became of the spans so far.
    pub fn counts(&self) -> Counts {
        let exported = self.exported.accepted.load(Ordering::Relaxed);
        let export_failed = self.exported.failed.load(Ordering::Relaxed);
        Counts { exported, export_failed, ..self.kept.totals() }
    }

    /// The counts as a metric.
    pub fn family(&self) -> Family {
        let Counts { kept, beyond_bound, exported, export_failed, .. } = self.counts();
        let fates = [
            ("kept", kept),
            ("beyond_bound", beyond_bound),
            ("exported", exported),
            ("export_failed", export_failed),
        ];
        let series =
            fates.map(|(fate, count)| (vec![("fate", fate.to_owned())], Value::Counter(count)));
        Family::new(names::SPANS, series)
    }
}

/// Hands the bank's own spans to `provider`.
fn subscriber(provider: &SdkTracerProvider) -> impl Subscriber + Send + Sync + use<> {
    let layer = OpenTelemetryLayer::new(provider.tracer("passbook"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_level(false)
        .with_filter(Targets::new().with_target("passbook", LevelFilter::INFO));
    tracing_subscriber::registry().with(layer)
}

/// The spans that `act` makes in this thread.
#[cfg(test)]
pub(crate) fn spans_of(act: impl FnOnce()) -> Vec<super::SpanData> {
    let kept = KeptTraces::new(1_000);
    let provider = SdkTracerProvider::builder().with_span_processor(kept.clone()).build();
    tracing::subscriber::with_default(subscriber(&provider), act);
    kept.take().traces.into_iter().flat_map(|trace| trace.spans).collect()
}

/// Tracing, installed for the whole process.
#[derive(Debug)]
pub struct Tracing {
    provider: SdkTracerProvider,
    counters: SpanCounters,
    /// Drives the exporter's connection. The exporter's own thread blocks on it, so it is nobody else's.
    runtime: Option<Runtime>,
}

impl Tracing {
    /// Installs the subscriber of this process: only the bank's own spans are traced. At most about
    /// `keep_spans` are kept in memory; all are exported if there is an `endpoint`.
    pub fn install(keep_spans: usize, endpoint: Option<&OtlpEndpoint>) -> Result<Self, SetupError> {
        let kept = KeptTraces::new(keep_spans);
        let mut builder = SdkTracerProvider::builder()
            .with_resource(Resource::builder_empty().build())
            .with_sampler(Sampler::AlwaysOn)
            .with_max_links_per_span(LINKS_MAX)
            .with_span_processor(kept.clone());
        let exported = Arc::new(Exported::default());
        let mut runtime = None;
        if let Some(endpoint) = endpoint {
            let exporting = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("passbook-otlp")
                .enable_all()
                .build()
                .map_err(SetupError::Runtime)?;
            let exporter = {
                let _within = exporting.enter();
                PerService::new(endpoint, Arc::clone(&exported))
            };
            let batches = BatchConfigBuilder::default()
                .with_max_queue_size(EXPORT_QUEUE)
                .with_max_export_batch_size(2048)
                .with_scheduled_delay(Duration::from_millis(200))
                .build();
            let processor =
                BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
            builder = builder.with_span_processor(processor);
            runtime = Some(exporting);
        }
        let provider = builder.build();
        tracing::subscriber::set_global_default(subscriber(&provider))
            .map_err(|_| SetupError::Installed)?;
        let counters = SpanCounters { kept, exported };
        Ok(Self { provider, counters, runtime })
    }

    /// Takes out the traces that were kept since the last call.
    pub fn take_kept(&self) -> Kept {
        self.counters.kept.take()
    }

    /// What became of the spans, now and later.
    pub fn counters(&self) -> SpanCounters {
        self.counters.clone()
    }

    /// Exports what is queued and ends. Blocks for a few seconds at most; not to be called from a
    /// runtime's thread. What the collector did not accept by then counts as failed.
    pub fn finish(mut self) -> Counts {
        // It reports only the last batch, and a timeout as an error: the counters know more.
        let _ = self.provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        let mut counts = self.counters.counts();
        if let Some(runtime) = self.runtime.take() {
            counts.export_failed = counts.ended.saturating_sub(counts.exported);
            runtime.shutdown_background();
        }
        counts
    }
}
