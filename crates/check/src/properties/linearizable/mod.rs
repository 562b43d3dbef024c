//! Everything happened as if one after another, each between its question and its answer.

mod chain;
mod problem;
mod proved;
mod refusals;
mod schedule;
mod search;

use bank::{OperationKind, Outcome};
use history::OperationRecord;

use super::overdraft::overspending;
use crate::counterexample::millis;
use crate::evidence::{Bounds, refused_amount};
use crate::examination::{Examination, Gap};
use crate::{RunIndex, Violation};

use problem::Problem;
use schedule::Late;

/// There is one order of all operations in which each answer is right, and in which whatever was answered before
/// something else was asked comes before it (Herlihy and Wing, 1990): as if there were one branch.
///
/// Algorithm: what reads show must form a chain; two of which neither contains the other prove that there is no
/// such order. The chain puts reads and writes in order; every operation then has an earliest instant, which
/// must not be after its answer. A refusal for insufficient funds is a read of less than its amount: an order
/// is built in which withdrawals come early and deposits late, and each refusal must find such an instant
/// there. If refusals have proofs, that order is one of entries before and after each of them, as of reads, and
/// no refusal of an honest bank stays open. What remains open is searched exactly if it is small (Wing and Gong, 1993; Lowe, 2017), and unknown
/// if it is not. nN log n.
///
/// Answers to writes are not reads: of them only that they happened counts. A balance without a version is held
/// to bounds: all that was acknowledged before it was asked, and nothing that began after it was answered. So is a
/// refusal where there are no logs, and no order pays out more than was paid in before.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let bare = by_bounds(run, &mut examination);
    let levels = match chain::levels(run) {
        Ok(levels) => levels,
        Err(fork) => {
            let missing = run.missing_entries();
            // A log that is missing may hold grants, which are no money that a read could lack.
            if missing.is_none() {
                examination.violate(|| fork);
            }
            examination.gap_if(Gap::Ledgers, missing);
            examination.summarize("", "two reads disagree on what came first");
            return examination;
        }
    };
    let mut refusals = 0;
    let is_refusal_seen = run.calls().any(|(_, call)| refused_amount(&call).is_some());
    let reads: usize = levels.iter().map(|level| level.reads.len()).sum();
    match run.missing_entries() {
        // A refusal is a read too: without the logs nobody knows how much there was.
        Some(missing) if reads > 0 || is_refusal_seen => {
            examination.gap(Gap::Ledgers, missing);
        }
        None if reads > 0 || bare.is_unused() => {
            let problem = Problem::of(run, levels);
            refusals = problem.refusals.len();
            decide(run, &problem, &mut examination);
        }
        Some(_) | None => {}
    }
    let holds = if reads == 0 && !bare.is_unused() {
        bare.describe()
    } else {
        format!("{reads} reads and {refusals} refusals are in one order with all writes")
    };
    bare.report_width(&mut examination, &holds);
    examination.summarize(holds, "no order explains the answers");
    // Entries of logs must be in an order in which no money is missing, also where nobody reads.
    let has_entries = run.logs().iter().any(|log| !log.is_empty());
    let has_evidence = reads > 0 || !bare.is_unused() || is_refusal_seen || has_entries;
    let missing = "no query was answered, and no withdrawal was refused for lack of money";
    examination.needs_evidence(has_evidence, missing);
    examination
}

fn decide(run: &RunIndex<'_>, problem: &Problem<'_>, examination: &mut Examination) {
    if problem.unlogged == 0 && proved::explains(problem) {
        return;
    }
    let mut fewest = usize::MAX;
    for way in 0..schedule::WAYS {
        let witness = match schedule::witness(problem, way) {
            Ok(witness) => witness,
            Err(late) => return examination.violate(|| late.violation(run)),
        };
        let open = match refusals::unexplained(problem, &witness) {
            Ok(open) => open,
            Err(impossible) => return examination.violate(|| impossible),
        };
        fewest = fewest.min(if witness.is_solvent { open } else { open.max(1) });
        if fewest == 0 {
            break;
        }
    }
    if fewest > 0 {
        undecided(run, problem, examination, fewest);
    }
    let what = "answers speak of entries that no log has";
    examination.gap_of(Gap::Answers, problem.unlogged, what);
}

fn undecided(
    run: &RunIndex<'_>,
    problem: &Problem<'_>,
    examination: &mut Examination,
    open: usize,
) {
    match search::search(problem) {
        Some(true) => {}
        Some(false) => examination.violate(|| {
            let description = "no order of the operations explains all answers (all were tried)";
            run.violation([], description.to_owned())
        }),
        None => {
            let note = format!(
                "an order was found for all but {open} refusals, and there are too many operations to try every order"
            );
            examination.gap(Gap::Orders, note);
        }
    }
}

impl Late {
    fn violation(self, run: &RunIndex<'_>) -> Violation {
        let Self { call, by } = self;
        let (one, other) = (run.call(call), run.call(by));
        let why = match one.operation.kind() {
            OperationKind::Query => "it shows what came after that",
            OperationKind::Deposit | OperationKind::Withdraw => {
                "what followed that does not show it"
            }
        };
        let description = format!(
            "{one} was answered at {}, before {other} was asked at {}, and yet it comes after it: {why}",
            millis(one.completed.unwrap_or_default()),
            millis(other.invoked)
        );
        run.violation([call, by], description)
    }
}

/// Whether a call is a read whose version counts.
fn is_read(call: &OperationRecord<'_>) -> bool {
    call.operation.kind() == OperationKind::Query && call.outcome == Outcome::Ok
}

/// Reads without a version; and where no log shows what there was, refusals and the sums.
fn by_bounds<'r, 'a>(run: &'r RunIndex<'a>, examination: &mut Examination) -> Bounds<'r, 'a> {
    let mut bounds = Bounds::of(run);
    let has_logs = run.missing_entries().is_none();
    for (place, call) in run.calls().filter(|(_, call)| call.version.is_none()) {
        if let Some(balance) = call.balance.filter(|_| is_read(&call)) {
            let range = bounds.of_acknowledged(&call);
            bounds.compare(examination, place, balance, &range);
        }
        if let Some(amount) = refused_amount(&call).filter(|_| !has_logs) {
            let least = *bounds.of_acknowledged(&call).start();
            bounds.compare_refusal(examination, place, amount, least);
        }
    }
    if let Some(overspent) = overspending(run).filter(|_| !has_logs) {
        examination.violate(|| overspent);
    }
    bounds
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, Shown as _, granted, logged, ok, paid_in, paid_out, refused};
    use crate::{Property, Verdict};
    use bank::{Money, Operation, Outcome};
    use history::Server;

    const LINEARIZABLE: Property = Property::Linearizable;

    #[test]
    fn two_reads_that_each_lack_what_the_other_has_are_found() {
        let mut scene = Fixture::new(100, 2);
        scene.calls = vec![
            ok(1, Operation::deposit(5), 1, (0, 9)).entry(1).shows(&[1, 0], 105),
            ok(2, Operation::deposit(6), 2, (0, 9)).entry(1).shows(&[0, 1], 106),
            ok(3, Operation::Query, 1, (1, 2)).shows(&[1, 0], 105),
            ok(4, Operation::Query, 2, (1, 2)).shows(&[0, 1], 106),
        ];
        scene.logs[0] = vec![logged(1, paid_in(5), (1, 1), &[0, 0])];
        scene.logs[1] = vec![logged(1, paid_in(6), (2, 1), &[0, 0])];
        scene.fails(LINEARIZABLE, (4, 1), "each has what the other lacks");
        scene.calls[3] = scene.calls[3].shows(&[1, 1], 111);
        assert_eq!(scene.verdict(LINEARIZABLE), Verdict::Pass);
    }

    #[test]
    fn without_logs_nobody_knows_how_much_there_was_for_a_refusal() {
        let mut scene = Fixture { lost: vec![0], ..Fixture::new(100, 1) };
        scene.settings.server = Server::Broadcast;
        scene.calls = vec![
            ok(1, Operation::withdraw(40), 1, (0, 1)),
            refused(1, Operation::withdraw(81), 1, (2, 3)),
        ];
        scene.is_unknown(LINEARIZABLE, "there is no ledger");
    }

    #[test]
    fn without_logs_refusals_and_sums_are_held_to_bounds() {
        let mut scene = Fixture { lost: vec![0], ..Fixture::new(100, 1) };
        scene.settings.server = Server::Foreign;
        scene.calls = vec![
            ok(1, Operation::withdraw(40), 1, (0, 1)),
            refused(2, Operation::withdraw(60), 1, (2, 3)),
        ];
        scene.fails(LINEARIZABLE, (2, 1), "was refused, but there was 60 or more");
        scene.calls[0].completed = Some(5_000_000);
        scene.calls[1] = refused(2, Operation::withdraw(61), 1, (2, 3));
        scene.is_unknown(LINEARIZABLE, "there is no ledger");
        scene.calls[1] = ok(2, Operation::withdraw(61), 1, (2, 3));
        scene.fails(LINEARIZABLE, (1, 1), "with it 101 was paid out");
        scene.calls[1] = ok(2, Operation::withdraw(60), 1, (2, 3));
        assert_ne!(scene.verdict(LINEARIZABLE), Verdict::Fail);
    }

    #[test]
    fn a_read_that_misses_what_was_acknowledged_before_it_began_is_found() {
        let mut scene = Fixture::healthy();
        scene.calls[4] = scene.calls[4].shows(&[1, 0], 150);
        scene.fails(LINEARIZABLE, (2, 2), "what followed that does not show it");
        // While the write is on its way it may be missed.
        scene.calls[3].completed = Some(20_000_000);
        scene.calls[4].customer = bank::CustomerId(7);
        scene.calls[4].session = bank::SessionId(700);
        assert_eq!(scene.verdict(LINEARIZABLE), Verdict::Pass);
    }

    #[test]
    fn a_read_of_what_began_after_its_answer_is_found() {
        let mut scene = Fixture::healthy();
        scene.calls[2] = ok(2, Operation::Query, 2, (3, 5)).shows(&[1, 1], 130);
        scene.fails(LINEARIZABLE, (2, 1), "it shows what came after that");
    }

    #[test]
    fn a_refusal_needs_an_instant_with_too_little() {
        let mut scene = Fixture::healthy();
        scene.calls[5] = refused(1, Operation::withdraw(130), 1, (11, 12)).shows(&[1, 1], 130);
        scene.fails(LINEARIZABLE, (1, 3), "was refused, but there was 130 or more");
        // Overlapping with the withdrawal there is no telling which came first.
        scene.calls[5] = refused(3, Operation::withdraw(140), 1, (6, 7));
        assert_eq!(scene.verdict(LINEARIZABLE), Verdict::Pass);
        scene.calls[5] = refused(3, Operation::withdraw(151), 1, (0, 1));
        assert_eq!(scene.verdict(LINEARIZABLE), Verdict::Pass);
    }

    #[test]
    fn refusals_that_need_orders_which_exclude_each_other_are_found_by_trying_all() {
        // 10 in the account; +100 and −10 overlap with two refusals, which follow each other.
        let scene = |first: i64, second: i64| {
            let mut scene = Fixture::new(10, 2);
            scene.calls = vec![
                ok(1, Operation::deposit(100), 1, (0, 9)).entry(1).shows(&[1, 0], 110),
                ok(2, Operation::withdraw(5), 2, (0, 9)).entry(1).shows(&[0, 1], 5),
                refused(3, Operation::withdraw(first), 1, (1, 2)),
                refused(4, Operation::withdraw(second), 1, (3, 4)),
                ok(5, Operation::Query, 1, (5, 6)).shows(&[0, 1], 5),
            ];
            scene.logs[0] = vec![logged(1, paid_in(100), (1, 1), &[0, 0])];
            scene.logs[1] = vec![logged(1, paid_out(5), (2, 1), &[0, 0])];
            scene.verdict(LINEARIZABLE)
        };
        assert_eq!(scene(6, 6), Verdict::Pass);
        assert_eq!(scene(6, 11), Verdict::Pass);
        assert_eq!(scene(5, 6), Verdict::Fail);
    }

    #[test]
    fn a_lost_log_proves_nothing_and_bare_balances_are_bounded() {
        let mut scene = Fixture { lost: vec![0], ..Fixture::healthy() };
        scene.is_unknown(LINEARIZABLE, "the ledger of branch 1 is missing");
        scene.lost = vec![0, 1];
        for call in &mut scene.calls {
            call.version = None;
        }
        scene.is_unknown(LINEARIZABLE, "there is no ledger");
        scene.calls.retain(|call| call.outcome == Outcome::Ok);
        assert_eq!(scene.verdict(LINEARIZABLE), Verdict::Pass, "nothing overlaps with a read");
        let last = scene.calls.len() - 1;
        scene.calls[last].balance = Some(Money::new(150));
        scene.fails(LINEARIZABLE, (2, 3), "it must be 130 to 130");
        scene.calls[last - 1].completed = Some(9_500_000);
        scene.calls[last].session = bank::SessionId(700);
        scene.calls[last].customer = bank::CustomerId(7);
        scene.is_unknown(LINEARIZABLE, "balances within bounds");
    }

    #[test]
    fn without_reads_refusals_and_logs_nothing_is_judged() {
        let mut scene = Fixture { lost: vec![0], ..Fixture::new(100, 1) };
        scene.settings.server = Server::Foreign;
        scene.calls = vec![ok(1, Operation::withdraw(40), 1, (0, 1))];
        scene.is_not_judged(LINEARIZABLE, "no query was answered");
        scene.calls.push(ok(1, Operation::Query, 1, (2, 3)));
        scene.calls[1].balance = Some(Money::new(60));
        assert_eq!(scene.verdict(LINEARIZABLE), Verdict::Pass);
    }

    #[test]
    fn rights_on_their_way_do_not_make_an_order_insolvent() {
        let mut scene = Fixture::new(0, 2);
        scene.calls = vec![
            ok(1, Operation::deposit(10), 1, (0, 9)).entry(1).shows(&[1, 0], 10),
            ok(2, Operation::withdraw(10), 2, (0, 9)).entry(1).shows(&[2, 1], 0),
        ];
        scene.logs[0] = vec![logged(1, paid_in(10), (1, 1), &[0, 0]), granted(2, 1, 10, &[1, 0])];
        scene.logs[1] = vec![logged(1, paid_out(10), (2, 1), &[2, 0])];
        assert_eq!(scene.verdict(LINEARIZABLE), Verdict::Pass);
        // Without the deposit in time there is no order in which it may be paid out.
        scene.calls[1].completed = Some(1_000_000);
        scene.calls[0].invoked = 2_000_000;
        assert_eq!(scene.verdict(LINEARIZABLE), Verdict::Fail);
    }
}
