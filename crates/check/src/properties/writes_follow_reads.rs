//! A customer's write is made where everything is known that they were shown before.

use crate::RunIndex;
use crate::evidence::{shown, writes_upon};
use crate::examination::Examination;

/// If I withdraw because I saw your deposit, nobody ever finds my withdrawal without your deposit.
///
/// Algorithm: what a write was made upon, by the log, must cover the join of the versions that its session was
/// shown; nN. Where the log does not say it, the answer's version can prove a violation, and not that there is none.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    writes_upon(
        run,
        |session| session.read,
        |_, call, member| shown(call, member),
        "no customer wrote after being shown a write",
    )
}

#[cfg(test)]
mod tests {
    use crate::Property;
    use crate::fixture::Fixture;

    const WRITES_FOLLOW_READS: Property = Property::WritesFollowReads;

    #[test]
    fn a_write_made_where_what_its_customer_saw_is_not_known_is_found() {
        let mut scene = Fixture::healthy();
        scene.logs[1][0].version = Some(&[0, 0]);
        scene.fails(WRITES_FOLLOW_READS, (2, 2), "was made upon 0 entries of branch 1; 1 had to");
        scene.is_not_judged(Property::MonotonicWrites, "no customer wrote again");
    }

    #[test]
    fn without_what_it_was_made_upon_it_is_unknown() {
        let mut scene = Fixture::healthy();
        scene.logs[1][0].version = None;
        scene.is_unknown(WRITES_FOLLOW_READS, "logs and answers do not say it");
    }

    #[test]
    fn writes_of_customers_who_saw_nothing_are_not_judged() {
        let mut scene = Fixture::healthy();
        scene.calls.truncate(1);
        scene.is_not_judged(WRITES_FOLLOW_READS, "no customer wrote after being shown a write");
    }
}
