//! The balance of an answer is that of the entries it shows.

use super::truth::Truth;
use super::{Deed, Property, Violation, or_nothing, seqs};
use bank::{Answer, Ledger, Money, Outcome, Version};

/// An answer's balance is that of its version. Only a balance beyond 64 bits may be left out, and that of
/// an answer that is not a success.
pub(super) fn is_true(
    truth: &Truth,
    deed: Deed,
    answer: &Answer,
    version: &Version,
) -> Result<(), Violation> {
    let exact = truth.balance(version);
    let expected = exact.and_then(|balance| i64::try_from(balance).ok()).map(Money::new);
    let left_out = answer.balance.is_none() && answer.outcome != Outcome::Ok;
    Property::Value.unless(left_out || answer.balance == expected, || {
        format!(
            "{deed} {} and a balance of {}; the logs say {}",
            seqs(version),
            or_nothing(answer.balance),
            or_nothing(exact)
        )
    })
}

/// A ledger's balance is that of its rows.
pub(super) fn adds_up(truth: &Truth, deed: Deed, ledger: &Ledger) -> Result<(), Violation> {
    let expected = truth.balance(ledger.version());
    Property::Value.unless(expected == Some(ledger.total()), || {
        format!(
            "{deed} {} with a balance of {}; the logs say {}",
            seqs(ledger.version()),
            ledger.total(),
            or_nothing(expected)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::truth::tests::{version, write};
    use super::*;
    use bank::{Entry, Member, Rejection};

    const DEED: Deed = Deed::of(Member(0), "answers");

    fn found(truth: &Truth, outcome: Outcome, balance: Option<i64>, seqs: &[u64]) -> bool {
        let answer = Answer { outcome, balance: balance.map(Money::new) };
        let result = is_true(truth, DEED, &answer, &version(seqs));
        result.is_err_and(|violation| violation.property == Property::Value)
    }

    #[test]
    fn another_balance_than_that_of_the_version_is_found() {
        let mut truth = Truth::new(2, Money::new(10));
        write(&mut truth, 1, Entry::Withdraw(Money::new(3)), &[0, 0]);
        assert!(!found(&truth, Outcome::Ok, Some(7), &[0, 1]));
        assert!(!found(&truth, Outcome::Ok, Some(10), &[0, 0]));
        assert!(found(&truth, Outcome::Ok, Some(13), &[0, 1]));
        assert!(found(&truth, Outcome::Ok, None, &[0, 1]));
        let refused = Outcome::Rejected(Rejection::InsufficientFunds);
        assert!(!found(&truth, refused, None, &[0, 1]));
        assert!(found(&truth, refused, Some(10), &[0, 1]));
    }

    #[test]
    fn only_a_balance_beyond_64_bits_is_left_out() {
        let mut truth = Truth::new(1, Money::new(i64::MAX));
        write(&mut truth, 0, Entry::Deposit(Money::new(1)), &[0]);
        assert!(!found(&truth, Outcome::Ok, None, &[1]));
        assert!(found(&truth, Outcome::Ok, Some(i64::MAX), &[1]));
    }

    #[test]
    fn a_ledger_that_does_not_add_up_is_found() {
        let truth = Truth::new(1, Money::new(1));
        adds_up(&truth, DEED, &Ledger::new(Money::new(1), 1)).expect("it does");
        let found = adds_up(&truth, DEED, &Ledger::new(Money::new(2), 1)).expect_err("it does not");
        assert_eq!(found.property, Property::Value);
    }
}
