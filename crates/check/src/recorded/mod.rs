//! A recorded run judged: what customers saw and what branches logged, to one verdict a property.
//!
//! Pure and near-linear. One file a property, each from [`RunIndex`] to a finding. What a missing part of the
//! record could hide makes a verdict unknown; what is wrong in the rest stays wrong.

mod availability;
mod balance_bounds;
mod bounds;
mod causal;
mod conservation;
mod convergence;
mod durability;
#[cfg(test)]
pub(super) mod fixture;
mod index;
mod linearizable;
mod monotonic_reads;
mod monotonic_writes;
mod overdraft;
mod read_your_writes;
mod reference_model;
mod session;
mod value;
mod writes_follow_reads;

use history::Run;

use super::promises::promises;
use super::{Finding, Property};

pub use index::RunIndex;

/// A finding, and whether the settings promise that property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What was found.
    pub finding: Finding,
    /// A broken promise fails the run; what holds without being promised is only observed.
    pub promised: bool,
}

/// Judges one property.
pub type Check = fn(&RunIndex<'_>) -> Finding;

/// Every property of a recorded run, in the order of reports.
pub const CHECKS: [(Property, Check); 13] = [
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
    (Property::Availability, availability::availability),
];

/// What is missing where answers can be judged by their balances only: under the broadcast scheme, and of other programs.
pub const NO_VERSIONS: &str = "no branch has a ledger in which a version could be resolved";

/// Whether a property can be judged from versions and ledgers only.
const fn needs_versions(property: Property) -> bool {
    matches!(
        property,
        Property::Value
            | Property::Durability
            | Property::MonotonicReads
            | Property::MonotonicWrites
            | Property::WritesFollowReads
            | Property::Causal
    )
}

/// Judges one property, if the run has any evidence of it.
fn examine(run: &RunIndex<'_>, (property, check): (Property, Check)) -> Finding {
    if needs_versions(property) && run.lacks_versions() {
        let mut finding = Finding::new(property);
        finding.not_judged(NO_VERSIONS);
        return finding;
    }
    check(run)
}

/// Judges all properties of a run, that of its reference model first. Time grows with the number of operations times that of branches, and with
/// the logarithm of the former where operations have to be put in order.
pub fn judge(recorded: &Run) -> Vec<Judged> {
    let run = RunIndex::of(recorded);
    let model = recorded.header.reference_model;
    let model = model.map(|model| reference_model::reference_model(&run, model));
    let findings = model.into_iter().chain(CHECKS.into_iter().map(|check| examine(&run, check)));
    let is_empty = recorded.history.is_complete() && recorded.history.is_empty();
    let judged = |mut finding: Finding| {
        if is_empty {
            finding.not_judged("no operation was sent");
        }
        let promised = promises(recorded.header.settings, finding.property);
        Judged { finding, promised }
    };
    findings.map(judged).collect()
}

#[cfg(test)]
mod tests {
    use bank::Money;

    use super::fixture::Fixture;
    use super::*;
    use crate::Verdict;
    use history::Server;

    #[test]
    fn a_healthy_run_holds_in_every_property() {
        let judged = judge(&Fixture::healthy().run());
        assert_eq!(judged.len(), CHECKS.len());
        for Judged { finding, promised } in judged {
            let expected = match finding.property {
                // No customer writes twice.
                Property::MonotonicWrites => Verdict::NotJudged,
                _ => Verdict::Pass,
            };
            assert_eq!(finding.verdict, expected, "{finding:?}");
            assert_eq!(promised, finding.property != Property::Linearizable);
        }
    }

    #[test]
    fn a_history_with_gaps_proves_nothing() {
        let gaps = Fixture { complete: false, ..Fixture::healthy() };
        for Judged { finding, .. } in judge(&gaps.run()) {
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
        let lost = Fixture { lost: vec![1], ..Fixture::healthy() };
        for Judged { finding, .. } in judge(&lost.run()) {
            let expected = match finding.property {
                // Nobody writes twice.
                Property::MonotonicWrites => Verdict::NotJudged,
                // The others have what the lost one acknowledged, and versions and answers speak for themselves.
                Property::Availability
                | Property::Durability
                | Property::Convergence
                | Property::BalanceBounds
                | Property::ReadYourWrites
                | Property::MonotonicReads => Verdict::Pass,
                _ => Verdict::Unknown,
            };
            assert_eq!(finding.verdict, expected, "{finding:?}");
        }
    }

    #[test]
    fn a_run_without_operations_is_not_judged_at_all() {
        for Judged { finding, .. } in judge(&Fixture::new(100, 2).run()) {
            assert_eq!(finding.verdict, Verdict::NotJudged, "{finding:?}");
        }
        // What was not recorded may have been anything.
        let gaps = Fixture { complete: false, ..Fixture::new(100, 2) };
        assert!(
            judge(&gaps.run()).iter().all(|judged| judged.finding.verdict != Verdict::NotJudged)
        );
    }

    #[test]
    fn answers_without_versions_are_evidence_of_balances_only() {
        let mut scene = Fixture { lost: vec![0, 1], ..Fixture::healthy() };
        scene.calls.iter_mut().for_each(|call| call.version = None);
        let not_judged = |scene: &Fixture| {
            let judged = judge(&scene.run()).into_iter().map(|judged| judged.finding);
            let missing = judged.filter(|finding| finding.note == NO_VERSIONS);
            missing.map(|finding| (finding.property, finding.verdict)).collect::<Vec<_>>()
        };
        assert_eq!(not_judged(&scene), [], "the passbook scheme has versions");
        let needing = CHECKS.into_iter().filter(|(property, _)| needs_versions(*property));
        let needing: Vec<_> = needing.map(|(property, _)| (property, Verdict::NotJudged)).collect();
        for server in [Server::Broadcast, Server::Foreign] {
            scene.settings.server = server;
            assert_eq!(not_judged(&scene), needing);
        }
        assert_eq!(needing.len(), 6);
    }

    #[test]
    fn versions_without_any_ledger_count_as_none() {
        let mut scene = Fixture { lost: vec![0, 1], ..Fixture::healthy() };
        scene.settings.server = Server::Foreign;
        scene.finals = Some(Vec::new());
        // Without logs no order can be built for a refusal.
        scene.calls.pop();
        for property in [Property::Value, Property::Durability, Property::Causal] {
            scene.is_not_judged(property, NO_VERSIONS);
        }
        let bounded = [Property::BalanceBounds, Property::ReadYourWrites, Property::Linearizable];
        for property in bounded {
            assert_eq!(scene.verdict(property), Verdict::Pass, "{property:?}");
        }
        let mut wrong = scene.clone();
        wrong.calls[1].balance = Some(Money::new(1_000_153));
        for property in bounded {
            wrong.fails(property, (1, 2), "was shown 1000153");
        }
        // Under the passbook scheme there are ledgers; only the record lacks them.
        wrong.settings.server = Server::Passbook;
        assert_eq!(wrong.verdict(Property::ReadYourWrites), Verdict::Pass);
        assert_eq!(wrong.verdict(Property::BalanceBounds), Verdict::NotJudged);
    }

    #[test]
    fn what_is_wrong_stays_wrong_where_something_is_missing() {
        let mut scene = Fixture { complete: false, lost: vec![0], ..Fixture::healthy() };
        scene.calls[4].version = Some(&[0, 1]);
        assert_eq!(scene.verdict(Property::MonotonicReads), Verdict::Fail);
        assert_eq!(scene.verdict(Property::ReadYourWrites), Verdict::Unknown);
    }
}
