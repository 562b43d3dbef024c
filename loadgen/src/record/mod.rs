//! What a run leaves behind: recorded off the hot path into spools, and made into files when all has settled.

mod answers;
pub mod artifacts;
pub mod disk;
pub mod judge;
mod ledgers;
mod logged;
mod operations;
mod spool;
mod status;

pub use answers::{Answered, Answers, asked};
pub use ledgers::{Ledgers, LedgersError};
pub use logged::Logged;
pub use operations::{OperationSpool, RecordedOperations};
pub use status::{CallFailure, CallStatus, UndefinedWord};
