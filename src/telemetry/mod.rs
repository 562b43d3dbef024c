//! Seeing it: spans, their context in gRPC metadata, where they go, and every metric's name, once.

mod context;
mod endpoint;
mod histogram;
mod kept;
mod metrics;
pub mod names;
mod otlp;
mod setup;
mod spans;

pub use context::{extract, inject};
pub use endpoint::serve_metrics;
pub use histogram::{Latencies, Scrape, Sizes};
pub use kept::{Kept, KeptTrace, KeptTraces, service_of};
pub use metrics::{Family, Labels, MetricKind, MetricName, Value, encode};
pub use opentelemetry_sdk::trace::SpanData;
pub use otlp::{OtlpEndpoint, OtlpEndpointError};
#[cfg(test)]
pub(crate) use setup::spans_of;
pub use setup::{Counts, SetupError, SpanCounters, Tracing};
pub use spans::{BorrowSpan, CallSpan, CollectSpan, FanoutSpan, PushSpan, TraceContext};
