//! What a run loads: branches in this process, branches in processes of their own, or servers that run already.
//!
//! A [`Target`] is ready for customers when [`Target::start`] returns. It settles when they are done, and reports the
//! branches that it lost when it ends.

mod connection;
mod foreign;
mod inspected;
mod lifecycle;
mod membership;
mod polling;
mod running;
mod started;

pub use lifecycle::{LostBranch, SETTLE_LIMIT, SettleOutcome, Target, TargetError};
