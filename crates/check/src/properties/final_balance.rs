//! Customers came all at once and every query was answered after everything had settled.

use std::collections::HashMap;

use bank::{CustomerId, Money, Operation, Outcome, WriteKind};
use history::OperationRecord;

use super::sequential::{UnknownOutcomes, difference};
use crate::evidence::PossibleBalances;
use crate::examination::{Examination, Gap};
use crate::{Finding, Property, Violation};

/// Every query must show the opening balance + the accepted deposits − the accepted withdrawals, and
/// each refusal needs some order of the operations in which it is right: one in which everything that
/// the others withdrew came before it, and nothing that they deposited.
///
/// That bound is sound: what it rejects no order explains. An unanswered write may or may not have
/// happened; the verdict is then unknown at best, as it is after a rejection for a passing reason.
pub fn final_balance<'a>(
    opening: Money,
    operations: impl Iterator<Item = (usize, OperationRecord<'a>)> + Clone,
) -> Finding {
    let mut examination = Examination::default();
    let opening = i128::from(opening.minor_units());
    let mut accepted = opening;
    let mut unanswered = Vec::new();
    let mut withdrawn: HashMap<CustomerId, i128> = HashMap::new();
    for (_, seen) in operations.clone() {
        let Operation::Write(write) = seen.operation else { continue };
        match seen.outcome {
            Outcome::Ok => accepted += write.delta(),
            Outcome::Unknown => unanswered.push(write),
            Outcome::Rejected(_) => continue,
        }
        *withdrawn.entry(seen.customer).or_default() += (-write.delta()).max(0);
    }
    let mut possible = PossibleBalances::exactly(accepted);
    for write in &unanswered {
        possible.may_apply(*write);
    }
    if !possible.narrow(|balance| balance >= 0) {
        examination.violate(|| {
            let left = possible.describe();
            let description = format!("more was paid out than there was: {left} would be left");
            Violation { operations: Vec::new(), description }
        });
    }
    let withdrawn_by_all: i128 = withdrawn.values().sum();
    // With everything deposited first.
    let most = accepted + withdrawn_by_all;
    let mut own: HashMap<CustomerId, i128> = HashMap::new();
    let mut unknown = UnknownOutcomes::default();
    let mut count = 0_u64;
    for (place, seen) in operations {
        count += 1;
        let before = own.entry(seen.customer).or_default();
        match (seen.operation, seen.outcome) {
            (_, Outcome::Rejected(reason)) if reason.is_retryable() => unknown.rejected += 1,
            (Operation::Write(write), Outcome::Ok) => *before += write.delta(),
            // It may have happened: the least is what matters for the refusals that follow.
            (Operation::Write(write), Outcome::Unknown) => {
                unknown.unanswered += 1;
                *before += write.delta().min(0);
            }
            (Operation::Write(write), Outcome::Rejected(_)) => {
                let mine = withdrawn.get(&seen.customer).copied().unwrap_or_default();
                let least = opening + *before - (withdrawn_by_all - mine);
                let amount = i128::from(write.amount.minor_units());
                let legal = match write.kind {
                    WriteKind::Withdraw => least < amount,
                    WriteKind::Deposit => most + amount > i128::from(i64::MAX),
                };
                if !legal {
                    examination.violate(|| {
                        let expected = format!("success (there was {least} or more in any order)");
                        difference(place, &seen, &expected, "fail")
                    });
                }
            }
            (Operation::Query, Outcome::Unknown) => unknown.unanswered += 1,
            (Operation::Query, Outcome::Ok | Outcome::Rejected(_)) => {
                let shown = seen.balance.map(|money| i128::from(money.minor_units()));
                let right = shown.is_some_and(|shown| possible.narrow(|balance| balance == shown));
                if !right {
                    examination.violate(|| {
                        let shown = shown.map_or("fail".to_owned(), |shown| shown.to_string());
                        difference(place, &seen, &possible.describe(), &shown)
                    });
                }
            }
        }
    }
    examination.summarize(
        format!("every query shows {}", possible.describe()),
        "the answers are not those of any order",
    );
    examination.gap_if(Gap::Outcomes, unknown.describe());
    examination.needs_evidence(count > 0, "there is no operation");
    examination.conclude(Property::FinalBalance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::fixture::{ok, read, refused, unanswered};
    use bank::Rejection;

    fn judge(opening: i64, seen: &[OperationRecord<'_>]) -> Finding {
        final_balance(Money::new(opening), seen.iter().copied().enumerate())
    }

    #[test]
    fn every_query_shows_the_end_wherever_it_stands() {
        let shown = |balance| {
            judge(
                400,
                &[
                    read(1, 500),
                    ok(2, Operation::deposit(170), 1, (0, 1)),
                    ok(3, Operation::withdraw(70), 1, (0, 1)),
                    read(3, balance),
                ],
            )
        };
        assert_eq!(shown(500).verdict, Verdict::Pass);
        assert_eq!(shown(570).verdict, Verdict::Fail);
        assert!(shown(570).violations[0].description.contains("expected 500, received 570"));
    }

    #[test]
    fn no_operation_is_not_judged() {
        assert_eq!(judge(400, &[]).verdict, Verdict::NotJudged);
    }

    #[test]
    fn a_refusal_needs_an_order_that_explains_it() {
        let race = [
            ok(1, Operation::withdraw(60), 1, (0, 1)),
            refused(2, Operation::withdraw(60), 1, (0, 1)),
        ];
        assert_eq!(judge(100, &race).verdict, Verdict::Pass);
        assert_eq!(judge(120, &race).verdict, Verdict::Fail);
        let own = [
            ok(2, Operation::deposit(50), 1, (0, 1)),
            refused(2, Operation::withdraw(120), 1, (0, 1)),
        ];
        assert_eq!(judge(100, &own).verdict, Verdict::Fail, "the own deposit came before");
        let others = [
            ok(1, Operation::deposit(50), 1, (0, 1)),
            refused(2, Operation::withdraw(120), 1, (0, 1)),
        ];
        assert_eq!(judge(100, &others).verdict, Verdict::Pass, "the deposit may have come after");
        assert_eq!(
            judge(100, &[refused(1, Operation::deposit(5), 1, (0, 1))]).verdict,
            Verdict::Fail
        );
    }

    #[test]
    fn more_paid_out_than_there_was_fails() {
        let seen =
            [ok(1, Operation::withdraw(60), 1, (0, 1)), ok(2, Operation::withdraw(60), 1, (0, 1))];
        assert_eq!(judge(100, &seen).verdict, Verdict::Fail);
    }

    #[test]
    fn a_rejection_for_a_passing_reason_needs_no_order_and_never_passes() {
        let rejected = |reason| OperationRecord {
            outcome: Outcome::Rejected(reason),
            ..ok(1, Operation::deposit(5), 1, (0, 1))
        };
        assert_eq!(judge(10, &[rejected(Rejection::TooFewBranches)]).verdict, Verdict::Unknown);
        assert_eq!(judge(10, &[rejected(Rejection::BadRequest)]).verdict, Verdict::Fail);
    }

    #[test]
    fn an_unanswered_write_never_passes() {
        let shown = |balance| {
            judge(10, &[unanswered(1, Operation::deposit(5), 1, 0), read(2, balance)]).verdict
        };
        assert_eq!(
            (shown(10), shown(15), shown(12)),
            (Verdict::Unknown, Verdict::Unknown, Verdict::Fail)
        );
    }
}
