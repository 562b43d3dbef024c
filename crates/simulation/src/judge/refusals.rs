//! What is said of the whole cluster was true at some moment between the question and the answer.

use super::timeline::{Moment, Timeline};
use super::truth::{Truth, signed};
use super::{Property, Violation, name, or_nothing, seqs};
use bank::{Operation, RequestId, Version, WriteKind};

/// There was a moment with too little money for a withdrawal that is refused.
pub(super) fn is_due(
    timeline: &Timeline,
    request: RequestId,
    operation: Operation,
    since: Moment,
) -> Result<(), Violation> {
    let amount = match operation {
        Operation::Write(write) if write.kind == WriteKind::Withdraw => write.amount,
        Operation::Write(_) | Operation::Query => {
            let detail = format!("{request}, a {operation}, is refused for insufficient funds");
            return Err(Property::Refusal.violated(detail));
        }
    };
    let lowest = timeline.lowest(since);
    Property::Refusal.unless(lowest < i128::from(amount.minor_units()), || {
        format!(
            "{request}, a {operation}, is refused for insufficient funds; the balance was never below {lowest} since it was asked"
        )
    })
}

/// The two ends of a refusal's proof prove it: all that was deposited by the later one and only what was
/// withdrawn by the earlier one are too little.
pub(super) fn is_proved(
    truth: &Truth,
    request: RequestId,
    operation: Operation,
    (version, at_most): (&Version, &Version),
) -> Result<(), Violation> {
    let Operation::Write(write) = operation else { return Ok(()) };
    let most = version.iter().zip(at_most.iter()).try_fold(truth.opening(), |most, pair| {
        let ((member, least), (_, later)) = pair;
        let (deposited, _) = truth.totals(member, later)?.moved();
        let (_, withdrawn) = truth.totals(member, least)?.moved();
        Some(most + signed(deposited) - signed(withdrawn))
    });
    let ordered = version.iter().zip(at_most.iter()).all(|((_, least), (_, most))| least <= most);
    let is_proof = most.is_some_and(|most| most < i128::from(write.amount.minor_units()));
    Property::Refusal.unless(is_proof && ordered, || {
        format!(
            "{request}, a {operation}, is refused by a proof from {} to {}, which allow {}",
            seqs(version),
            seqs(at_most),
            or_nothing(most)
        )
    })
}

/// There was a moment when the deposits and withdrawals of all branches were those of a snapshot.
pub(super) fn was_true(
    truth: &Truth,
    timeline: &Timeline,
    request: RequestId,
    since: Moment,
    version: &Version,
) -> Result<(), Violation> {
    let (mut begin, mut end) = (since, timeline.now());
    for (branch, seq) in version.iter() {
        let span = timeline.span(truth, branch, seq);
        // An empty span ends before it begins.
        let (first, last) = span.unwrap_or((1, 0));
        begin = begin.max(first);
        end = end.min(last);
        Property::Snapshot.unless(span.is_some() && begin <= end, || {
            format!(
                "{request} is shown the snapshot {}; with branch 1 to {} it was not true at any moment since it was asked",
                seqs(version),
                name(branch)
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::scene::request;
    use super::super::truth::tests::{version, write};
    use super::*;
    use bank::{Entry, Member, Money, Seq};

    /// Two branches and 10 in all; branch 0 takes out 4, then branch 1 pays in 1, then branch 0 pays in 5.
    fn history() -> (Truth, Timeline) {
        let mut truth = Truth::new(2, Money::new(10));
        let mut timeline = Timeline::new(2, 10);
        let entries = [
            (0, Entry::Withdraw(Money::new(4))),
            (1, Entry::Deposit(Money::new(1))),
            (0, Entry::Deposit(Money::new(5))),
        ];
        for (member, entry) in entries {
            write(&mut truth, member, entry, &[0, 0]);
            let branch = Member(member);
            timeline.publish(&truth, branch, truth.length(branch));
        }
        (truth, timeline)
    }

    #[test]
    fn a_refusal_needs_a_moment_with_too_little() {
        let (_, timeline) = history();
        let found = |operation, since| {
            is_due(&timeline, request(1, 1), operation, since).err().map(|found| found.property)
        };
        assert_eq!(found(Operation::withdraw(7), 0), None, "there were 6");
        assert_eq!(found(Operation::withdraw(6), 0), Some(Property::Refusal));
        assert_eq!(found(Operation::withdraw(8), 2), None, "there were 7");
        assert_eq!(found(Operation::withdraw(12), 3), Some(Property::Refusal), "12 were there");
        assert_eq!(found(Operation::deposit(99), 0), Some(Property::Refusal));
        assert_eq!(found(Operation::Query, 0), Some(Property::Refusal));
    }

    #[test]
    fn a_refusal_needs_ends_of_its_proof_that_prove_it() {
        let (truth, _) = history();
        let found = |amount, least: &[u64], most: &[u64]| {
            let ends = (&version(least), &version(most));
            is_proved(&truth, request(1, 1), Operation::withdraw(amount), ends).is_err()
        };
        assert!(!found(8, &[1, 0], &[1, 1]), "7 at most");
        assert!(found(7, &[1, 0], &[1, 1]), "7 may have been there");
        assert!(found(11, &[0, 1], &[2, 1]), "the withdrawal may have come later, and the deposit");
        assert!(found(99, &[1, 1], &[1, 0]), "it ends before it begins");
        assert!(found(99, &[1, 1], &[1, 2]), "never written");
    }

    #[test]
    fn a_snapshot_needs_a_moment_when_it_was_true() {
        let (truth, timeline) = history();
        let found = |seqs: &[u64], since| {
            let shown = version(seqs);
            was_true(&truth, &timeline, request(1, 1), since, &shown)
                .err()
                .map(|found| found.property)
        };
        for seqs in [[0, 0], [1, 0], [1, 1], [2, 1]] {
            assert_eq!(found(&seqs, 0), None);
        }
        assert_eq!(found(&[0, 1], 0), Some(Property::Snapshot), "never at once");
        assert_eq!(found(&[2, 0], 0), Some(Property::Snapshot), "never at once");
        assert_eq!(found(&[3, 1], 0), Some(Property::Snapshot), "never written");
        assert_eq!(found(&[1, 0], 2), Some(Property::Snapshot), "over before it was asked");
        assert_eq!(found(&[1, 1], 2), None);
    }

    #[test]
    fn a_snapshot_shows_nothing_that_has_not_taken_effect() {
        let (mut truth, timeline) = history();
        write(&mut truth, 1, Entry::Deposit(Money::new(1)), &[0, 0]);
        assert_eq!(truth.length(Member(1)), Seq(2));
        let shown = version(&[2, 2]);
        let found = was_true(&truth, &timeline, request(1, 1), 0, &shown).expect_err("not yet");
        assert_eq!(found.property, Property::Snapshot);
    }
}
