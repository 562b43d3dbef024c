//! One file for each property, and the list of those that are checked in recorded and simulated runs.

mod availability;
mod balance_bounds;
mod causal;
mod conservation;
mod convergence;
mod durability;
mod final_balance;
mod future_reads;
mod linearizable;
mod monotonic_reads;
mod monotonic_writes;
mod output_file;
mod overdraft;
mod read_your_writes;
mod sequential;
mod value;
mod writes_follow_reads;

use crate::examination::Examination;
use crate::{Property, RunIndex};

pub use final_balance::final_balance;
pub use output_file::OutputFile;
pub use sequential::sequential;

/// A check of one property of a run.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The property.
    pub property: Property,
    pub(crate) evidence: Evidence,
    pub(crate) examine: fn(&RunIndex<'_>) -> Examination,
}

/// What a check reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Answers with versions, and the logs in which versions can be resolved.
    Versions,
    /// Answers, of which balances alone say something.
    Answers,
    /// What branches hold at the end, which does not depend on any answer.
    FinalStates,
}

const fn check(
    property: Property,
    evidence: Evidence,
    examine: fn(&RunIndex<'_>) -> Examination,
) -> Check {
    Check { property, evidence, examine }
}

/// Every property of a run that customers can see, in the order of reports.
pub const CHECKS: [Check; 14] = [
    check(Property::Value, Evidence::Versions, value::examine),
    check(Property::BalanceBounds, Evidence::Answers, balance_bounds::examine),
    check(Property::Conservation, Evidence::Answers, conservation::examine),
    check(Property::Overdraft, Evidence::Answers, overdraft::examine),
    check(Property::Convergence, Evidence::FinalStates, convergence::examine),
    check(Property::Durability, Evidence::Versions, durability::examine),
    check(Property::ReadYourWrites, Evidence::Answers, read_your_writes::examine),
    check(Property::MonotonicReads, Evidence::Versions, monotonic_reads::examine),
    check(Property::MonotonicWrites, Evidence::Versions, monotonic_writes::examine),
    check(Property::WritesFollowReads, Evidence::Versions, writes_follow_reads::examine),
    check(Property::FutureReads, Evidence::Versions, future_reads::examine),
    check(Property::Causal, Evidence::Versions, causal::examine),
    check(Property::Linearizable, Evidence::Answers, linearizable::examine),
    check(Property::Availability, Evidence::Answers, availability::examine),
];
