//! A recorded run judged: what customers saw and what branches logged, to one verdict a property.
//!
//! Pure and near-linear. One file a property, each from [`Facts`] to a finding. What a missing part of the
//! record could hide makes a verdict unknown; what is wrong in the rest stays wrong.

mod bounds;
mod causal;
mod conservation;
mod convergence;
mod durability;
mod facts;
mod history;
mod ledgers;
mod linearizable;
mod monotonic_reads;
mod monotonic_writes;
mod overdraft;
mod read_your_writes;
#[cfg(test)]
mod scene;
mod session;
mod value;
mod writes_follow_reads;

use super::promises::Settings;
use super::{BranchState, Finding, Property};
use crate::bank::{Money, Version};

pub use facts::Facts;
pub use history::{Call, History, Unfit};
pub use ledgers::{Extent, Ledgers, Log, Logged};

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
    /// What the account held at the start.
    pub opening: Money,
    /// What customers saw.
    pub history: &'a History,
    /// What branches logged.
    pub ledgers: &'a Ledgers,
    /// What branches hold at the end, those that could be asked.
    pub finals: &'a [FinalState],
}

/// A finding, and whether the settings promise that property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What was found.
    pub finding: Finding,
    /// A broken promise fails the run; what holds without being promised is only observed.
    pub promised: bool,
}

/// Judges one property.
pub type Check = fn(&Facts<'_>) -> Finding;

/// Every property of a recorded run, in the order of reports.
pub const CHECKS: [(Property, Check); 11] = [
    (Property::Value, value::value),
    (Property::Conservation, conservation::conservation),
    (Property::Overdraft, overdraft::overdraft),
    (Property::Convergence, convergence::convergence),
    (Property::Durability, durability::durability),
    (Property::ReadYourWrites, read_your_writes::read_your_writes),
    (Property::MonotonicReads, monotonic_reads::monotonic_reads),
    (Property::MonotonicWrites, monotonic_writes::monotonic_writes),
    (Property::WritesFollowReads, writes_follow_reads::writes_follow_reads),
    (Property::Causal, causal::causal),
    (Property::Linearizable, linearizable::linearizable),
];

/// Judges all properties of a run. Time grows with the number of operations times that of branches, and with
/// the logarithm of the former where operations have to be put in order.
pub fn judge(case: &Case<'_>) -> Vec<Judged> {
    let facts = Facts::of(*case);
    let judged = |(property, check): (Property, Check)| {
        let mut finding = check(&facts);
        facts.name_operations(&mut finding);
        Judged { finding, promised: case.settings.promises(property) }
    };
    CHECKS.into_iter().map(judged).collect()
}
