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

use crate::{Case, FinalState, History, Ledgers, Settings};
use bank::Money;

pub use header::Header;
pub use history::{HistoryWriter, read_history};
pub use ledger::{LedgerWriter, read_ledger};
pub use lines::RecordedError;

/// A run as read back from its files.
#[derive(Clone, Debug)]
pub struct RecordedRun {
    /// What both files say of the run.
    pub header: Header,
    /// What customers saw.
    pub history: History,
    /// What branches logged.
    pub ledgers: Ledgers,
    /// What branches held at the end.
    pub finals: Vec<FinalState>,
}

impl RecordedRun {
    /// Reads both files.
    ///
    /// # Errors
    /// A file cannot be read, has a line that is not valid, or the two are not of one run.
    pub fn read(history: &Path, ledger: &Path) -> Result<Self, RecordedError> {
        let (header, calls) = read_history(history, lines::open(history)?)?;
        let (other, ledgers, finals) = read_ledger(ledger, lines::open(ledger)?)?;
        if header != other {
            return Err(RecordedError::at(
                ledger,
                1,
                format!(
                    "the header is not that of {}: they are of different runs",
                    history.display()
                ),
            ));
        }
        Ok(Self { header, history: calls, ledgers, finals })
    }

    /// What the run was set to.
    pub const fn settings(&self) -> Settings {
        self.header.settings
    }

    /// What the account held at the start.
    pub const fn opening(&self) -> Money {
        self.header.opening
    }

    /// For the judge.
    pub fn case(&self) -> Case<'_> {
        Case {
            settings: self.header.settings,
            edition: self.header.edition,
            opening: self.header.opening,
            rights: self.header.rights.as_deref(),
            error_limit: self.header.error_limit,
            history: &self.history,
            ledgers: &self.ledgers,
            finals: &self.finals,
        }
    }
}
