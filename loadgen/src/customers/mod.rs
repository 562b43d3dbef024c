//! Customers: closed loops in a thread of their own, and what they record.

mod client;
mod recorder;
mod session;
mod threads;
mod wires;

pub use client::{Bank, Called, ConnectError};
pub(crate) use client::{connect, inspect, is_serving, state};
pub use recorder::{Kind, KindRecord, Live, Recorder};
pub use threads::{AtWork, Crowd, Look, Order, Plan, Ran};
pub use wires::Terms;
