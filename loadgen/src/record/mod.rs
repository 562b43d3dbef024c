//! What a run leaves behind: recorded off the hot path into spools, and made into files when all has settled.

mod answers;
pub mod artifacts;
mod calls;
pub mod disk;
pub mod judge;
mod ledgers;
mod logged;
mod spool;
mod status;

pub use answers::{Answered, Answers, asked};
pub use calls::{Calls, Performed, Recorded};
pub use ledgers::{Ledgers, LedgersError};
pub use logged::Logged;
pub use spool::{Spool, Spooled};
pub use status::{CallFailure, CallStatus, UndefinedWord};
