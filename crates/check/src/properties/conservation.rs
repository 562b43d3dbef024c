//! Every accepted write is logged once, and nothing else is.

use std::collections::BTreeMap;

use bank::{BranchId, Entry, Outcome, Rejection, Seq};
use history::{Extent, FinalState, OperationRecord, Server};

use crate::evidence::{DecidedWrite, Difference, PossibleBalances};
use crate::examination::{Examination, Gap};
use crate::index::{Place, is_entry_of};
use crate::{RunIndex, Violation};

/// Why nothing is judged where no write had an effect that could be checked.
const NO_WRITE: &str = "no write was accepted, and none was refused for its amount";

/// Money neither appears nor vanishes: an acknowledged write is in the log of the branch that was
/// asked, once and with its amount; a refused one is in none; and no log has a write that nobody asked for.
/// What branches hold at the end is the opening balance plus the sum of the logs.
///
/// Algorithm: a join of the history with the logs by the names of requests; linear. An unanswered write is
/// decided by the log. Where branches keep no logs only the sums can be compared.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    // Under passbook there are logs: if they are not here, others may have written into them.
    if run.ledgers().is_missing() && run.settings().server != Server::Passbook {
        return by_sums(run);
    }
    let mut examination = Examination::default();
    numbers(run, &mut examination);
    calls(run, &mut examination);
    duplicates(run, &mut examination);
    entries(run, &mut examination);
    finals(run, &mut examination);
    examination.summarize(
        format!("{} entries, each asked for once", logged(run)),
        "logs and answers do not agree",
    );
    examination.gap_if(Gap::Ledgers, run.missing_entries());
    examination.gap_if(Gap::FinalStates, run.missing_finals());
    let has_evidence = logged(run) > 0 || run.calls().any(|(_, call)| is_decided(&call));
    examination.needs_evidence(has_evidence, NO_WRITE);
    examination
}

/// Whether the bank decided about the money of a write.
fn is_decided(call: &OperationRecord<'_>) -> bool {
    let is_about_money = matches!(
        call.outcome,
        Outcome::Ok | Outcome::Rejected(Rejection::InsufficientFunds | Rejection::OutOfRange)
    );
    call.write().is_some() && is_about_money
}

fn logged(run: &RunIndex<'_>) -> usize {
    run.logs().iter().map(history::Log::len).sum()
}

/// A log is numbered 1, 2, 3, …: a number that is missing or used twice is an entry lost or doubled.
fn numbers(run: &RunIndex<'_>, examination: &mut Examination) {
    for (member, log) in run.logs().iter().enumerate() {
        if run.is_numbered(member) {
            continue;
        }
        let wrong = (1..).zip(log.entries()).find(|(seq, logged)| logged.seq != Seq(*seq));
        let Some((expected, logged)) = wrong else { continue };
        examination.violate(|| {
            let branch = run.branch(member);
            let entry = usize::try_from(expected - 1).unwrap_or(usize::MAX);
            let description = format!(
                "the log of branch {branch} has entry {} where entry {expected} belongs",
                logged.seq
            );
            run.violation(run.call_of(Place { member, entry }), description)
        });
    }
}

/// An acknowledged write is logged where it was asked for, and a refused one nowhere.
fn calls(run: &RunIndex<'_>, examination: &mut Examination) {
    for (place, call) in run.calls() {
        let Some(write) = call.write() else { continue };
        let member = run.history().member_of(place);
        let branch = call.branch;
        let mut wrong = |what: String| {
            examination.violate(|| run.violation_by(place, what));
        };
        let Some(entry) = run.entry_of(place) else {
            // An entry of that number is there, and it is another: then even a log that is cut lacks it.
            let other = call.seq.and_then(|seq| run.entry_at(member, seq.0)).is_some();
            let gone = other || run.extent(member) == Extent::Whole;
            if call.outcome == Outcome::Ok && gone {
                wrong(format!("was acknowledged, but the log of branch {branch} does not have it"));
            }
            continue;
        };
        let logged = run.logged(entry);
        let there = run.branch(entry.member);
        if let Outcome::Rejected(reason) = call.outcome {
            let seq = logged.seq;
            let reason = reason.name();
            wrong(format!("was refused ({reason}), but is entry {seq} of branch {there}"));
        } else if !is_entry_of(write, logged.entry) {
            wrong(format!("is logged at branch {there} as {}", describe(logged.entry)));
        } else if entry.member != member {
            wrong(format!("was asked of branch {branch}, but is in the log of branch {there}"));
        } else if let Some(seq) = call.seq.filter(|seq| *seq != logged.seq) {
            let held = logged.seq;
            wrong(format!("was acknowledged as entry {seq}, but it is entry {held}"));
        }
    }
}

/// Each request is in one log, once.
fn duplicates(run: &RunIndex<'_>, examination: &mut Examination) {
    for places in &run.duplicates {
        examination.violate(|| {
            let call = run.call_of(places[0]);
            let [first, second] = places.map(|place| {
                format!("entry {} of branch {}", run.logged(place).seq, run.branch(place.member))
            });
            let what = call.map_or_else(String::new, |call| run.words(call));
            let description = format!("{what} was carried out twice: as {first} and as {second}");
            run.violation(call, description)
        });
    }
}

fn describe(entry: Entry) -> String {
    match entry {
        Entry::Deposit(amount) => format!("deposit {amount}"),
        Entry::Withdraw(amount) => format!("withdraw {amount}"),
        Entry::Grant { amount, .. } => format!("a grant of {amount}"),
    }
}

/// Entries that nobody asked for. A history with gaps proves nothing. Those of sessions that are not of this run are one
/// violation: somebody else writes to the cluster.
fn entries(run: &RunIndex<'_>, examination: &mut Examination) {
    if !run.history().is_complete() {
        return;
    }
    let (mut foreign, mut net, mut first) = (0_u64, 0, None);
    for (member, log) in run.logs().iter().enumerate() {
        for (entry, logged) in log.entries().enumerate() {
            // What moves no money breaks nothing, whoever asked for it.
            if logged.entry.delta() == 0 || run.call_of(Place { member, entry }).is_some() {
                continue;
            }
            let describe = || {
                let what = describe(logged.entry);
                format!("branch {} logged {what} as entry {}", run.branch(member), logged.seq)
            };
            match logged.request {
                Some(request) if run.history().session_named(request.session).is_some() => {
                    examination.violate(|| {
                        let description =
                            format!("{} for {request}, which nobody made", describe());
                        run.violation([], description)
                    });
                }
                _ => {
                    foreign += 1;
                    net += logged.entry.delta();
                    first.get_or_insert_with(describe);
                }
            }
        }
    }
    if let Some(first) = first {
        let description = format!(
            "somebody else is writing to this cluster: {foreign} entries are of no customer of \
             this run and change the balance by {net}; the first: {first}; run again when nobody else \
             uses the cluster"
        );
        examination.violate(|| run.violation([], description));
    }
}

/// All that is there must add up, where all logs are there.
fn finals(run: &RunIndex<'_>, examination: &mut Examination) {
    if run.missing_entries().is_some() {
        return;
    }
    let expected = run.opening() + run.net();
    let mut wrong: BTreeMap<i128, Vec<BranchId>> = BTreeMap::new();
    for held in run.finals().iter().filter(|held| held.settled) {
        let balance = i128::from(held.balance.minor_units());
        if balance == expected {
            continue;
        }
        match lacking(run, held, expected) {
            Some(lacking) => examination.violate(|| lacking),
            None => wrong.entry(balance).or_default().push(held.branch),
        }
    }
    let opening = run.opening();
    let sum = format!("the opening balance {opening} and the logs ({:+}) = {expected}", run.net());
    report_differences(run, examination, &wrong, |_| Some(expected), &sum);
}

/// Adds a violation for each wrong balance that settled branches hold, with the writes that explain it. `nearest` is
/// the balance that they should hold instead, which `sum` shows.
fn report_differences(
    run: &RunIndex<'_>,
    examination: &mut Examination,
    wrong: &BTreeMap<i128, Vec<BranchId>>,
    nearest: impl Fn(i128) -> Option<i128>,
    sum: &str,
) {
    if wrong.is_empty() {
        return;
    }
    let has_logs = !run.ledgers().is_missing();
    // Without logs nobody knows who wrote, if no branch holds what it should.
    let wrong_branches: usize = wrong.values().map(Vec::len).sum();
    let others_may_write = !has_logs && run.finals().len() == wrong_branches;
    let writes: Vec<DecidedWrite> = run
        .calls()
        .filter_map(|(place, call)| {
            let outcome = match call.outcome {
                _ if run.entry_of(place).is_some() => Outcome::Ok,
                Outcome::Ok | Outcome::Unknown if has_logs => return None,
                outcome => outcome,
            };
            Some(DecidedWrite { place, branch: call.branch, write: call.write()?, outcome })
        })
        .collect();
    for (held, branches) in wrong {
        let Some(expected) = nearest(*held) else { continue };
        let is_everywhere = branches.len() == run.width;
        let difference =
            Difference { held: *held, expected, branches, is_everywhere, others_may_write };
        examination.violate(|| {
            let reason = difference.explain(run, &writes);
            let description = format!("{} {sum}: {}", difference.describe(), reason.text);
            run.violation(reason.places, description)
        });
    }
}

/// The violation by entries that a branch never received, by its own version, if that explains what it holds.
fn lacking(run: &RunIndex<'_>, held: &FinalState, expected: i128) -> Option<Violation> {
    let balance = i128::from(held.balance.minor_units());
    let version = held.version.as_ref().filter(|version| version.members() == run.width)?;
    let mut sum = run.opening();
    let (mut first_missing, mut missing) = (None, 0);
    for (member, Seq(known)) in version.iter() {
        let member = member.index();
        sum += run.sum(member, known)?;
        let entry = usize::try_from(known).ok()?;
        let entries = run.logs()[member].len() - entry;
        if entries > 0 {
            first_missing.get_or_insert(Place { member, entry });
            missing += entries;
        }
    }
    let first = first_missing.filter(|_| sum == balance)?;
    let difference = Difference {
        held: balance,
        expected,
        branches: &[held.branch],
        is_everywhere: false,
        others_may_write: false,
    };
    let (logged, call) = (run.logged(first), run.call_of(first));
    let what = call.map_or_else(|| describe(logged.entry), |call| run.words(call));
    let others = match missing - 1 {
        0 => String::new(),
        n => format!(", and {n} more entries"),
    };
    let description = format!(
        "{} the opening balance and the logs make: entry {} of branch {} ({what}) never reached \
         it{others}",
        difference.describe(),
        logged.seq,
        run.branch(first.member),
    );
    Some(run.violation(call, description))
}

/// Without logs: after settling every branch must hold the opening balance + the accepted deposits − the accepted
/// withdrawals. An acknowledged write that is missing or counted twice, and a refused one that counts, each break the
/// sum. Unanswered writes may or may not have happened: every sum they allow is legal, and the verdict is then unknown
/// at best. Branches that hold the same wrong balance are one violation, with the writes that explain the difference.
fn by_sums(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    if !run.history().is_complete() {
        return examination;
    }
    let opening = run.opening();
    let (mut deposited, mut withdrawn, mut unanswered) = (0, 0, Vec::new());
    for (_, call) in run.calls() {
        let Some(write) = call.write() else { continue };
        match call.outcome {
            Outcome::Ok => {
                deposited += write.delta().max(0);
                withdrawn -= write.delta().min(0);
            }
            Outcome::Unknown => unanswered.push(write),
            Outcome::Rejected(_) => {}
        }
    }
    let sum = opening + deposited - withdrawn;
    let mut possible = PossibleBalances::exactly(sum);
    for write in &unanswered {
        possible.may_apply(*write);
    }
    let formula = format!("{opening} + {deposited} deposited − {withdrawn} withdrawn = {sum}");
    let mut wrong: BTreeMap<i128, Vec<BranchId>> = BTreeMap::new();
    for state in run.finals() {
        let held = i128::from(state.balance.minor_units());
        if possible.nearest(held) != Some(held) {
            wrong.entry(held).or_default().push(state.branch);
        }
    }
    let allowed = match unanswered.len() {
        0 => formula.clone(),
        n => {
            let balances = possible.describe();
            format!("{formula} and the unanswered writes ({n}: {balances}) allow")
        }
    };
    report_differences(run, &mut examination, &wrong, |held| possible.nearest(held), &allowed);
    examination.summarize(&formula, &formula);
    examination.gap_if(Gap::FinalStates, run.missing_finals());
    if !unanswered.is_empty() {
        let n = unanswered.len();
        let note = format!("the outcome of {n} writes is unknown; {formula} without them");
        examination.gap(Gap::Outcomes, note);
    }
    examination.needs_evidence(run.calls().any(|(_, call)| is_decided(&call)), NO_WRITE);
    examination
}

#[cfg(test)]
mod tests {
    use crate::fixture::{
        Fixture, Shown as _, granted, logged, ok, paid_in, paid_out, refused, unanswered,
    };
    use crate::{Property, Verdict};
    use bank::{BranchId, Money, Operation, Seq};
    use history::{OperationRecord, Server};

    const CONSERVATION: Property = Property::Conservation;

    #[test]
    fn a_lost_write_a_changed_one_and_one_at_another_place_are_found() {
        let mut lost = Fixture::healthy();
        lost.logs[1].clear();
        lost.fails(
            CONSERVATION,
            (2, 2),
            "was acknowledged, but the log of branch 2 does not have it",
        );
        let mut changed = Fixture::healthy();
        changed.logs[1][0].entry = paid_out(21);
        changed.fails(CONSERVATION, (2, 2), "is logged at branch 2 as withdraw 21");
        let mut moved = Fixture::healthy();
        moved.calls[3].seq = Some(Seq(2));
        moved.fails(CONSERVATION, (2, 2), "was acknowledged as entry 2, but it is entry 1");
        let mut elsewhere = Fixture::healthy();
        let entry = elsewhere.logs[1].remove(0);
        elsewhere.logs[0].push(history::Logged { seq: Seq(2), ..entry });
        elsewhere.fails(CONSERVATION, (2, 2), "but is in the log of branch 1");
    }

    #[test]
    fn a_retry_applied_twice_and_a_refused_write_that_counts_are_found() {
        let mut twice = Fixture::healthy();
        twice.logs[1].push(logged(2, paid_out(20), (2, 2), &[1, 1]));
        twice.fails(
            CONSERVATION,
            (2, 2),
            "carried out twice: as entry 1 of branch 2 and as entry 2",
        );
        let mut counts = Fixture::healthy();
        counts.logs[0].push(logged(2, paid_out(500), (1, 3), &[1, 1]));
        counts.fails(CONSERVATION, (1, 3), "was refused (insufficient funds), but is entry 2");
    }

    #[test]
    fn entries_that_nobody_asked_for_and_numbers_out_of_order_are_found() {
        let mut phantom = Fixture::healthy();
        phantom.logs[0].push(logged(2, paid_in(5), (9, 1), &[1, 1]));
        phantom.logs[1].push(logged(2, paid_out(1), (8, 1), &[1, 1]));
        let finding = phantom.judge(CONSERVATION);
        assert_eq!(
            finding.violations[0].description,
            "somebody else is writing to this cluster: 2 entries are of no customer of this run \
             and change the balance by 4; the first: branch 1 logged deposit 5 as entry 2; run again \
             when nobody else uses the cluster"
        );
        // With gaps in the history somebody may have.
        phantom.complete = false;
        assert_eq!(phantom.verdict(CONSERVATION), Verdict::Unknown);
        let mut of_a_query = Fixture::healthy();
        of_a_query.logs[0].push(logged(2, paid_in(5), (2, 1), &[1, 1]));
        let finding = of_a_query.judge(CONSERVATION);
        assert!(finding.violations[0].description.ends_with("which nobody made"), "{finding:?}");
        let mut reused = Fixture::healthy();
        reused.logs[0].push(granted(1, 1, 3, &[1, 1]));
        let finding = reused.judge(CONSERVATION);
        let description = "the log of branch 1 has entry 1 where entry 2 belongs";
        assert_eq!(finding.violations[0].description, description);
    }

    #[test]
    fn an_unanswered_write_is_decided_by_the_log() {
        let mut scene = Fixture::healthy();
        scene.calls.push(unanswered(3, Operation::deposit(7), 1, 13));
        assert_eq!(scene.verdict(CONSERVATION), Verdict::Pass, "it did not happen");
        scene.logs[0].push(logged(2, paid_in(7), (3, 1), &[1, 1]));
        assert_eq!(scene.verdict(CONSERVATION), Verdict::Pass, "it happened");
    }

    #[test]
    fn branches_must_hold_what_the_logs_make_and_a_lost_one_tells_nothing() {
        let mut scene = Fixture::healthy();
        let mut finals = scene.run().finals;
        finals[1].balance = Money::new(131);
        scene.finals = Some(finals.clone());
        let finding = scene.judge(CONSERVATION);
        assert_eq!(
            finding.violations[0].description,
            "branch 2 holds 131, 1 more than the opening balance 100 and the logs (+30) = 130: no \
             one or two writes explain that: more writes are lost or doubled"
        );
        finals.pop();
        scene.finals = Some(finals);
        scene.is_unknown(CONSERVATION, "could not be asked");
        let cut = Fixture { cut: vec![1], ..Fixture::healthy() };
        cut.is_unknown(CONSERVATION, "the ledger of branch 2 may lack its end");
    }

    #[test]
    fn a_branch_that_lacks_a_logged_write_is_reported_with_it() {
        let mut scene = Fixture::healthy();
        let mut finals = scene.settled(&[1, 2].map(BranchId));
        finals[0].balance = Money::new(150);
        scene.finals = Some(finals.clone());
        scene.fails(
            CONSERVATION,
            (2, 2),
            "= 130: as if operation 2 of customer 2 (withdraw 20 at branch 2) never reached branch 1",
        );
        // Its own version says it.
        finals[0].version = Some([1, 0].map(Seq).into_iter().collect());
        scene.finals = Some(finals);
        scene.fails(
            CONSERVATION,
            (2, 2),
            "branch 1 holds 150, 20 more than the opening balance and the logs make: entry 1 of \
             branch 2 (operation 2 of customer 2 (withdraw 20 at branch 2)) never reached it",
        );
    }

    #[test]
    fn without_writes_there_is_nothing_to_conserve() {
        let mut scene = Fixture::new(100, 2);
        scene.calls = vec![ok(1, Operation::Query, 1, (0, 1)).shows(&[0, 0], 100)];
        assert_eq!(scene.verdict(CONSERVATION), Verdict::NotJudged);
        scene.calls.push(refused(1, Operation::withdraw(500), 1, (2, 3)));
        assert_eq!(scene.verdict(CONSERVATION), Verdict::Pass);
        scene.calls[1] = unanswered(1, Operation::withdraw(5), 1, 2);
        assert_eq!(scene.verdict(CONSERVATION), Verdict::NotJudged);
        scene.logs[0] = vec![logged(1, paid_out(5), (1, 2), &[0, 0])];
        assert_eq!(scene.verdict(CONSERVATION), Verdict::Pass);
        scene.lost = vec![1];
        assert_eq!(scene.verdict(CONSERVATION), Verdict::Unknown);
    }

    #[test]
    fn without_logs_the_sums_must_fit() {
        let mut scene = Fixture { lost: vec![0, 1], ..Fixture::healthy() };
        assert_eq!(scene.verdict(CONSERVATION), Verdict::Unknown, "there must have been some");
        scene.settings.server = Server::Broadcast;
        assert_eq!(scene.verdict(CONSERVATION), Verdict::Pass);
        scene.calls.push(ok(3, Operation::deposit(7), 1, (13, 14)));
        assert_eq!(scene.verdict(CONSERVATION), Verdict::Fail);
        scene.complete = false;
        assert_eq!(scene.verdict(CONSERVATION), Verdict::Unknown);
    }

    /// A run without logs in which branches hold `held` at the end.
    fn sums(calls: &[OperationRecord<'static>], held: &[i64]) -> Fixture {
        let branches = held.len();
        let lost = (0..branches).collect();
        let mut scene = Fixture { calls: calls.to_vec(), lost, ..Fixture::new(100, branches) };
        scene.settings.server = Server::Broadcast;
        let mut finals = scene.run().finals;
        for (state, held) in finals.iter_mut().zip(held) {
            state.balance = Money::new(*held);
        }
        scene.finals = Some(finals);
        scene
    }

    fn deposit_of_50() -> OperationRecord<'static> {
        ok(1, Operation::deposit(50), 1, (0, 1))
    }

    #[test]
    fn sums_find_a_lost_a_doubled_and_a_counted_refusal() {
        let refusal = refused(1, Operation::withdraw(500), 1, (2, 3));
        for (wrong, verdict) in [(150, Verdict::Pass), (100, Verdict::Fail), (200, Verdict::Fail)] {
            let scene = sums(&[deposit_of_50(), refusal], &[150, wrong]);
            assert_eq!(scene.verdict(CONSERVATION), verdict, "{wrong}");
        }
        let finding = sums(&[deposit_of_50(), refusal], &[150, -350]).judge(CONSERVATION);
        assert_eq!(finding.violations_total, 1);
        assert!(finding.violations[0].description.starts_with("branch 2 holds"), "{finding:?}");
    }

    #[test]
    fn a_wrong_sum_is_reported_with_the_write_that_fits() {
        let calls = [deposit_of_50(), ok(2, Operation::withdraw(30), 1, (0, 1))];
        let held = |balances: [i64; 3]| sums(&calls, &balances).judge(CONSERVATION).violations;
        let [dropped] = &held([120, 150, 120])[..] else { panic!("one branch is wrong") };
        assert_eq!(
            dropped.description,
            "branch 2 holds 150, 30 more than 100 + 50 deposited − 30 withdrawn = 120: as if \
             operation 1 of customer 2 (withdraw 30 at branch 1) never reached branch 2"
        );
        assert_eq!(dropped.operation(), Some((bank::CustomerId(2), 1)));
        let [doubled] = &held([170; 3])[..] else { panic!("one balance is wrong") };
        assert!(
            doubled.description.starts_with("branches 1, 2 and 3 hold 170, 50 more"),
            "{doubled:?}"
        );
        assert!(doubled.description.ends_with("(deposit 50 at branch 1) was applied twice"));
        assert!(held([120; 3]).is_empty());
        let others = "somebody else is writing to this cluster";
        assert!(held([999, 998, 998]).iter().all(|wrong| wrong.description.contains(others)));
        assert!(!held([999, 998, 120])[0].description.contains(others));
    }

    #[test]
    fn sums_without_a_write_are_judged_only_if_wrong() {
        let query = OperationRecord {
            balance: Some(Money::new(100)),
            ..ok(1, Operation::Query, 1, (0, 1))
        };
        assert_eq!(sums(&[query], &[100]).verdict(CONSERVATION), Verdict::NotJudged);
        assert_eq!(sums(&[query], &[101]).verdict(CONSERVATION), Verdict::Fail);
    }

    #[test]
    fn an_unanswered_write_leaves_two_legal_sums_and_no_pass() {
        let seen = [deposit_of_50(), unanswered(1, Operation::withdraw(7), 1, 2)];
        let verdict = |held| sums(&seen, &[held]).verdict(CONSERVATION);
        assert_eq!(
            [verdict(150), verdict(143), verdict(147)],
            [Verdict::Unknown, Verdict::Unknown, Verdict::Fail]
        );
        let far = sums(&seen, &[193]).judge(CONSERVATION);
        assert_eq!(
            far.violations[0].description,
            "branch 1 holds 193, 43 more than 100 + 50 deposited − 0 withdrawn = 150 and the \
             unanswered writes (1: 143 to 150) allow: no one or two writes explain that: \
             somebody else is writing to this cluster, or more writes are lost or doubled"
        );
    }

    #[test]
    fn sums_of_some_branches_prove_nothing() {
        let mut scene = sums(&[deposit_of_50()], &[150, 150]);
        scene.finals.as_mut().expect("given").pop();
        scene.is_unknown(CONSERVATION, "1 of 2 branches could not be asked");
    }
}
