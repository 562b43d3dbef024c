//! Customers: closed loops in a thread of their own, and what they record.

mod client;
mod generator;
mod measured;
mod recorder;
mod session;
mod silence;
mod threads;
mod wires;

pub use client::{Bank, Called, ConnectError};
pub(crate) use client::{connect, inspect, is_serving, state};
pub use generator::GeneratorLoad;
pub use measured::Measured;
pub use recorder::{
    Class, Kind, KindRecord, Live, P50, P90, P99, P99_9, Recent, Recorder, percentile,
};
pub use silence::Silence;
pub use threads::{AtWork, Crowd, Look, Order, Plan, Ran};
pub use wires::Terms;
