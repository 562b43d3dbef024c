//! No balance is ever below zero, no more is paid out than there was, and no branch spends rights that it has not.

use bank::{Entry, Money, OperationKind, Outcome};
use history::{FinalState, OperationRecord, Server};

use crate::evidence::until;
use crate::examination::{Examination, Gap};
use crate::index::Place;
use crate::{RunIndex, Violation};

/// Withdrawals that are named beside the one that should not have been accepted.
const NAMED_MAX: usize = 3;

/// Nobody is ever shown, and no branch ever holds, less than nothing; no more is paid out than the opening balance and
/// all deposits that had begun, whatever balances were shown; and a branch of the passbook scheme pays
/// out and grants only what it has the rights to: its share of the opening balance and its deposits, less what
/// it paid out and granted, plus what it had been granted by then.
///
/// Algorithm: sums of what was paid in and out, by time, n log n. Escrow (O'Neil, 1986) replayed, each log from its
/// beginning; n entries at N branches cost nN. Where
/// an entry does not say what it was made upon, everything that was ever granted to its branch counts:
/// what exceeds that is a violation, and the rest proves nothing.
pub(crate) fn examine(run: &RunIndex<'_>) -> Examination {
    let mut examination = Examination::default();
    let first = first_below_zero(run);
    let first_place = first.as_ref().and_then(|first| Some(first.operations.first()?.place));
    let overspending = overspending(run);
    let lowest = lowest(run);
    let fails = match overspending {
        Some(_) => format!("more was paid out than there was; {lowest}"),
        None => lowest.clone(),
    };
    first.into_iter().chain(overspending).for_each(|found| examination.violate(|| found));
    held_below_zero(run, &mut examination);
    for (place, balance) in shown(run).filter(|(_, balance)| balance.is_negative()) {
        if Some(place) != first_place {
            let what = || format!("was shown a balance of {balance}");
            examination.violate(|| run.violation_by(place, what()));
        }
    }
    examination.summarize(lowest, fails);
    examination.gap_if(Gap::FinalStates, run.missing_finals());
    if run.settings().server == Server::Passbook {
        let grants = Grants::of(run);
        let members = 0..run.width;
        let vague: u64 = members.map(|member| replay(run, &mut examination, &grants, member)).sum();
        examination.gap_if(Gap::Ledgers, run.missing_entries());
        let what = "entries do not say what they were made upon, so whether rights had arrived is not known";
        examination.gap_of(Gap::Answers, vague, what);
    }
    let has_evidence = run.logs().iter().any(|log| !log.is_empty())
        || shown(run).next().is_some()
        || run.calls().any(|(_, call)| paid_out(&call));
    let missing = "no balance was shown, and no withdrawal was accepted";
    examination.needs_evidence(has_evidence, missing);
    examination
}

/// The balances that answers carried, with the places of their calls.
fn shown<'a>(run: &RunIndex<'a>) -> impl Iterator<Item = (usize, Money)> + use<'a> {
    run.calls().filter_map(|(place, call)| Some((place, call.balance?)))
}

/// Whether a call is a withdrawal that was accepted.
fn paid_out(call: &OperationRecord<'_>) -> bool {
    call.operation.kind() == OperationKind::Withdraw && call.outcome == Outcome::Ok
}

/// Branches that held less than nothing, at the end or before.
fn held_below_zero(run: &RunIndex<'_>, examination: &mut Examination) {
    let held = run.finals().iter().map(|held| (held.branch, least_held(held)));
    let below = held.filter(|(_, least)| least.is_negative());
    let below: Vec<String> =
        below.map(|(branch, least)| format!("branch {branch} at {least}")).collect();
    if !below.is_empty() {
        let description = || format!("held at their lowest: {}", below.join(", "));
        examination.violate(|| run.violation([], description()));
    }
}

/// The least that a branch certainly held in this run. Its own record of that may be of earlier runs, unless it is
/// below zero: no run begins on such a branch.
fn least_held(state: &FinalState) -> Money {
    let ever = state.lowest_balance.filter(|lowest| lowest.is_negative());
    ever.map_or(state.balance, |ever| ever.min(state.balance))
}

/// The lowest balance of this run, in words.
fn lowest(run: &RunIndex<'_>) -> String {
    let held = run.finals().iter().map(least_held);
    let answers = shown(run).map(|(_, balance)| balance);
    answers.chain(held).min().map_or_else(
        || "no balance was shown".to_owned(),
        |lowest| format!("lowest balance {lowest} in answers, and at the end in branches"),
    )
}

/// The first answer below zero, with payments that were accepted elsewhere at the same time. Each of them may have
/// been covered by a balance that lacked the others.
fn first_below_zero(run: &RunIndex<'_>) -> Option<Violation> {
    let shown = run.calls().filter_map(|(place, call)| {
        let below = call.balance.filter(|balance| balance.is_negative())?;
        Some((call.completed?, place, call, below))
    });
    let (completed, place, first, below) = shown.min_by_key(|(completed, ..)| *completed)?;
    let meanwhile = run.calls().filter(|(_, call)| {
        let overlaps = call.invoked < completed && call.completed > Some(first.invoked);
        paid_out(call) && overlaps && call.branch != first.branch
    });
    let meanwhile: Vec<usize> = meanwhile.map(|(place, _)| place).take(NAMED_MAX).collect();
    let with = match meanwhile.len() {
        0 => String::new(),
        _ => "; concurrently, other branches approved withdrawals without having seen this one"
            .to_owned(),
    };
    let description =
        format!("{} was shown a balance of {below}, the first below zero{with}", run.words(place));
    Some(run.violation([place].into_iter().chain(meanwhile), description))
}

/// The first withdrawal by which more was paid out than there can have been: the opening balance, and every deposit
/// that had begun by then and was not rejected. With the last withdrawals before it. `None` if there is no such
/// withdrawal, or if the history has gaps, in which there may be deposits.
pub(crate) fn overspending(run: &RunIndex<'_>) -> Option<Violation> {
    if !run.history().is_complete() {
        return None;
    }
    let (mut deposits, mut withdrawals) = (Vec::new(), Vec::new());
    for (place, call) in run.calls() {
        let Some(write) = call.write() else { continue };
        let amount = i128::from(write.amount.minor_units());
        match (call.operation.kind(), call.outcome, call.completed) {
            (OperationKind::Deposit, Outcome::Ok | Outcome::Unknown, _) => {
                deposits.push((call.invoked, amount));
            }
            (OperationKind::Withdraw, Outcome::Ok, Some(completed)) => {
                withdrawals.push((completed, place, amount));
            }
            _ => {}
        }
    }
    deposits.sort_unstable();
    withdrawals.sort_unstable();
    let (mut paid_in, mut paid_out, mut begun) = (0, 0, deposits.into_iter().peekable());
    for (last, (completed, place, amount)) in withdrawals.iter().copied().enumerate() {
        while let Some((_, deposit)) = begun.next_if(|(invoked, _)| *invoked <= completed) {
            paid_in += deposit;
        }
        paid_out += amount;
        let most = run.opening() + paid_in;
        if paid_out > most {
            let before = withdrawals[..last].iter().rev().take(NAMED_MAX);
            let involved = [place].into_iter().chain(before.map(|(_, place, _)| *place));
            let description = format!(
                "{}: with it {paid_out} was paid out, and the opening balance and all deposits \
                 begun by then are {most}: {} too much",
                run.words(place),
                paid_out - most
            );
            return Some(run.violation(involved, description));
        }
    }
    None
}

/// What each branch had granted to each other by which entry.
struct Grants {
    /// By giver and taker: entry number and total.
    given: Vec<Vec<(u64, i128)>>,
    width: usize,
}

impl Grants {
    fn of(run: &RunIndex<'_>) -> Self {
        let width = run.width;
        let mut given = vec![Vec::new(); width * width];
        for (giver, log) in run.logs().iter().enumerate() {
            for (seq, logged) in (1..).zip(log.entries()) {
                if let Entry::Grant { to, amount } = logged.entry {
                    let list: &mut Vec<(u64, i128)> = &mut given[giver * width + to.index()];
                    let before = list.last().map_or(0, |(_, total)| *total);
                    list.push((seq, before + i128::from(amount.minor_units())));
                }
            }
        }
        Self { given, width }
    }

    /// Everything granted to `taker`, as far as `known` of each log.
    fn received(&self, taker: usize, known: Option<&[u64]>) -> i128 {
        let upto = |giver: usize| known.map_or(u64::MAX, |known| known[giver]);
        let given =
            |giver: usize| until(&self.given[giver * self.width + taker], |seq| seq <= upto(giver));
        (0..self.width).map(given).sum()
    }
}

/// What a branch has the rights to before its first entry.
fn rights_at_start(run: &RunIndex<'_>, member: usize) -> i128 {
    if let Some(rights) = run.header().rights.as_deref() {
        return rights.get(member).copied().map_or(0, i128::from);
    }
    // An equal share each, and one more for the first members if it does not divide. The engine's ledger has the same
    // sum; it is written twice on purpose, so that its faults are seen.
    let members = i128::try_from(run.width).unwrap_or(i128::MAX).max(1);
    let is_larger = i128::try_from(member).is_ok_and(|m| m < run.opening().rem_euclid(members));
    run.opening().div_euclid(members) + i128::from(is_larger)
}

/// Replays a log. Returns how many of its entries can only be bounded.
fn replay(
    run: &RunIndex<'_>,
    examination: &mut Examination,
    grants: &Grants,
    member: usize,
) -> u64 {
    let share = rights_at_start(run, member);
    // Grants of logs that are not there may have come to this one.
    let others_there = (0..run.width).all(|other| other == member || run.is_whole(other));
    if !run.is_numbered(member) {
        return 0;
    }
    let (mut own, mut vague) = (share, 0);
    let mut cached: Option<(Option<&[u64]>, i128)> = None;
    for (entry, logged) in run.logs()[member].entries().enumerate() {
        let spent = match logged.entry {
            Entry::Deposit(amount) => {
                own += i128::from(amount.minor_units());
                continue;
            }
            Entry::Withdraw(amount) | Entry::Grant { amount, .. } => {
                i128::from(amount.minor_units())
            }
        };
        let same = |known: Option<&[u64]>| {
            known.map(<[u64]>::as_ptr) == logged.version.map(<[u64]>::as_ptr)
        };
        let received = match cached {
            Some((known, received)) if same(known) => received,
            _ => grants.received(member, logged.version),
        };
        cached = Some((logged.version, received));
        let rights = own + received;
        if logged.version.is_none() && own < spent {
            vague += 1;
        }
        if rights < spent && others_there {
            examination.violate(|| {
                let what = match logged.entry {
                    Entry::Grant { to, amount } => {
                        format!("granted {amount} to branch {}", run.branch(to.index()))
                    }
                    Entry::Withdraw(amount) | Entry::Deposit(amount) => {
                        format!("paid out {amount}")
                    }
                };
                let description = format!(
                    "branch {} {what} as entry {} with rights to {rights} only",
                    run.branch(member),
                    logged.seq
                );
                run.violation(run.call_of(Place { member, entry }), description)
            });
        }
        own -= spent;
    }
    vague
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, Shown as _, granted, logged, ok, paid_out, refused, unanswered};
    use crate::{Property, Verdict};
    use bank::{BranchId, Money, Operation};
    use history::Server;

    const OVERDRAFT: Property = Property::Overdraft;

    /// Branch 2 has 50 of its own and is granted 30.
    fn borrowed(upon: &'static [u64]) -> Fixture {
        let mut scene = Fixture::new(100, 2);
        scene.calls = vec![ok(1, Operation::withdraw(70), 2, (0, 2)).entry(1).shows(&[1, 1], 30)];
        scene.logs[0] = vec![granted(1, 1, 30, &[0, 0])];
        scene.logs[1] = vec![logged(1, paid_out(70), (1, 1), upon)];
        scene
    }

    #[test]
    fn rights_that_had_arrived_count_and_others_do_not() {
        assert_eq!(borrowed(&[1, 0]).verdict(OVERDRAFT), Verdict::Pass);
        borrowed(&[0, 0]).fails(OVERDRAFT, (1, 1), "paid out 70 as entry 1 with rights to 50 only");
    }

    #[test]
    fn a_cluster_with_a_past_begins_with_what_its_branches_had_the_rights_to() {
        let moved =
            |rights: [i64; 2]| Fixture { rights: Some(rights.to_vec()), ..borrowed(&[1, 0]) };
        assert_eq!(moved([40, 60]).verdict(OVERDRAFT), Verdict::Pass);
        moved([70, 30]).fails(OVERDRAFT, (1, 1), "with rights to 60 only");
        moved([20, 80]).judge(OVERDRAFT).violations.iter().for_each(|violation| {
            assert!(violation.description.contains("branch 1 granted 30"), "{violation:?}");
        });
        assert_eq!(moved([20, 80]).verdict(OVERDRAFT), Verdict::Fail);
    }

    #[test]
    fn a_grant_needs_rights_as_well() {
        let mut scene = borrowed(&[1, 0]);
        scene.logs[0] = vec![granted(1, 1, 51, &[0, 0])];
        let finding = scene.judge(OVERDRAFT);
        assert!(
            finding.violations[0].description.contains("branch 1 granted 51 to branch 2"),
            "{finding:?}"
        );
    }

    #[test]
    fn without_what_it_was_made_upon_only_too_much_at_all_is_proved() {
        let mut scene = borrowed(&[1, 0]);
        scene.logs[1][0].version = None;
        scene.is_unknown(OVERDRAFT, "do not say what they were made upon");
        scene.logs[1][0].entry = paid_out(81);
        assert_eq!(scene.verdict(OVERDRAFT), Verdict::Fail);
    }

    #[test]
    fn the_first_balance_below_zero_is_told_with_what_was_paid_out_elsewhere_meanwhile() {
        let mut scene = Fixture { lost: vec![0, 1], ..Fixture::new(50, 2) };
        scene.settings.server = Server::Broadcast;
        scene.calls = vec![
            ok(1, Operation::withdraw(40), 1, (0, 5)),
            ok(2, Operation::withdraw(30), 2, (1, 6)),
            ok(3, Operation::Query, 2, (8, 9)),
        ];
        for (place, balance) in [(0, 10), (1, -20), (2, -20)] {
            scene.calls[place].balance = Some(Money::new(balance));
        }
        scene.fails(OVERDRAFT, (2, 1), "other branches approved withdrawals");
        let first = &scene.judge(OVERDRAFT).violations[0];
        let named: Vec<u64> = first.operations.iter().map(|named| named.customer.0).collect();
        assert_eq!(named, [2, 1], "{first:?}");
    }

    #[test]
    fn a_balance_below_zero_is_found_in_answers_and_at_branches() {
        let mut scene = Fixture { lost: vec![0, 1], ..Fixture::healthy() };
        scene.settings.server = Server::Broadcast;
        assert_eq!(scene.verdict(OVERDRAFT), Verdict::Pass);
        scene.calls[4].balance = Some(Money::new(-1));
        scene.fails(OVERDRAFT, (2, 3), "was shown a balance of -1, the first below zero");
    }

    /// Three withdrawals of 60 from 100 by other customers; the bank pays out what is left and shows 0.
    fn clipped() -> Fixture {
        let mut scene = Fixture { lost: vec![0, 1, 2], ..Fixture::new(100, 3) };
        scene.settings.server = Server::Foreign;
        scene.calls =
            (1..=3).map(|n| ok(n.into(), Operation::withdraw(60), n, (0, n.into()))).collect();
        scene.calls.push(ok(4, Operation::Query, 1, (8, 9)));
        scene.calls[3].balance = Some(Money::new(0));
        let mut finals = scene.settled(&[1, 2, 3].map(BranchId));
        for held in &mut finals {
            (held.balance, held.lowest_balance) = (Money::ZERO, None);
        }
        scene.finals = Some(finals);
        scene
    }

    #[test]
    fn paying_out_more_than_was_paid_in_is_an_overdraft() {
        let mut scene = clipped();
        scene.fails(OVERDRAFT, (2, 1), "with it 120 was paid out, and the opening balance and all");
        let finding = scene.judge(OVERDRAFT);
        assert_eq!(finding.violations[0].operations.len(), 2, "{finding:?}");
        assert!(finding.note.ends_with("lowest balance 0 in answers, and at the end in branches"));
        // Branches that do not answer at the end hide nothing of that.
        scene.finals = Some(Vec::new());
        assert_eq!(scene.verdict(OVERDRAFT), Verdict::Fail);
        // In what is missing of the history there may be deposits.
        scene.complete = false;
        assert_eq!(scene.verdict(OVERDRAFT), Verdict::Unknown);
    }

    #[test]
    fn deposits_that_had_begun_cover_withdrawals_and_others_do_not() {
        let with = |deposit| {
            let mut scene = clipped();
            scene.calls.push(deposit);
            scene.verdict(OVERDRAFT)
        };
        assert_eq!(with(unanswered(5, Operation::deposit(80), 1, 1)), Verdict::Pass);
        assert_eq!(with(ok(5, Operation::deposit(80), 1, (2, 9))), Verdict::Pass);
        assert_eq!(with(ok(5, Operation::deposit(80), 1, (4, 9))), Verdict::Fail, "too late");
        assert_eq!(with(refused(5, Operation::deposit(80), 1, (1, 2))), Verdict::Fail);
        assert_eq!(with(ok(5, Operation::deposit(79), 1, (2, 9))), Verdict::Fail, "too little");
    }

    #[test]
    fn withdrawals_that_may_not_have_happened_are_no_overdraft() {
        let mut scene = clipped();
        scene.calls[1] = unanswered(2, Operation::withdraw(60), 2, 0);
        scene.calls[2] = refused(3, Operation::withdraw(60), 3, (0, 3));
        assert_eq!(scene.verdict(OVERDRAFT), Verdict::Pass);
    }

    #[test]
    fn the_lowest_balance_is_one_of_this_run() {
        let mut scene = Fixture::healthy();
        let mut finals = scene.settled(&[1, 2].map(BranchId));
        finals[0].lowest_balance = Some(Money::new(3));
        scene.finals = Some(finals.clone());
        let finding = scene.judge(OVERDRAFT);
        assert_eq!(finding.note, "lowest balance 130 in answers, and at the end in branches");
        finals[0].lowest_balance = Some(Money::new(-3));
        scene.finals = Some(finals);
        assert_eq!(
            scene.judge(OVERDRAFT).violations[0].description,
            "held at their lowest: branch 1 at -3"
        );
    }

    #[test]
    fn without_balances_and_withdrawals_nothing_is_judged() {
        let mut scene = clipped();
        scene.calls = vec![unanswered(1, Operation::withdraw(60), 1, 0)];
        assert_eq!(scene.verdict(OVERDRAFT), Verdict::NotJudged);
        scene.calls.push(ok(2, Operation::withdraw(60), 1, (1, 2)));
        assert_eq!(scene.verdict(OVERDRAFT), Verdict::Pass);
        scene.calls = Vec::new();
        scene.finals = Some(Vec::new());
        scene.is_unknown(OVERDRAFT, "could not be asked");
    }
}
