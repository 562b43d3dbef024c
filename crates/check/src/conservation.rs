//! Money neither appears nor vanishes.

use std::collections::BTreeMap;

use super::explanation::Difference;
use super::possible::Possible;
use super::{Evidence, Finding, Property};
use bank::{BranchId, Operation, Outcome, Rejection, WriteKind};

/// Why nothing is judged where no write had an effect that could be checked.
pub(super) const NO_WRITE: &str = "no write was accepted, and none was refused for its amount";

/// Whether a bank with that answer decided about the money of a write.
pub(super) const fn is_decided(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Ok | Outcome::Rejected(Rejection::InsufficientFunds | Rejection::OutOfRange)
    )
}

/// After settling every branch must hold the opening balance + the accepted deposits − the accepted
/// withdrawals. An acknowledged write that is missing or counted twice, and a refused one that
/// counts, each break the sum.
///
/// Unanswered writes may or may not have happened: every sum they allow is legal, and the verdict is
/// then unknown at best. Without a write that was accepted, or refused for its amount, there is nothing to judge.
///
/// Branches that hold the same wrong balance are one violation, with the writes that explain the difference.
pub(super) fn conservation(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Property::Conservation);
    let opening = i128::from(evidence.opening.minor_units());
    let (mut deposited, mut withdrawn, mut unanswered) = (0_i128, 0_i128, Vec::new());
    let mut has_decided = false;
    for seen in evidence.observations {
        let Operation::Write(write) = seen.operation else { continue };
        match (seen.outcome, write.kind) {
            (Outcome::Ok, WriteKind::Deposit) => {
                deposited += i128::from(write.amount.minor_units());
            }
            (Outcome::Ok, WriteKind::Withdraw) => {
                withdrawn += i128::from(write.amount.minor_units());
            }
            (Outcome::Unknown, _) => unanswered.push(write),
            (Outcome::Rejected(_), _) => {}
        }
        has_decided |= is_decided(seen.outcome);
    }
    let sum = opening + deposited - withdrawn;
    let mut possible = Possible::exactly(sum);
    for write in &unanswered {
        possible.may_apply(*write);
    }
    let formula = format!("{opening} + {deposited} deposited − {withdrawn} withdrawn = {sum}");
    let mut wrong: BTreeMap<i128, Vec<BranchId>> = BTreeMap::new();
    for state in evidence.branches {
        let held = i128::from(state.balance.minor_units());
        if possible.nearest(held) != Some(held) {
            wrong.entry(held).or_default().push(state.branch);
        }
    }
    let allowed = match unanswered.len() {
        0 => formula.clone(),
        n => format!("{formula} and the unanswered writes ({n}: {}) allow", possible.describe()),
    };
    let others_may_write = evidence.branches.len() == wrong.values().map(Vec::len).sum::<usize>();
    for (held, branches) in &wrong {
        let Some(expected) = possible.nearest(*held) else { continue };
        let is_everywhere = branches.len() == evidence.branches_total;
        let difference =
            Difference { held: *held, expected, branches, is_everywhere, others_may_write };
        finding.violate_with(|| {
            let (operations, reason) = difference.explain(evidence.observations);
            (operations, format!("{} {allowed}: {reason}", difference.describe()))
        });
    }
    finding.note.clone_from(&formula);
    if let Some(missing) = evidence.missing_branches() {
        finding.cannot_tell(missing);
    } else if !unanswered.is_empty() {
        let n = unanswered.len();
        finding
            .cannot_tell(format!("the outcome of {n} writes is unknown; {formula} without them"));
    } else if !has_decided {
        finding.not_judged(NO_WRITE);
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::testing::{branch, evidence, ok, refused, unanswered};
    use super::*;

    #[test]
    fn accepted_writes_count_once_and_refused_ones_not() {
        let seen = [
            ok(1, Operation::deposit(50), None),
            ok(2, Operation::withdraw(30), None),
            refused(2, Operation::withdraw(500)),
        ];
        let held = [branch(1, 120), branch(2, 120)];
        assert_eq!(conservation(&evidence(100, &seen, &held)).verdict, Verdict::Pass);
    }

    #[test]
    fn a_lost_a_doubled_and_a_refused_write_that_counts_are_found() {
        let seen = [ok(1, Operation::deposit(50), None), refused(1, Operation::withdraw(500))];
        for wrong in [100, 200, -350] {
            let held = [branch(1, 150), branch(2, wrong)];
            let finding = conservation(&evidence(100, &seen, &held));
            assert_eq!(finding.verdict, Verdict::Fail);
            assert_eq!(finding.violations_total, 1);
            assert!(finding.violations[0].story.starts_with("branch 2 holds"), "{finding:?}");
        }
    }

    #[test]
    fn a_wrong_balance_is_reported_with_the_write_that_fits() {
        let seen = [ok(1, Operation::deposit(50), None), ok(2, Operation::withdraw(30), None)];
        let held = |balances: [i64; 3]| {
            let branches: Vec<_> = (1..).zip(balances).map(|(id, held)| branch(id, held)).collect();
            conservation(&evidence(100, &seen, &branches)).violations
        };
        let [dropped] = &held([120, 150, 120])[..] else { panic!("one branch is wrong") };
        assert_eq!(
            dropped.story,
            "branch 2 holds 150, 30 more than 100 + 50 deposited − 30 withdrawn = 120: as if \
             operation 1 of customer 2 (withdraw 30 at branch 1) never reached branch 2"
        );
        assert_eq!(dropped.operation(), Some((bank::CustomerId(2), 1)));
        let [doubled] = &held([170; 3])[..] else { panic!("one balance is wrong") };
        assert!(doubled.story.starts_with("branches 1, 2 and 3 hold 170, 50 more"), "{doubled:?}");
        assert!(
            doubled.story.ends_with("(deposit 50 at branch 1) was applied twice"),
            "{doubled:?}"
        );
        assert!(held([120; 3]).is_empty());
        let others = "somebody else is writing to this cluster";
        assert!(held([999, 998, 998]).iter().all(|wrong| wrong.story.contains(others)));
        assert!(!held([999, 998, 120])[0].story.contains(others));
    }

    #[test]
    fn without_a_write_nothing_is_judged() {
        let query = [ok(1, Operation::Query, Some(100))];
        let verdict = |held| conservation(&evidence(100, &query, &[branch(1, held)])).verdict;
        assert_eq!((verdict(100), verdict(101)), (Verdict::NotJudged, Verdict::Fail));
    }

    #[test]
    fn an_unanswered_write_leaves_two_legal_sums_and_no_pass() {
        let seen = [ok(1, Operation::deposit(50), None), unanswered(1, Operation::withdraw(7))];
        let verdict = |held| conservation(&evidence(100, &seen, &[branch(1, held)])).verdict;
        assert_eq!(verdict(150), Verdict::Unknown);
        assert_eq!(verdict(143), Verdict::Unknown);
        assert_eq!(verdict(147), Verdict::Fail);
        let far = conservation(&evidence(100, &seen, &[branch(1, 193)]));
        assert_eq!(
            far.violations[0].story,
            "branch 1 holds 193, 43 more than 100 + 50 deposited − 0 withdrawn = 150 and the \
             unanswered writes (1: 143 to 150) allow: no one or two writes explain that: \
             somebody else is writing to this cluster, or more writes are lost or doubled"
        );
    }

    #[test]
    fn without_all_branches_nothing_is_proved() {
        assert_eq!(conservation(&evidence(100, &[], &[])).verdict, Verdict::Unknown);
        let held = [branch(1, 100)];
        let one_of_two = Evidence { branches_total: 2, ..evidence(100, &[], &held) };
        assert_eq!(conservation(&one_of_two).verdict, Verdict::Unknown);
    }
}
