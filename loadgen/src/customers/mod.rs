//! Customers: closed loops in a thread of their own, and what they record.

mod backoff;
mod client;
mod error;
mod probe;
mod recorder;
mod session;
mod statuses;
mod threads;
mod wires;

pub use backoff::{BackoffCount, Backoffs};
pub use client::{Bank, Called, ConnectError};
pub(crate) use client::{connect, inspect, ready, state};
pub use error::CallError;
pub(crate) use probe::explain;
pub use recorder::{Kind, KindRecord, Live, Recorder};
pub use statuses::{StatusCount, Statuses};
pub use threads::{AtWork, Crowd, Look, Order, Plan, Ran};
pub use wires::Terms;
