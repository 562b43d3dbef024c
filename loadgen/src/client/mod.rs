//! A bank as a client sees it: one connection a branch, one call an operation, in the words of one of the contracts.

mod backoff;
mod bank;
mod error;
mod probe;
mod wires;

pub(crate) use backoff::Backoff;
pub use backoff::{BackoffCount, Backoffs};
pub use bank::{Bank, Called, ConnectError};
pub(crate) use bank::{connect, inspect, is_serving};
pub use error::CallError;
pub(crate) use probe::explain;
