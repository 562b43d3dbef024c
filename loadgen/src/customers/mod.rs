//! Customers: closed loops in a thread of their own, and what they record.

mod client;
mod recorder;
mod session;
mod threads;

pub use client::{Bank, ConnectError};
pub(crate) use client::{connect, inspect, method, ready, state};
pub use recorder::{Kind, KindRecord, Live, Recorder};
pub use session::{Done, Record};
pub use threads::{AtWork, Crowd, Look, Order, Plan, Ran};
