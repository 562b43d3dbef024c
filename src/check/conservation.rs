//! Money neither appears nor vanishes.

use super::possible::Possible;
use super::{Evidence, Finding, Property};
use crate::bank::{Operation, Outcome, WriteKind};

/// After settling every branch must hold the opening balance + the accepted deposits − the accepted
/// withdrawals. An acknowledged write that is missing or counted twice, and a refused one that
/// counts, each break the sum.
///
/// Unanswered writes may or may not have happened: every sum they allow is legal, and the verdict is
/// then unknown at best.
pub(super) fn conservation(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Property::Conservation);
    let opening = i128::from(evidence.opening.minor_units());
    let (mut deposited, mut withdrawn, mut unanswered) = (0_i128, 0_i128, Vec::new());
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
    }
    let sum = opening + deposited - withdrawn;
    let mut possible = Possible::exactly(sum);
    for write in &unanswered {
        possible.may_apply(*write);
    }
    let formula = format!("{opening} + {deposited} deposited − {withdrawn} withdrawn = {sum}");
    for state in evidence.branches {
        let held = i128::from(state.balance.minor_units());
        if !possible.clone().narrow(|balance| balance == held) {
            finding.violate(None, || {
                let but = match unanswered.len() {
                    0 => String::new(),
                    n => format!(" (with {n} unanswered writes: {})", possible.describe()),
                };
                format!("branch {} holds {held}, but {formula}{but}", state.branch)
            });
        }
    }
    finding.note.clone_from(&formula);
    if let Some(missing) = evidence.missing_branches() {
        finding.cannot_tell(missing);
    } else if !unanswered.is_empty() {
        let n = unanswered.len();
        finding.cannot_tell(format!("{n} writes were never answered; {formula} without them"));
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
    fn an_unanswered_write_leaves_two_legal_sums_and_no_pass() {
        let seen = [ok(1, Operation::deposit(50), None), unanswered(1, Operation::withdraw(7))];
        let verdict = |held| conservation(&evidence(100, &seen, &[branch(1, held)])).verdict;
        assert_eq!(verdict(150), Verdict::Unknown);
        assert_eq!(verdict(143), Verdict::Unknown);
        assert_eq!(verdict(147), Verdict::Fail);
    }

    #[test]
    fn without_all_branches_nothing_is_proved() {
        assert_eq!(conservation(&evidence(100, &[], &[])).verdict, Verdict::Unknown);
        let held = [branch(1, 100)];
        let one_of_two = Evidence { branches_total: 2, ..evidence(100, &[], &held) };
        assert_eq!(conservation(&one_of_two).verdict, Verdict::Unknown);
    }
}
