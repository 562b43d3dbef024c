//! From a run to one verdict a property, and to that of the run.

use history::{ReferenceModel, Run, Settings};

use crate::examination::{Examination, Gap};
use crate::properties::{CHECKS, Check, Evidence};
use crate::{Finding, Property, RunIndex, Verdict, final_balance, promises, sequential};

/// A finding, and whether the settings promise that property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict with its reasons.
    pub finding: Finding,
    /// A broken promise fails the run; what holds without being promised is only observed.
    pub promised: bool,
}

/// What is missing where answers can be judged by their balances only: under the broadcast scheme, and of other programs.
pub const NO_VERSIONS: &str = "no branch has a ledger in which a version could be resolved";

const INCOMPLETE: &str = "the history is not whole: what is missing may say otherwise";

/// Judges one property, if the run has any evidence of it. A history with gaps proves nothing, whatever is right in
/// the rest of it.
pub(crate) fn examine(run: &RunIndex<'_>, check: &Check) -> Finding {
    let history = run.history();
    let mut examination = if check.evidence == Evidence::Versions && run.lacks_versions() {
        Examination::not_applicable(NO_VERSIONS)
    } else {
        (check.examine)(run)
    };
    if !history.is_complete() && check.evidence != Evidence::FinalStates {
        examination.gap(Gap::History, INCOMPLETE);
    }
    let finding = examination.conclude(check.property);
    if finding.verdict == Verdict::Pass && history.is_complete() && history.is_empty() {
        let note = "no operation was sent".to_owned();
        return Finding { verdict: Verdict::NotJudged, note, ..finding };
    }
    finding
}

/// Judges all answers by `model`: in the order in which they were asked where customers came one after another,
/// customer by customer where all came at once. A history with gaps is no account's.
fn examine_by_model(run: &RunIndex<'_>, model: ReferenceModel) -> Finding {
    let history = run.history();
    if !history.is_complete() {
        let mut examination = Examination::default();
        examination.gap(Gap::History, INCOMPLETE);
        return examination.conclude(match model {
            ReferenceModel::Sequential => Property::Sequential,
            ReferenceModel::FinalBalance => Property::FinalBalance,
        });
    }
    let mut places: Vec<usize> = (0..history.len()).collect();
    match model {
        ReferenceModel::Sequential => places.sort_by_key(|place| history.call(*place).invoked),
        ReferenceModel::FinalBalance => places.sort_by_key(|place| history.asked_as(*place)),
    }
    let operations = places.iter().map(|place| (*place, run.call(*place)));
    match model {
        ReferenceModel::Sequential => sequential(run.header().opening, operations),
        ReferenceModel::FinalBalance => final_balance(run.header().opening, operations),
    }
}

/// Judges all properties of a run, that of its reference model first. Time grows with the number of operations times that
/// of branches, and with the logarithm of the former where operations have to be put in order.
pub fn judge(run: &Run) -> Vec<Judged> {
    let index = RunIndex::of(run);
    let model = run.header.reference_model.map(|model| examine_by_model(&index, model));
    let findings = model.into_iter().chain(CHECKS.iter().map(|check| examine(&index, check)));
    findings.map(|finding| Judged::under(run.header.settings, finding)).collect()
}

/// The most serious verdict on a promised property. A property that is not judged does not count. Without evidence
/// nothing is known, unless a check fails.
pub fn verdict(judged: &[Judged]) -> Verdict {
    let promised = judged.iter().filter(|judged| judged.promised);
    let worst = promised.map(|judged| judged.finding.verdict).max();
    match worst {
        Some(verdict) if has_evidence(judged) || verdict == Verdict::Fail => verdict,
        Some(_) | None => Verdict::Unknown,
    }
}

/// Whether any promised property of the bank was judged. That of `output.json` is none: loadgen writes that file.
pub fn has_evidence(judged: &[Judged]) -> bool {
    judged.iter().any(|Judged { finding, promised }| {
        *promised
            && finding.property != Property::OutputFile
            && finding.verdict != Verdict::NotJudged
    })
}

impl Judged {
    /// A finding in a run with these settings.
    pub fn under(settings: Settings, finding: Finding) -> Self {
        Self { promised: promises(settings, finding.property), finding }
    }
}

#[cfg(test)]
mod tests {
    use bank::{Money, Operation};

    use super::*;
    use crate::Verdict;
    use crate::fixture::{Fixture, ok};
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
        let needing = CHECKS.iter().filter(|check| check.evidence == Evidence::Versions);
        let needing: Vec<_> = needing.map(|check| (check.property, Verdict::NotJudged)).collect();
        for server in [Server::Broadcast, Server::Foreign] {
            scene.settings.server = server;
            assert_eq!(not_judged(&scene), needing);
        }
        assert!(!needing.is_empty());
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

    fn first(scene: &Fixture) -> Judged {
        judge(&scene.run()).swap_remove(0)
    }

    /// The second customer's query stands first in the file and was asked last.
    fn scene(model: ReferenceModel, shown: i64) -> Fixture {
        let mut scene = Fixture { reference_model: Some(model), ..Fixture::new(100, 1) };
        scene.calls =
            vec![ok(2, Operation::Query, 1, (4, 5)), ok(1, Operation::deposit(10), 1, (0, 1))];
        scene.calls[0].balance = Some(Money::new(shown));
        scene
    }

    #[test]
    fn one_after_another_is_in_the_order_of_the_questions() {
        let right = first(&scene(ReferenceModel::Sequential, 110));
        assert_eq!(right.finding.property, Property::Sequential);
        assert_eq!(right.finding.verdict, Verdict::Pass, "{right:?}");
        let wrong = first(&scene(ReferenceModel::Sequential, 100)).finding;
        assert_eq!(wrong.verdict, Verdict::Fail);
        assert!(wrong.violations[0].operations[0].place == 0, "{wrong:?}");
    }

    #[test]
    fn all_at_once_shows_the_end_and_gaps_prove_nothing() {
        let right = first(&scene(ReferenceModel::FinalBalance, 110));
        assert_eq!(right.finding.property, Property::FinalBalance);
        assert_eq!((right.finding.verdict, right.promised), (Verdict::Pass, true));
        let wrong = first(&scene(ReferenceModel::FinalBalance, 100));
        assert_eq!(wrong.finding.verdict, Verdict::Fail);
        let gaps = Fixture { complete: false, ..scene(ReferenceModel::FinalBalance, 100) };
        assert_eq!(first(&gaps).finding.verdict, Verdict::Unknown);
    }

    fn judged(property: Property, verdict: Verdict, promised: bool) -> Judged {
        let finding = Finding {
            property,
            verdict,
            violations: Vec::new(),
            violations_total: 0,
            note: String::new(),
        };
        Judged { finding, promised }
    }

    #[test]
    fn the_worst_promised_verdict_counts_and_no_promise_is_no_pass() {
        let pass = judged(Property::Conservation, Verdict::Pass, true);
        let unknown = judged(Property::Convergence, Verdict::Unknown, true);
        let broken = judged(Property::Overdraft, Verdict::Fail, true);
        let observed = judged(Property::ReadYourWrites, Verdict::Fail, false);
        assert_eq!(verdict(&[pass.clone(), observed.clone()]), Verdict::Pass);
        assert_eq!(verdict(&[pass.clone(), unknown.clone()]), Verdict::Unknown);
        assert_eq!(verdict(&[unknown, broken, pass]), Verdict::Fail);
        assert_eq!(verdict(&[observed]), Verdict::Unknown);
    }

    #[test]
    fn verdict_is_unknown_when_no_promised_property_is_judged() {
        let empty = judged(Property::Conservation, Verdict::NotJudged, true);
        let pass = judged(Property::Convergence, Verdict::Pass, true);
        let seen = judged(Property::Linearizable, Verdict::Pass, false);
        assert_eq!(verdict(&[empty.clone(), seen]), Verdict::Unknown);
        assert_eq!(verdict(&[empty, pass]), Verdict::Pass);
    }

    #[test]
    fn output_file_is_no_evidence_about_the_bank() {
        let file = |verdict| judged(Property::OutputFile, verdict, true);
        let bank = |verdict| judged(Property::Conservation, verdict, true);
        let both = |one, other| verdict(&[file(one), bank(other)]);
        assert_eq!(both(Verdict::Pass, Verdict::NotJudged), Verdict::Unknown);
        assert_eq!(both(Verdict::Fail, Verdict::NotJudged), Verdict::Fail);
        assert_eq!(both(Verdict::Pass, Verdict::Pass), Verdict::Pass);
        assert_eq!(both(Verdict::Unknown, Verdict::Pass), Verdict::Unknown);
    }
}
