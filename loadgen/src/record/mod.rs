//! What a run leaves behind: recorded off the hot path into spools, and made into files when all has settled.

mod answers;
pub mod disk;
pub mod judge;
mod ledger_file;
mod log_collector;
mod operations;
pub mod run_folder;
mod spool;
mod status;

pub use answers::{Answered, Answers, asked};
pub use ledger_file::Logged;
pub use log_collector::{Ledgers, LedgersError};
pub use operations::{OperationSpool, RecordedOperations};
pub use status::{CallFailure, CallStatus, UndefinedWord};
