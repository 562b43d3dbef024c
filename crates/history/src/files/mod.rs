//! `history.jsonl` and `ledger.jsonl`: a run as it was recorded, one JSON object a line.
//!
//! The first line is a header: what the run was set to. The last one is an end marker with the number of lines
//! between, so that a file that was cut is recognised: what it holds is read, and nothing is proved by it.
//! Instants are nanoseconds from the run's start; sessions and traces are hexadecimal.

mod fields;
mod header;
mod history;
mod ledger;
mod lines;

use std::path::Path;

use crate::Run;

pub use history::{HistoryWriter, read_history};
pub use ledger::{LedgerWriter, read_ledger};
pub use lines::RecordedError;

pub(super) fn read_run(history: &Path, ledger: &Path) -> Result<Run, RecordedError> {
    let (header, operations) = read_history(history, lines::open(history)?)?;
    let (other, ledgers, finals) = read_ledger(ledger, lines::open(ledger)?)?;
    if header != other {
        let history = history.display();
        let message = format!("the header is not that of {history}: they are of different runs");
        return Err(RecordedError::at(ledger, 1, &message));
    }
    Ok(Run { header, history: operations, ledgers, finals })
}
