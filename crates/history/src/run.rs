//! A run as the checks read it.

use std::fmt;

use bank::{BranchId, CustomerId, Money, Operation, Outcome, Version};

use super::{ErrorLimit, History, Ledgers, ReferenceModel, Settings};

/// One operation as its customer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Who asked.
    pub customer: CustomerId,
    /// The how-manieth operation of that customer this is, from 1.
    pub event: u64,
    /// Which branch was asked.
    pub branch: BranchId,
    /// What was asked.
    pub operation: Operation,
    /// What became of it.
    pub outcome: Outcome,
    /// The balance in the answer, if there was one.
    pub balance: Option<Money>,
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customer, event, branch, operation, .. } = self;
        write!(f, "operation {event} of customer {customer} ({operation} at branch {branch})")
    }
}

/// A branch after the run has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchState {
    /// Which branch.
    pub branch: BranchId,
    /// What it holds.
    pub balance: Money,
    /// The least it ever held; `None` if it does not tell.
    pub lowest_balance: Option<Money>,
    /// Whether all of its propagations had ended when it was read.
    pub settled: bool,
}

/// A branch after the run has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalState {
    /// What every scheme tells.
    pub state: BranchState,
    /// How much of each log it holds, where the scheme knows.
    pub version: Option<Version>,
}

/// A recorded run.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What the run was set to.
    pub settings: Settings,
    /// What the answers must be right as, beside what their versions show.
    pub edition: Option<ReferenceModel>,
    /// What the account held at the start.
    pub opening: Money,
    /// What each branch had the rights to at the start, by member, where the cluster had a past. Otherwise each
    /// has its equal share of the opening balance.
    pub rights: Option<&'a [i64]>,
    /// How many operations may fail; `None` if the run does not say, which leaves its availability not judged.
    pub error_limit: Option<ErrorLimit>,
    /// What customers saw.
    pub history: &'a History,
    /// What branches logged.
    pub ledgers: &'a Ledgers,
    /// What branches hold at the end, those that could be asked.
    pub finals: &'a [FinalState],
}
