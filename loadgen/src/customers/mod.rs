//! Customers: closed loops in a thread of their own, and what they record.

mod backoff;
mod client;
mod error;
mod generator;
mod measured;
mod probe;
mod recorder;
mod session;
mod silence;
mod statuses;
mod threads;
mod wires;

pub use backoff::{BackoffCount, Backoffs};
pub use client::{Bank, Called, ConnectError};
pub(crate) use client::{connect, inspect, is_serving, state};
pub use error::CallError;
pub use generator::GeneratorLoad;
pub use measured::Measured;
pub(crate) use probe::explain;
pub use recorder::{
    Class, Kind, KindRecord, Live, P50, P90, P99, P99_9, Recent, Recorder, percentile,
};
pub use silence::Silence;
pub use statuses::{StatusCount, Statuses};
pub use threads::{AtWork, Crowd, Look, Order, Plan, Ran};
pub use wires::Terms;
