//! A balance without a version, and a refusal for insufficient funds, is one that some order of the writes allows.

use bank::Ack;
use history::{OperationRecord, Server};

use crate::RunIndex;
use crate::evidence::{Bounds, Deposits, Range, is_guarded, refused_amount};
use crate::examination::Examination;

/// A bare balance may be that of many orders of the writes, but not of any: it has no deposit in it that had not begun
/// when it was shown, and, where all branches hold a write before its answer, every write that was acknowledged before
/// the question. Of another program only the customer's own writes are demanded. A refusal for insufficient funds is
/// a read of less than its amount: it fails if the balance was at least that at every instant of the call. Passing
/// proves little; a failure proves a fault. The note reports how wide the bounds are.
///
/// Under passbook every refusal is one of the whole account: all that was acknowledged before it was asked counts,
/// and the two versions of its proof must prove it.
///
/// Algorithm: sums of what had begun and of what had been acknowledged, by time; n log n.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let mut bounds = Bounds::of(run);
    let deposits = Deposits::of(run);
    for (place, call) in run.calls() {
        bounds.add_own(place, &call);
        let bare = call.balance.filter(|_| is_guarded(&call) && call.version.is_none());
        if let Some(balance) = bare {
            let range = range(run, &bounds, place, &call);
            bounds.compare(&mut examination, place, balance, &range);
        }
        let Some(amount) = refused_amount(&call) else { continue };
        let range = match run.settings().server {
            Server::Passbook => bounds.of_acknowledged(&call),
            Server::Broadcast | Server::Foreign => range(run, &bounds, place, &call),
        };
        bounds.compare_refusal(&mut examination, place, amount, *range.start());
        let proof = call.version.zip(call.at_most);
        if proof.is_some_and(|(first, last)| first.iter().zip(last).any(|(a, b)| a > b)) {
            let what = "was refused with a proof that ends before it begins";
            examination.violate(|| run.violation_by(place, what));
        }
        if let Some(most) = deposits.most_of_proof(run, &call).filter(|most| *most >= amount) {
            let what = || format!("was refused with a proof that allows a balance of {most}");
            examination.violate(|| run.violation_by(place, what()));
        }
    }
    examination.summarize(bounds.describe(), "no order of the writes allows an answer");
    let missing = "no balance without a version was shown, and no withdrawal was refused";
    examination.needs_evidence(!bounds.is_unused(), missing);
    examination
}

/// What an answer without a version may show under the settings of the run.
fn range(
    run: &RunIndex<'_>,
    bounds: &Bounds<'_, '_>,
    place: usize,
    call: &OperationRecord<'_>,
) -> Range {
    match (run.settings().ack, run.settings().server) {
        (Ack::All, Server::Foreign) => bounds.of_own(place, call),
        (Ack::All, Server::Passbook | Server::Broadcast) => {
            bounds.of_own_and_acknowledged(place, call)
        }
        (Ack::Majority | Ack::Local, _) => bounds.of_begun(call),
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, Shown as _, logged, ok, paid_in, paid_out, refused, unanswered};
    use crate::{Property, Verdict};
    use bank::Ack;
    use bank::{Money, Operation, Outcome, Rejection};
    use history::Server;

    const BOUNDS: Property = Property::BalanceBounds;

    /// Somebody pays in 10 before the query and 70 after it; a withdrawal of 5 overlaps with it.
    fn shown(server: Server, ack: Ack, customer: u64, balance: i64) -> Verdict {
        let mut scene = Fixture { lost: vec![0, 1], ..Fixture::new(100, 2) };
        (scene.settings.server, scene.settings.ack) = (server, ack);
        scene.calls = vec![
            ok(1, Operation::deposit(10), 1, (0, 1)),
            ok(3, Operation::withdraw(5), 1, (2, 9)),
            ok(customer, Operation::Query, 2, (3, 4)),
            ok(1, Operation::deposit(70), 1, (6, 7)),
        ];
        scene.calls[2].balance = Some(Money::new(balance));
        scene.verdict(BOUNDS)
    }

    #[test]
    fn where_all_hold_a_write_before_its_answer_it_is_in_every_balance_after() {
        let shown = |balance| shown(Server::Broadcast, Ack::All, 2, balance);
        assert_eq!([shown(110), shown(105)], [Verdict::Pass; 2]);
        assert_eq!([shown(100), shown(104), shown(111), shown(180)], [Verdict::Fail; 4]);
    }

    #[test]
    fn of_another_program_only_the_own_writes_are_demanded() {
        let shown = |customer, balance| shown(Server::Foreign, Ack::All, customer, balance);
        assert_eq!([shown(2, 110), shown(2, 95), shown(1, 105)], [Verdict::Pass; 3]);
        assert_eq!([shown(2, 94), shown(2, 111), shown(1, 100)], [Verdict::Fail; 3]);
    }

    #[test]
    fn where_an_answer_may_overtake_its_write_nothing_is_demanded_and_nothing_new_is_allowed() {
        let shown = |balance| shown(Server::Broadcast, Ack::Local, 1, balance);
        assert_eq!([shown(100), shown(95), shown(110)], [Verdict::Pass; 3]);
        assert_eq!([shown(94), shown(111), shown(180)], [Verdict::Fail; 3]);
    }

    #[test]
    fn the_note_says_how_wide_the_bounds_are_and_gaps_prove_nothing() {
        let mut scene = Fixture { lost: vec![0, 1], ..Fixture::healthy() };
        scene.settings.server = Server::Broadcast;
        scene.calls.iter_mut().for_each(|call| call.version = None);
        let finding = scene.judge(BOUNDS);
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
        assert_eq!(finding.note, "6 balances, exact; refusals within bounds: 1");
        scene.calls[2].invoked = 0;
        scene.calls[2].completed = Some(7_000_000);
        let wide = "6 balances within bounds that are 0 to 70 wide; refusals within bounds: 1";
        assert_eq!(scene.judge(BOUNDS).note, wide);
        scene.complete = false;
        scene.is_unknown(BOUNDS, "the history is not whole");
    }

    /// A query of 100, and then a withdrawal of `amount` by `customer` that is refused. Before, customer 1 paid 50 in;
    /// meanwhile customer 3 withdraws 30.
    fn refuses(server: Server, ack: Ack, customer: u64, amount: i64) -> Fixture {
        let mut scene = Fixture { lost: vec![0, 1], ..Fixture::new(100, 2) };
        (scene.settings.server, scene.settings.ack) = (server, ack);
        scene.calls = vec![
            ok(1, Operation::deposit(50), 1, (0, 1)),
            ok(3, Operation::withdraw(30), 1, (2, 9)),
            refused(customer, Operation::withdraw(amount), 2, (3, 4)),
            ok(4, Operation::deposit(500), 2, (5, 6)),
        ];
        scene
    }

    #[test]
    fn refusal_fails_when_there_was_enough_at_every_instant() {
        // Of another program only the own writes are demanded, of ours everything that was acknowledged before.
        for (server, ack, customer, most) in [
            (Server::Foreign, Ack::All, 2, 70),
            (Server::Foreign, Ack::All, 1, 120),
            (Server::Broadcast, Ack::All, 2, 120),
            (Server::Broadcast, Ack::Local, 2, 70),
            (Server::Broadcast, Ack::Majority, 1, 70),
            (Server::Passbook, Ack::All, 2, 120),
            (Server::Passbook, Ack::Local, 2, 120),
        ] {
            let scene = refuses(server, ack, customer, most);
            let words = format!("was refused, but there was {most} or more at every instant of it");
            scene.fails(BOUNDS, (customer, if customer == 1 { 2 } else { 1 }), &words);
            let beyond = refuses(server, ack, customer, most + 1);
            assert_eq!(beyond.verdict(BOUNDS), Verdict::Pass, "{server:?} {ack:?} {customer}");
        }
    }

    #[test]
    fn refusal_is_explained_by_withdrawals_that_may_have_happened() {
        let mut scene = refuses(Server::Foreign, Ack::All, 2, 70);
        scene.calls.insert(0, unanswered(7, Operation::withdraw(1), 1, 0));
        assert_eq!(scene.verdict(BOUNDS), Verdict::Pass);
        // One that was refused itself did not.
        scene.calls[0] = refused(7, Operation::withdraw(71), 1, (0, 1));
        assert_eq!(scene.verdict(BOUNDS), Verdict::Fail);
        scene.complete = false;
        scene.is_unknown(BOUNDS, "the history is not whole");
    }

    #[test]
    fn rejection_for_another_reason_says_nothing_about_money() {
        let mut scene = refuses(Server::Foreign, Ack::All, 2, 1);
        assert_eq!(scene.verdict(BOUNDS), Verdict::Fail);
        scene.calls[2].outcome = Outcome::Rejected(Rejection::Contended);
        assert_eq!(scene.verdict(BOUNDS), Verdict::NotJudged);
        scene.calls[2] = refused(2, Operation::deposit(1), 2, (3, 4));
        assert_eq!(scene.verdict(BOUNDS), Verdict::NotJudged);
    }

    #[test]
    fn refusal_fails_when_its_proof_allows_the_amount() {
        // 10 overlaps with the refusal, so by the clock there may have been 90 only.
        let proof = |at_most: &'static [u64], amount| {
            let mut scene = Fixture::new(100, 2);
            scene.calls = vec![
                ok(1, Operation::deposit(5), 1, (0, 9)).entry(1).shows(&[1, 0], 105),
                ok(2, Operation::withdraw(10), 2, (0, 9)).entry(1).shows(&[0, 1], 90),
                refused(3, Operation::withdraw(amount), 1, (1, 8)).shows(&[0, 0], 100),
            ];
            scene.calls[2] = scene.calls[2].at_most(at_most);
            scene.logs[0] = vec![logged(1, paid_in(5), (1, 1), &[0, 0])];
            scene.logs[1] = vec![logged(1, paid_out(10), (2, 1), &[0, 0])];
            scene
        };
        assert_eq!(proof(&[0, 1], 101).verdict(BOUNDS), Verdict::Pass);
        assert_eq!(proof(&[1, 1], 106).verdict(BOUNDS), Verdict::Pass);
        proof(&[0, 1], 100).fails(BOUNDS, (3, 1), "with a proof that allows a balance of 100");
        proof(&[1, 1], 105).fails(BOUNDS, (3, 1), "with a proof that allows a balance of 105");
        let mut crossed = proof(&[0, 1], 101);
        crossed.calls[2] = crossed.calls[2].shows(&[1, 0], 105);
        crossed.fails(BOUNDS, (3, 1), "with a proof that ends before it begins");
    }

    #[test]
    fn versions_without_refusals_leave_nothing_to_judge() {
        let mut scene = Fixture::healthy();
        assert_eq!(scene.judge(BOUNDS).note, "refusals within bounds: 1");
        scene.calls.pop();
        assert_eq!(scene.verdict(BOUNDS), Verdict::NotJudged);
        scene.complete = false;
        assert_eq!(scene.verdict(BOUNDS), Verdict::Unknown);
    }
}
