//! A customer's writes are made in their order.

use crate::RunIndex;
use crate::evidence::{writes_upon, wrote};
use crate::examination::Examination;

/// My second write is made where my first is known, so that nobody ever finds the second without the first.
///
/// Algorithm: what a write was made upon, by the log, must cover the join of its session's acknowledged writes;
/// nN. Where the log does not say it, the answer's version can prove a violation, and not that there is none: it may
/// be of later.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    writes_upon(
        run,
        |session| session.written,
        |place, call, member| wrote(run, place, call, member),
        "no customer wrote again after an acknowledged write",
    )
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, Shown as _, logged, ok, paid_in};
    use crate::{Property, Verdict};
    use bank::Operation;

    const MONOTONIC_WRITES: Property = Property::MonotonicWrites;

    /// Customer 1 writes at branch 1, then at branch 2.
    fn second(upon: &'static [u64]) -> Fixture {
        let mut scene = Fixture::new(100, 2);
        scene.calls = vec![
            ok(1, Operation::deposit(5), 1, (0, 1)).entry(1).shows(&[1, 0], 105),
            ok(1, Operation::deposit(6), 2, (2, 3)).entry(1).shows(&[1, 1], 111),
        ];
        scene.logs[0] = vec![logged(1, paid_in(5), (1, 1), &[0, 0])];
        scene.logs[1] = vec![logged(1, paid_in(6), (1, 2), upon)];
        scene
    }

    #[test]
    fn a_write_made_where_the_one_before_is_not_known_is_found() {
        assert_eq!(second(&[1, 0]).verdict(MONOTONIC_WRITES), Verdict::Pass);
        second(&[0, 0]).fails(
            MONOTONIC_WRITES,
            (1, 2),
            "was made upon 0 entries of branch 1; 1 had",
        );
    }

    #[test]
    fn without_the_log_an_answer_can_convict_and_not_acquit() {
        let mut scene = Fixture { lost: vec![1], ..second(&[1, 0]) };
        scene.is_unknown(MONOTONIC_WRITES, "the ledger of branch 2 is missing");
        scene.calls[1] = scene.calls[1].shows(&[0, 1], 106);
        assert_eq!(scene.verdict(MONOTONIC_WRITES), Verdict::Fail);
    }

    #[test]
    fn first_writes_have_nothing_before_them_to_be_judged_by() {
        Fixture::healthy().is_not_judged(MONOTONIC_WRITES, "no customer wrote again");
    }
}
