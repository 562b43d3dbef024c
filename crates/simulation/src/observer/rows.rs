//! A row has one writer, only grows, and its chain is that of its log.

use super::truth::Truth;
use super::{Action, Violation, entries, name, or_nothing, require, words};
use bank::{Chain, Member, Row, Seq, Total};
use check::Property;

/// A row that somebody shows is what its branch has written, up to its length.
pub(super) fn is_true(truth: &Truth, action: Action, row: &Row) -> Result<(), Violation> {
    let (origin, seq) = (row.origin, row.seq);
    let (Some(totals), Some(chain)) = (truth.totals(origin, seq), truth.chain(origin, seq)) else {
        return require(Property::OneWriter, false, || {
            let written = truth.length(origin);
            format!("{action} {} of {}, which has written {written}", entries(seq), name(origin))
        });
    };
    let granted = (0..).map(Member).zip(totals.granted.iter());
    let same = row.chain == chain
        && row.deposited == Total(totals.deposited)
        && row.withdrawn == Total(totals.withdrawn)
        && row.granted.totals().len() <= totals.granted.len()
        && granted.into_iter().all(|(member, total)| row.granted.to(member) == Total(*total));
    require(Property::OneWriter, same, || {
        format!(
            "{action} {} of {} as {}; what was written is {totals} with the chain {:x}",
            entries(seq),
            name(origin),
            words::row(row),
            chain.0
        )
    })
}

/// A hash over a prefix of a log, as somebody else holds it.
pub(super) fn is_true_chain(
    truth: &Truth,
    action: Action,
    origin: Member,
    (seq, chain): (Seq, Chain),
) -> Result<(), Violation> {
    let expected = truth.chain(origin, seq);
    require(Property::OneWriter, expected == Some(chain), || {
        format!(
            "{action} {} of {} with the chain {:x}; what was written has {}",
            entries(seq),
            name(origin),
            chain.0,
            or_nothing(expected.map(|chain| format!("{:x}", chain.0)))
        )
    })
}

/// A row never shrinks where it is held.
pub(super) fn has_not_shrunk(
    action: Action,
    origin: Member,
    before: Seq,
    now: Seq,
) -> Result<(), Violation> {
    require(Property::OneWriter, before <= now, || {
        format!("{action} {} of {} after it showed {}", entries(now), name(origin), before.0)
    })
}

#[cfg(test)]
mod tests {
    use super::super::truth::tests::write;
    use super::*;
    use bank::{Entry, Grants, Money};

    #[test]
    fn only_the_row_that_was_written_is_true() {
        let action = Action::of(Member(0), "shows");
        let mut truth = Truth::new(2, Money::ZERO);
        let mut row = Row::empty(Member(1));
        is_true(&truth, action, &row).expect("an empty log");
        let grant = Entry::Grant { to: Member(0), amount: Money::new(2) };
        for entry in [Entry::Deposit(Money::new(5)), grant, Entry::Withdraw(Money::new(1))] {
            write(&mut truth, 1, entry, &[0, 0]);
            row.append(&entry, None);
            is_true(&truth, action, &row).expect("as it was written");
        }
        let mut wrong = vec![row.clone(); 7];
        wrong[0].deposited = Total(6);
        wrong[1].withdrawn = Total(0);
        wrong[2].granted = Grants::default();
        wrong[3].chain = Chain(1);
        wrong[4].origin = Member(0);
        wrong[5].origin = Member(2);
        wrong[6].append(&Entry::Deposit(Money::new(1)), None);
        for row in wrong {
            let violation = is_true(&truth, action, &row).expect_err("not what was written");
            assert_eq!(violation.property, Property::OneWriter, "{row:?}");
        }
    }

    #[test]
    fn a_chain_of_another_log_and_a_shorter_row_are_found() {
        let action = Action::of(Member(0), "knows");
        let mut truth = Truth::new(1, Money::ZERO);
        write(&mut truth, 0, Entry::Deposit(Money::new(5)), &[0]);
        let chain = truth.chain(Member(0), Seq(1)).expect("an entry");
        is_true_chain(&truth, action, Member(0), (Seq(1), chain)).expect("as it was written");
        for wrong in [(Seq(1), Chain(9)), (Seq(2), chain), (Seq(0), chain)] {
            let found = is_true_chain(&truth, action, Member(0), wrong).expect_err("another");
            assert_eq!(found.property, Property::OneWriter);
        }
        has_not_shrunk(action, Member(0), Seq(1), Seq(1)).expect("the same");
        let found = has_not_shrunk(action, Member(0), Seq(2), Seq(1)).expect_err("shorter");
        assert_eq!(found.property, Property::OneWriter);
    }
}
