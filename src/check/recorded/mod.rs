//! A recorded run judged: what customers saw and what branches logged, to one verdict a property.
//!
//! Pure and near-linear. One file a property, each from [`Facts`] to a finding. What a missing part of the
//! record could hide makes a verdict unknown; what is wrong in the rest stays wrong.

mod balance_bounds;
mod bounds;
mod call;
mod causal;
mod conservation;
mod convergence;
mod durability;
mod edition;
mod facts;
mod history;
mod ledgers;
mod linearizable;
mod monotonic_reads;
mod monotonic_writes;
mod overdraft;
mod read_your_writes;
#[cfg(test)]
pub(super) mod scene;
mod session;
mod value;
mod writes_follow_reads;

use super::promises::{Edition, Settings};
use super::{BranchState, Finding, Property};
use crate::bank::{Money, Version};

pub use call::{Call, Unfit};
pub use facts::Facts;
pub use history::History;
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
    /// What the answers must be right as, beside what their versions show.
    pub edition: Option<Edition>,
    /// What the account held at the start.
    pub opening: Money,
    /// What each branch had the rights to at the start, by member, where the cluster had a past. Otherwise each
    /// has its equal share of the opening balance.
    pub rights: Option<&'a [i64]>,
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
pub const CHECKS: [(Property, Check); 12] = [
    (Property::Value, value::value),
    (Property::BalanceBounds, balance_bounds::balance_bounds),
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

/// Judges all properties of a run, that of its edition first. Time grows with the number of operations times that of branches, and with
/// the logarithm of the former where operations have to be put in order.
pub fn judge(case: &Case<'_>) -> Vec<Judged> {
    let facts = Facts::of(*case);
    let edition = case.edition.map(|edition| edition::edition(&facts, edition));
    let findings = edition.into_iter().chain(CHECKS.into_iter().map(|(_, check)| check(&facts)));
    let judged = |mut finding: Finding| {
        facts.name_operations(&mut finding);
        let promised = case.settings.promises(finding.property);
        Judged { finding, promised }
    };
    findings.map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::scene::Scene;
    use super::*;
    use crate::check::Verdict;

    #[test]
    fn a_healthy_run_holds_in_every_property() {
        let judged = Scene::healthy().with(judge);
        assert_eq!(judged.len(), CHECKS.len());
        for Judged { finding, promised } in judged {
            assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
            assert_eq!(promised, finding.property != Property::Linearizable);
        }
    }

    #[test]
    fn a_history_with_gaps_proves_nothing() {
        let gaps = Scene { complete: false, ..Scene::healthy() };
        for Judged { finding, .. } in gaps.with(judge) {
            // What branches hold at the end does not depend on it.
            let expected = match finding.property {
                Property::Convergence => Verdict::Pass,
                _ => Verdict::Unknown,
            };
            assert_eq!(finding.verdict, expected, "{finding:?}");
        }
    }

    #[test]
    fn a_lost_ledger_hides_what_it_could_tell() {
        let lost = Scene { lost: vec![1], ..Scene::healthy() };
        for Judged { finding, .. } in lost.with(judge) {
            let expected = match finding.property {
                // The others have what the lost one acknowledged, versions speak for themselves, and
                // who wrote there had written nothing before.
                Property::Durability
                | Property::Convergence
                | Property::BalanceBounds
                | Property::ReadYourWrites
                | Property::MonotonicReads
                | Property::MonotonicWrites => Verdict::Pass,
                _ => Verdict::Unknown,
            };
            assert_eq!(finding.verdict, expected, "{finding:?}");
        }
    }

    #[test]
    fn what_is_wrong_stays_wrong_where_something_is_missing() {
        let mut scene = Scene { complete: false, lost: vec![0], ..Scene::healthy() };
        scene.calls[4].version = Some(&[0, 1]);
        assert_eq!(scene.verdict(Property::MonotonicReads), Verdict::Fail);
        assert_eq!(scene.verdict(Property::ReadYourWrites), Verdict::Unknown);
    }
}
