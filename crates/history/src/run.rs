//! A whole run: what was set, what customers saw, what branches logged, and what they held at the end.

use std::path::Path;

use serde::{Deserialize, Serialize};

use bank::{BranchId, Money, Version};

use super::files::{RecordedError, read_run};
use super::{ErrorLimit, History, Ledgers, ReferenceModel, Settings};

/// What a run was set to, which is the header of its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The opening balance.
    #[serde(rename = "opening_balance")]
    pub opening: Money,
    /// All branches, ascending.
    pub branches: Vec<BranchId>,
    /// The settings that guarantees depend on.
    #[serde(flatten)]
    pub settings: Settings,
    /// The rights of each branch at the start, by member in minor units, if the cluster was used before. Otherwise each
    /// branch has its equal share of the opening balance.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rights: Option<Vec<i64>>,
    /// The model that predicts all answers, if there is one.
    #[serde(rename = "edition", skip_serializing_if = "Option::is_none", default)]
    pub reference_model: Option<ReferenceModel>,
    /// How many operations may fail; `None` leaves availability not judged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_limit: Option<ErrorLimit>,
}

/// A branch after the run has settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalState {
    /// The branch.
    #[serde(rename = "state")]
    pub branch: BranchId,
    /// Its balance.
    pub balance: Money,
    /// The lowest balance it ever held; `None` if it does not report that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lowest_balance: Option<Money>,
    /// Whether all of its propagations had ended when it was read.
    pub settled: bool,
    /// How much of each log it holds; `None` if its scheme keeps no logs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<Version>,
}

/// A run, recorded or simulated.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the run was set to.
    pub header: Header,
    /// All operations.
    pub history: History,
    /// The logs of the branches.
    pub ledgers: Ledgers,
    /// The branches at the end, those that could be asked.
    pub finals: Vec<FinalState>,
}

impl Header {
    /// The header of a run on `branches` that is not given any rights, reference model or error limit.
    pub fn new(
        settings: Settings,
        opening: Money,
        branches: impl IntoIterator<Item = BranchId>,
    ) -> Self {
        let mut branches: Vec<BranchId> = branches.into_iter().collect();
        branches.sort_unstable();
        branches.dedup();
        Self { opening, branches, settings, rights: None, reference_model: None, error_limit: None }
    }
}

impl Run {
    /// A run of which nothing is recorded yet.
    pub fn new(header: Header) -> Self {
        let history = History::new(header.branches.iter().copied());
        let ledgers = Ledgers::missing(header.branches.len());
        Self { header, history, ledgers, finals: Vec::new() }
    }

    /// Reads a run from its `history.jsonl` and its `ledger.jsonl`.
    ///
    /// # Errors
    /// A file cannot be read, has a line that is not valid, or the two are not of one run.
    pub fn read(history: &Path, ledger: &Path) -> Result<Self, RecordedError> {
        read_run(history, ledger)
    }
}
