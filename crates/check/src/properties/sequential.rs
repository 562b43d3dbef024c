//! Customers came one after another, so one account, asked in the same order, predicts every answer.

use bank::{Money, Operation, Outcome, Write};
use history::OperationRecord;

use crate::evidence::PossibleBalances;
use crate::examination::{Examination, Gap};
use crate::{Finding, Named, Property, Violation};

/// Compares every answer with that of one account that is asked in the order of `operations`:
/// a withdrawal succeeds if and only if it does not exceed the balance, a query shows the balance.
///
/// An unanswered write may or may not have happened; both possibilities are followed, and the
/// verdict is then unknown at best. So it is if an operation was rejected for a passing reason, such as a
/// branch that could not be reached: one account knows no such thing.
pub fn sequential<'a>(
    opening: Money,
    operations: impl Iterator<Item = (usize, OperationRecord<'a>)>,
) -> Finding {
    let mut examination = Examination::default();
    let mut possible = PossibleBalances::exactly(opening.minor_units().into());
    let mut unknown = UnknownOutcomes::default();
    let mut count = 0_u64;
    for (place, seen) in operations {
        count += 1;
        match (seen.operation, seen.outcome) {
            (_, Outcome::Rejected(reason)) if reason.is_retryable() => unknown.rejected += 1,
            (Operation::Write(write), Outcome::Ok | Outcome::Rejected(_)) => {
                let is_accepted = seen.outcome == Outcome::Ok;
                if !possible.narrow(|balance| covers(balance, write) == is_accepted) {
                    examination.violate(|| {
                        let held = possible.describe();
                        let (received, expected) =
                            if is_accepted { ("success", "fail") } else { ("fail", "success") };
                        let expected = format!("{expected} (the balance is {held})");
                        difference(place, &seen, &expected, received)
                    });
                }
                if is_accepted {
                    possible.apply(write);
                }
            }
            (Operation::Write(write), Outcome::Unknown) => {
                unknown.unanswered += 1;
                possible.may_apply(write);
            }
            (Operation::Query, Outcome::Ok) => {}
            (Operation::Query, Outcome::Rejected(_)) => {
                examination.violate(|| difference(place, &seen, &possible.describe(), "fail"));
            }
            (Operation::Query, Outcome::Unknown) => unknown.unanswered += 1,
        }
        if let Some(balance) = seen.balance {
            let shown = i128::from(balance.minor_units());
            if !possible.narrow(|balance| balance == shown) {
                examination
                    .violate(|| difference(place, &seen, &possible.describe(), &shown.to_string()));
            }
        }
    }
    examination.summarize(
        format!("{count} answers, all predicted"),
        "the answers differ from the model's",
    );
    examination.gap_if(Gap::Outcomes, unknown.describe());
    examination.needs_evidence(count > 0, "there is no operation");
    examination.conclude(Property::Sequential)
}

/// Operations that one account would have done or refused, and the bank did neither of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnknownOutcomes {
    pub(super) unanswered: u64,
    /// For reasons that say nothing about the balance.
    pub(super) rejected: u64,
}

impl UnknownOutcomes {
    /// What that leaves open, if anything.
    pub(super) fn describe(self) -> Option<String> {
        let Self { unanswered, rejected } = self;
        let unknown = format!("the outcome of {unanswered} operations is unknown");
        let reasons = "rejected for reasons other than insufficient funds";
        match (unanswered, rejected) {
            (0, 0) => None,
            (_, 0) => Some(unknown),
            (0, _) => Some(format!("{rejected} operations were {reasons}")),
            _ => Some(format!("{unknown}, and {rejected} were {reasons}")),
        }
    }
}

/// An answer that is not the expected one.
pub(super) fn difference(
    place: usize,
    seen: &OperationRecord<'_>,
    expected: &str,
    received: &str,
) -> Violation {
    let description = format!("{seen}: expected {expected}, received {received}");
    Violation { operations: vec![Named::of(seen, place)], description }
}

/// Whether the account may do it: it neither pays out more than it holds nor holds more than 64 bits.
fn covers(balance: i128, write: Write) -> bool {
    (0..=i128::from(i64::MAX)).contains(&(balance + write.delta()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::fixture::{ok, read, refused, unanswered};
    use bank::Rejection;

    fn judge(opening: i64, seen: &[OperationRecord<'_>]) -> Finding {
        sequential(Money::new(opening), seen.iter().copied().enumerate())
    }

    #[test]
    fn the_exercises_example_passes() {
        let finding = judge(
            400,
            &[
                read(1, 400),
                ok(2, Operation::deposit(170), 1, (0, 1)),
                read(2, 570),
                ok(3, Operation::withdraw(70), 1, (0, 1)),
                read(3, 500),
                refused(3, Operation::withdraw(501), 1, (0, 1)),
            ],
        );
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
    }

    #[test]
    fn no_operation_is_not_judged() {
        assert_eq!(judge(400, &[]).verdict, Verdict::NotJudged);
    }

    #[test]
    fn a_wrong_balance_names_customer_expected_and_received() {
        let seen = [ok(2, Operation::deposit(170), 1, (0, 1)), read(2, 230)];
        let finding = judge(400, &seen);
        assert_eq!(finding.verdict, Verdict::Fail);
        let description = &finding.violations[0].description;
        assert!(
            description.contains("customer 2")
                && description.contains("expected 570, received 230"),
            "{description}"
        );
    }

    #[test]
    fn a_withdrawal_that_should_have_failed_and_one_that_should_not_have_are_found() {
        assert_eq!(judge(10, &[ok(1, Operation::withdraw(11), 1, (0, 1))]).verdict, Verdict::Fail);
        assert_eq!(
            judge(10, &[refused(1, Operation::withdraw(10), 1, (0, 1))]).verdict,
            Verdict::Fail
        );
        assert_eq!(
            judge(10, &[refused(1, Operation::deposit(10), 1, (0, 1))]).verdict,
            Verdict::Fail
        );
    }

    #[test]
    fn a_deposit_beyond_64_bits_is_rightly_refused_and_wrongly_accepted() {
        let most = Operation::deposit(i64::MAX);
        assert_eq!(judge(1, &[refused(1, most, 1, (0, 1))]).verdict, Verdict::Pass);
        assert_eq!(judge(1, &[ok(1, most, 1, (0, 1))]).verdict, Verdict::Fail);
    }

    #[test]
    fn what_was_rejected_for_a_passing_reason_did_not_happen_and_never_passes() {
        let rejected = |reason| OperationRecord {
            outcome: Outcome::Rejected(reason),
            ..ok(1, Operation::deposit(5), 1, (0, 1))
        };
        let shown = |reason, shown| judge(10, &[rejected(reason), read(1, shown)]).verdict;
        assert_eq!(shown(Rejection::TooFewBranches, 10), Verdict::Unknown);
        assert_eq!(shown(Rejection::NotServed, 10), Verdict::Unknown, "an error is no refusal");
        assert_eq!(shown(Rejection::TooFewBranches, 15), Verdict::Fail, "it counts all the same");
        assert_eq!(shown(Rejection::BadRequest, 10), Verdict::Fail, "no account refuses it");
    }

    #[test]
    fn an_unanswered_write_is_followed_both_ways_and_never_passes() {
        let either =
            |shown| judge(10, &[unanswered(1, Operation::deposit(5), 1, 0), read(1, shown)]);
        assert_eq!(either(10).verdict, Verdict::Unknown);
        assert_eq!(either(15).verdict, Verdict::Unknown);
        assert_eq!(either(12).verdict, Verdict::Fail);
    }

    #[test]
    fn once_a_read_has_told_an_unanswered_write_stays_decided() {
        let finding =
            judge(10, &[unanswered(1, Operation::deposit(5), 1, 0), read(1, 15), read(1, 10)]);
        assert_eq!(finding.verdict, Verdict::Fail);
    }
}
