//! What a customer is shown contains what that customer has written.

use super::RunIndex;
use super::bounds::{Bounds, Judgement, Own};
use super::session::{earlier, first_missing, is_guarded, tell, walk, written_as, wrote};
use crate::{Finding, Property};
use history::OperationRecord;

/// After I pay in at one branch, no branch shows me a balance without it. (Of what others do I may see as much
/// or as little as the branch knows.) An answer to a write shows that write itself.
///
/// Algorithm: the join of a session's acknowledged writes must be covered by every later answer's version; nN. A
/// balance without a version is held to bounds: own writes in, of others' anything that had begun.
pub(super) fn read_your_writes(run: &RunIndex<'_>) -> Finding {
    let mut finding = Finding::new(Property::ReadYourWrites);
    let (mut covered, mut untold) = (0_u64, 0_u64);
    let mut is_examined = false;
    let mut money = Money::of(run);
    walk(run, |place, call, known| {
        if !is_guarded(call) {
            money.own.pass(run, place, call);
            return;
        }
        let Some(version) = call.version else {
            untold += u64::from(call.balance.is_none() && known.written.iter().any(|w| *w > 0));
            is_examined |= money.judge(run, &mut finding, place, call);
            return;
        };
        money.own.pass(run, place, call);
        let itself = written_as(run, place, call);
        is_examined |= itself.is_some() || known.written.iter().any(|seq| *seq > 0);
        let itself = itself.filter(|(at, seq)| version[*at] < *seq);
        let missing = first_missing(version, known.written).map(|at| (at, known.written[at]));
        match itself.or(missing) {
            None => covered += 1,
            Some((member, needs)) => finding.violate_with(|| {
                let has = version[member];
                let earlier = earlier(run, place, |at, call| wrote(run, at, call, member) > has);
                tell(run, place, earlier, "was shown", (member, has, needs))
            }),
        }
    });
    finding.note = match finding.violations_total {
        0 if covered == 0 && !money.judgement.told().is_empty() => money.judgement.told(),
        0 => format!("{covered} answers show their customers' writes"),
        _ => "a customer was shown an account without their own writes".to_owned(),
    };
    if untold > 0 {
        finding.cannot_tell(format!("{untold} answers do not say what they were made from"));
    }
    if is_examined {
        money.judgement.close(&mut finding);
    }
    run.close(&mut finding);
    if !is_examined {
        finding.not_judged("no answer was given to a customer who had written");
    }
    finding
}

/// What bounds balances that have no version.
struct Money {
    bounds: Bounds,
    own: Own,
    judgement: Judgement,
}

impl Money {
    fn of(run: &RunIndex<'_>) -> Self {
        let (bounds, own) = (Bounds::of(run), Own::of(run));
        Self { bounds, own, judgement: Judgement::default() }
    }

    /// Returns whether the customer had written, so that the balance has something to show.
    fn judge(
        &mut self,
        run: &RunIndex<'_>,
        finding: &mut Finding,
        place: usize,
        call: &OperationRecord<'_>,
    ) -> bool {
        self.own.pass(run, place, call);
        let Some(shown) = call.balance else { return false };
        let shown = shown.minor_units().into();
        // Who is shown exactly what all were told is shown their own as well.
        let all = self.own.bounds_of_all(run, &self.bounds, place, call);
        let range = if all == (shown, shown) {
            all
        } else {
            self.own.bounds(run, &self.bounds, place, call)
        };
        self.judgement.judge(run, finding, place, shown, range);
        self.own.has_written(run, place)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, Shown as _, ok};
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
