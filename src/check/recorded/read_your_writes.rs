//! What a customer is shown contains what that customer has written.

use super::bounds::{Bounds, Judgement, Moved};
use super::session::{earlier, first_missing, is_guarded, tell, walk, written_as, wrote};
use super::{Call, Facts};
use crate::bank::Outcome;
use crate::check::{Finding, Property};

/// After I pay in at one branch, no branch shows me a balance without it. (Of what others do I may see as much
/// or as little as the branch knows.) An answer to a write shows that write itself.
///
/// Algorithm: the join of a session's acknowledged writes must be covered by every later answer's version; nN. A
/// balance without a version is held to bounds: own writes in, of others' anything that had begun.
pub(super) fn read_your_writes(facts: &Facts<'_>) -> Finding {
    let mut finding = Finding::new(Property::ReadYourWrites);
    let (mut covered, mut untold) = (0_u64, 0_u64);
    let mut money = Money::of(facts);
    walk(facts, |place, call, known| {
        if !is_guarded(call) {
            money.pass(facts, place, call);
            return;
        }
        let Some(version) = call.version else {
            untold += u64::from(call.balance.is_none() && known.written.iter().any(|w| *w > 0));
            money.judge(facts, &mut finding, place, call);
            return;
        };
        money.pass(facts, place, call);
        let itself = written_as(facts, place, call).filter(|(at, seq)| version[*at] < *seq);
        let missing = first_missing(version, known.written).map(|at| (at, known.written[at]));
        match itself.or(missing) {
            None => covered += 1,
            Some((member, needs)) => finding.violate_with(|| {
                let has = version[member];
                let earlier =
                    earlier(facts, place, |at, call| wrote(facts, at, call, member) > has);
                tell(facts, place, earlier, "was shown", (member, has, needs))
            }),
        }
    });
    finding.note = match finding.violations_total {
        0 => format!("{covered} answers show their customers' writes{}", money.judgement.note()),
        _ => "a customer was shown an account without their own writes".to_owned(),
    };
    if untold > 0 {
        finding.cannot_tell(format!("{untold} answers do not say what they were made from"));
    }
    money.judgement.close(&mut finding);
    facts.close(&mut finding);
    finding
}

/// Own money in and out, by session: what bounds a balance that has no version.
struct Money {
    bounds: Bounds,
    sessions: Vec<Own>,
    judgement: Judgement,
}

#[derive(Clone, Copy, Default)]
struct Own {
    /// By acknowledged writes.
    settled: i128,
    /// By unanswered ones.
    open: Moved,
    /// By both.
    begun: Moved,
}

impl Money {
    fn of(facts: &Facts<'_>) -> Self {
        Self {
            bounds: Bounds::of(facts),
            sessions: vec![Own::default(); facts.case.history.sessions()],
            judgement: Judgement::default(),
        }
    }

    /// Takes a call's own write in.
    fn pass(&mut self, facts: &Facts<'_>, place: usize, call: &Call<'_>) {
        let own = &mut self.sessions[facts.case.history.session_of(place)];
        let Some(write) = call.write() else { return };
        let mut moved = Moved::default();
        moved.add(write.kind, write.amount.minor_units().into());
        match call.outcome {
            Outcome::Rejected(_) => return,
            Outcome::Ok => own.settled += moved.into - moved.out,
            Outcome::Unknown => own.open.add(write.kind, write.amount.minor_units().into()),
        }
        own.begun.add(write.kind, write.amount.minor_units().into());
    }

    fn judge(&mut self, facts: &Facts<'_>, finding: &mut Finding, place: usize, call: &Call<'_>) {
        self.pass(facts, place, call);
        let Some(shown) = call.balance else { return };
        let own = self.sessions[facts.case.history.session_of(place)];
        let others = self.bounds.begun(call.completed.unwrap_or(u64::MAX)).without(own.begun);
        let settled = facts.opening() + own.settled;
        let least = settled - own.open.out - others.out;
        let most = settled + own.open.into + others.into;
        self.judgement.judge(facts, finding, place, shown.minor_units().into(), (least, most));
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Scene, ok};
    use crate::bank::{Money, Operation};
    use crate::check::{Property, Verdict};

    const READ_YOUR_WRITES: Property = Property::ReadYourWrites;

    #[test]
    fn an_answer_without_the_customers_own_write_is_found() {
        let mut scene = Scene::healthy();
        scene.calls[1] = scene.calls[1].shows(&[0, 0], 100);
        let why = "was shown 0 entries of branch 1; 1 had to be known there since operation 1";
        scene.fails(READ_YOUR_WRITES, (1, 2), why);
        assert_eq!(scene.judge(READ_YOUR_WRITES).violations[0].operations.len(), 2);
        // Somebody else's may be missing.
        let mut others = Scene::healthy();
        others.calls[2] = others.calls[2].shows(&[0, 0], 100);
        assert_eq!(others.verdict(READ_YOUR_WRITES), Verdict::Pass);
    }

    #[test]
    fn the_answer_to_a_write_shows_that_write() {
        let mut scene = Scene::healthy();
        scene.calls[0] = scene.calls[0].shows(&[0, 0], 100);
        assert_eq!(scene.verdict(READ_YOUR_WRITES), Verdict::Fail);
    }

    #[test]
    fn a_bare_balance_of_a_lone_customer_is_exact_and_others_widen_it() {
        let shown = |balance, others| {
            let mut scene = Scene::new(100, 1);
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
