//! What a run loads: branches in this process, branches in processes of their own, or servers that run already.
//!
//! A [`Target`] is ready for customers when [`Target::start`] returns. It settles when they are done, and reports the
//! branches that it lost when it ends.

mod connection;
mod embedded;
mod foreign;
mod inspected;
mod lifecycle;
mod membership;
mod polling;
mod processes;
mod running;

pub use connection::ReachError;
pub use embedded::{EmbeddedTarget, SocketsError};
pub use foreign::{ForeignTarget, ForeignTargetError};
pub use inspected::{InspectedBranches, UnsuitableError};
pub use lifecycle::{LostBranch, SETTLE_LIMIT, SettleOutcome, Target, TargetError};
pub use processes::ProcessTarget;
pub use running::InUseError;
