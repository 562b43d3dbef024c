//! What a customer is shown contains what that customer has written.

use history::OperationRecord;

use crate::RunIndex;
use crate::evidence::{Bounds, Lack, earlier, first_missing, is_guarded, logged_as, walk, wrote};
use crate::examination::{Examination, Gap};

/// After I pay in at one branch, no branch shows me a balance without it. (Of what others do I may see as much
/// or as little as the branch knows.) An answer to a write shows that write itself.
///
/// Algorithm: the join of a session's acknowledged writes must be covered by every later answer's version; nN. A
/// balance without a version is held to bounds: own writes in, of others' anything that had begun.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let (mut covered, mut unknown) = (0_u64, 0_u64);
    let mut has_evidence = false;
    let mut bounds = Bounds::of(run);
    walk(run, |place, call, session| {
        bounds.add_own(place, call);
        if !is_guarded(call) {
            return;
        }
        let Some(version) = call.version else {
            let has_written = session.written.iter().any(|seq| *seq > 0);
            unknown += u64::from(call.balance.is_none() && has_written);
            has_evidence |= compare(&mut bounds, &mut examination, place, call);
            return;
        };
        let itself = logged_as(run, place, call);
        has_evidence |= itself.is_some() || session.written.iter().any(|seq| *seq > 0);
        let itself = itself.map(|own| (own.member, own.seq));
        let itself = itself.filter(|(member, seq)| version[*member] < *seq);
        let others = || first_missing(version, session.written).map(|m| (m, session.written[m]));
        match itself.or_else(others) {
            None => covered += 1,
            Some((member, needs)) => examination.violate(|| {
                let lack = Lack { member, has: version[member], needs };
                let before =
                    earlier(run, place, |at, call| wrote(run, at, call, member) > lack.has);
                lack.violation(run, place, before, "was shown")
            }),
        }
    });
    let bounded = bounds.describe();
    let holds = if covered == 0 && !bounded.is_empty() {
        bounded
    } else {
        format!("{covered} answers show their customers' writes")
    };
    examination.gap_of(Gap::Answers, unknown, "answers do not say what they were made from");
    if has_evidence {
        bounds.report_width(&mut examination, &holds);
    }
    let missing = "no answer was given to a customer who had written";
    examination.needs_evidence(has_evidence, missing);
    examination.summarize(holds, "a customer was shown an account without their own writes");
    examination
}

/// Compares a balance that has no version with its bounds. Returns whether the customer had written, so that the
/// balance has something to show.
fn compare(
    bounds: &mut Bounds<'_, '_>,
    examination: &mut Examination,
    place: usize,
    call: &OperationRecord<'_>,
) -> bool {
    let Some(balance) = call.balance else { return false };
    let shown = balance.minor_units().into();
    // Who is shown exactly what was acknowledged to all is shown their own as well.
    let all = bounds.of_own_and_acknowledged(place, call);
    let range = if all == (shown..=shown) { all } else { bounds.of_own(place, call) };
    bounds.compare(examination, place, balance, &range);
    bounds.has_written(place)
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, Shown as _, ok};
    use crate::{Property, Verdict};
    use bank::{Money, Operation};
    use history::Server;

    const READ_YOUR_WRITES: Property = Property::ReadYourWrites;

    #[test]
    fn an_answer_without_the_customers_own_write_is_found() {
        let mut scene = Fixture::healthy();
        scene.calls[1] = scene.calls[1].shows(&[0, 0], 100);
        let why = "was shown 0 entries of branch 1; 1 had to be known there since operation 1";
        scene.fails(READ_YOUR_WRITES, (1, 2), why);
        assert_eq!(scene.judge(READ_YOUR_WRITES).violations[0].operations.len(), 2);
        // Somebody else's may be missing.
        let mut others = Fixture::healthy();
        others.calls[2] = others.calls[2].shows(&[0, 0], 100);
        assert_eq!(others.verdict(READ_YOUR_WRITES), Verdict::Pass);
    }

    #[test]
    fn the_answer_to_a_write_shows_that_write() {
        let mut scene = Fixture::healthy();
        scene.calls[0] = scene.calls[0].shows(&[0, 0], 100);
        assert_eq!(scene.verdict(READ_YOUR_WRITES), Verdict::Fail);
    }

    #[test]
    fn without_an_answer_to_a_writer_nothing_is_judged() {
        let mut scene = Fixture::new(100, 2);
        scene.calls = vec![ok(1, Operation::Query, 1, (0, 1)).shows(&[0, 0], 100)];
        scene.is_not_judged(READ_YOUR_WRITES, "no answer was given to a customer who had written");
        scene.calls[0].version = None;
        scene.settings.server = Server::Foreign;
        scene.lost = vec![0, 1];
        scene.is_not_judged(READ_YOUR_WRITES, "no answer was given to a customer who had written");
        // Bounds are examined all the same.
        scene.calls[0].balance = Some(Money::new(99));
        assert_eq!(scene.verdict(READ_YOUR_WRITES), Verdict::Fail);
    }

    #[test]
    fn a_bare_balance_of_a_lone_customer_is_exact_and_others_widen_it() {
        let shown = |balance, others| {
            let mut scene = Fixture::new(100, 1);
            scene.calls =
                vec![ok(1, Operation::deposit(10), 1, (0, 1)), ok(1, Operation::Query, 1, (2, 3))];
            scene.calls[1].balance = Some(Money::new(balance));
            if others {
                scene.calls.push(ok(2, Operation::withdraw(5), 1, (3, 4)));
            }
            // What begins after the answer does not count.
            scene.calls.push(ok(3, Operation::deposit(90), 1, (8, 9)));
            scene.verdict(READ_YOUR_WRITES)
        };
        assert_eq!([shown(110, false), shown(100, false)], [Verdict::Pass, Verdict::Fail]);
        assert_eq!([shown(105, true), shown(110, true)], [Verdict::Unknown; 2]);
        assert_eq!([shown(104, true), shown(111, true)], [Verdict::Fail; 2]);
    }
}
