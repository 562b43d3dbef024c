//! What a run is: operations as customers saw them, what branches logged, what they held at the end, and the files
//! that keep it.
//!
//! No clock, no runtime. It reads and writes files, and judges nothing.

mod files;
mod history;
mod ledgers;
mod operation;
mod run;
mod settings;

pub use files::{HistoryWriter, LedgerWriter, RecordedError, read_history, read_ledger};
pub use history::History;
pub use ledgers::{Extent, Ledgers, Log, Logged};
pub use operation::{InvalidRecord, OperationRecord, OwnedRecord, Record};
pub use run::{FinalState, Header, Run};
pub use settings::{BranchOrigin, Customers, ErrorLimit, ReferenceModel, Server, Settings};
