//! What a run is: operations as customers saw them, what branches logged, what they held at the end, and the files
//! that keep it.
//!
//! No clock, no runtime. It reads and writes files, and judges nothing.

mod call;
mod files;
mod history;
mod ledgers;
mod run;
mod settings;

pub use call::{Call, Unfit};
pub use files::{
    Header, HistoryWriter, LedgerWriter, RecordedError, RecordedRun, read_history, read_ledger,
};
pub use history::{History, NONE, at, index};
pub use ledgers::{Extent, Ledgers, Log, Logged};
pub use run::{BranchState, Case, FinalState, Observation};
pub use settings::{BranchOrigin, Customers, Edition, ErrorLimit, Server, Settings};
