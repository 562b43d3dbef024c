//! No balance is ever below zero, and no branch spends rights that it has not.

use super::Facts;
use super::facts::Place;
use crate::bank::{Entry, Ledger, Member, Outcome, WriteKind};
use crate::check::{BranchState, Evidence, Finding, Named, Observation, Server, Violation};

/// Payments that are told beside the first balance below zero.
const TOLD_MAX: usize = 3;

/// Nobody is ever shown, and no branch ever holds, less than nothing; and a branch of the passbook scheme pays
/// out and grants only what it has the rights to: its share of the opening balance and its deposits, less what
/// it paid out and granted, plus what it had been granted by then.
///
/// Algorithm: escrow (O'Neil, 1986) replayed, each log from its beginning; n entries at N branches cost nN. Where
/// an entry does not say what it was made upon, everything that was ever granted to its branch counts:
/// what exceeds that is a violation, and the rest proves nothing.
pub(super) fn overdraft(facts: &Facts<'_>) -> Finding {
    // Of all balances the lowest and those below zero say everything.
    let shown = || facts.calls().filter_map(|(place, call)| Some((call.balance?, place)));
    let lowest = shown().min();
    let told = shown().filter(|shown| shown.0.is_negative() || Some(*shown) == lowest);
    let observations: Vec<Observation> = told.map(|(_, place)| facts.observation(place)).collect();
    let branches: Vec<BranchState> = facts.case.finals.iter().map(|held| held.state).collect();
    let evidence = Evidence {
        opening: facts.case.opening,
        observations: &observations,
        branches: &branches,
        branches_total: facts.width,
    };
    let mut finding = crate::check::overdraft(&evidence);
    if let Some(first) = first_below_zero(facts) {
        // It is among those that were counted.
        finding.violations.retain(|violation| violation.operation() != first.operation());
        finding.violations.insert(0, first);
        finding.violations.truncate(Finding::KEPT);
    }
    if facts.case.settings.server == Server::Passbook {
        let grants = Grants::of(facts);
        let mut vague = 0_u64;
        for member in 0..facts.width {
            vague += replay(facts, &mut finding, &grants, member);
        }
        if let Some(missing) = facts.missing_entries() {
            finding.cannot_tell(missing);
        }
        if vague > 0 {
            finding.cannot_tell(format!(
                "{vague} entries do not say what they were made upon, so whether rights had arrived is not known"
            ));
        }
    }
    facts.close(&mut finding);
    finding
}

/// The first answer below zero, with payments that were accepted elsewhere at the same time. Each of them may have
/// been covered by a balance that lacked the others.
fn first_below_zero(facts: &Facts<'_>) -> Option<Violation> {
    let shown = facts.calls().filter_map(|(place, call)| {
        let below = call.balance.filter(|balance| balance.is_negative())?;
        Some((call.completed?, place, call, below))
    });
    let (completed, place, first, below) = shown.min_by_key(|(completed, ..)| *completed)?;
    let meanwhile = facts.calls().filter(|(_, call)| {
        let paid_out = call.write().is_some_and(|write| write.kind == WriteKind::Withdraw);
        let overlaps = call.invoked < completed && call.completed > Some(first.invoked);
        paid_out && overlaps && call.outcome == Outcome::Ok && call.branch != first.branch
    });
    let meanwhile: Vec<usize> = meanwhile.map(|(place, _)| place).take(TOLD_MAX).collect();
    let with = match meanwhile.len() {
        0 => String::new(),
        _ => {
            "; meanwhile other branches paid out, from balances that lacked what was paid out here"
                .to_owned()
        }
    };
    let operations = std::iter::once(place).chain(meanwhile).map(|call| facts.name(call)).collect();
    let story = format!(
        "{} was shown a balance of {below}, the first below zero{with}",
        facts.words(place)
    );
    Some(Violation { operations, story })
}

/// The first withdrawal by which more was paid out than there can have been: the opening balance, and every deposit
/// that had begun by then and was not rejected. With the last withdrawals before it. `None` if there is no such
/// withdrawal, or if the history has gaps, in which there may be deposits.
pub(super) fn overspending(facts: &Facts<'_>) -> Option<(Vec<Named>, String)> {
    if !facts.case.history.is_complete() {
        return None;
    }
    let (mut deposits, mut withdrawals) = (Vec::new(), Vec::new());
    for (place, call) in facts.calls() {
        let Some(write) = call.write() else { continue };
        let amount = i128::from(write.amount.minor_units());
        match (write.kind, call.outcome, call.completed) {
            (WriteKind::Deposit, Outcome::Ok | Outcome::Unknown, _) => {
                deposits.push((call.invoked, amount));
            }
            (WriteKind::Withdraw, Outcome::Ok, Some(completed)) => {
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
        let most = facts.opening() + paid_in;
        if paid_out > most {
            let before = withdrawals[..last].iter().rev().take(TOLD_MAX);
            let involved = std::iter::once(place).chain(before.map(|(_, place, _)| *place));
            let story = format!(
                "{}: with it {paid_out} was paid out, and the opening balance and all deposits \
                 begun by then are {most}: {} too much",
                facts.words(place),
                paid_out - most
            );
            return Some((involved.map(|place| facts.name(place)).collect(), story));
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
    fn of(facts: &Facts<'_>) -> Self {
        let width = facts.width;
        let mut given = vec![Vec::new(); width * width];
        for (giver, log) in facts.case.ledgers.logs().iter().enumerate() {
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

    fn by(&self, giver: usize, taker: usize, seq: u64) -> i128 {
        let list = &self.given[giver * self.width + taker];
        let count = list.partition_point(|(at, _)| *at <= seq);
        count.checked_sub(1).map_or(0, |last| list[last].1)
    }

    /// Everything granted to `taker`, as far as `known` of each log.
    fn received(&self, taker: usize, known: Option<&[u64]>) -> i128 {
        let upto = |giver: usize| known.map_or(u64::MAX, |known| known[giver]);
        (0..self.width).map(|giver| self.by(giver, taker, upto(giver))).sum()
    }
}

/// What a branch has the rights to before its first entry.
fn rights_at_start(facts: &Facts<'_>, member: usize) -> i128 {
    if let Some(rights) = facts.case.rights {
        return rights.get(member).copied().map_or(0, i128::from);
    }
    let opening = Ledger::new(facts.case.opening, facts.width);
    u16::try_from(member).map_or(0, |member| opening.share(Member(member)))
}

/// Replays a log; how many of its entries can only be bounded.
fn replay(facts: &Facts<'_>, finding: &mut Finding, grants: &Grants, member: usize) -> u64 {
    let share = rights_at_start(facts, member);
    // Grants of logs that are not there may have come to this one.
    let others_there = (0..facts.width).all(|other| other == member || facts.is_whole(other));
    if !facts.is_numbered(member) {
        return 0;
    }
    let (mut own, mut vague) = (share, 0);
    let mut cached: Option<(Option<&[u64]>, i128)> = None;
    for (entry, logged) in facts.case.ledgers.logs()[member].entries().enumerate() {
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
            finding.violate_with(|| {
                let call = facts.call_of(Place { member, entry });
                let what = match logged.entry {
                    Entry::Grant { to, amount } => {
                        format!("granted {amount} to branch {}", facts.branch(to.index()))
                    }
                    Entry::Withdraw(amount) | Entry::Deposit(amount) => {
                        format!("paid out {amount}")
                    }
                };
                let story = format!(
                    "branch {} {what} as entry {} with rights to {rights} only",
                    facts.branch(member),
                    logged.seq
                );
                (call.map(|call| facts.name(call)).into_iter().collect(), story)
            });
        }
        own -= spent;
    }
    vague
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Scene, granted, logged, ok, paid_out};
    use crate::bank::{Money, Operation};
    use crate::check::{Property, Server, Verdict};

    const OVERDRAFT: Property = Property::Overdraft;

    /// Branch 2 has 50 of its own and is granted 30.
    fn borrowed(upon: &'static [u64]) -> Scene {
        let mut scene = Scene::new(100, 2);
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
        let moved = |rights: [i64; 2]| Scene { rights: Some(rights.to_vec()), ..borrowed(&[1, 0]) };
        assert_eq!(moved([40, 60]).verdict(OVERDRAFT), Verdict::Pass);
        moved([70, 30]).fails(OVERDRAFT, (1, 1), "with rights to 60 only");
        moved([20, 80]).judge(OVERDRAFT).violations.iter().for_each(|violation| {
            assert!(violation.story.contains("branch 1 granted 30"), "{violation:?}");
        });
        assert_eq!(moved([20, 80]).verdict(OVERDRAFT), Verdict::Fail);
    }

    #[test]
    fn a_grant_needs_rights_as_well() {
        let mut scene = borrowed(&[1, 0]);
        scene.logs[0] = vec![granted(1, 1, 51, &[0, 0])];
        let finding = scene.judge(OVERDRAFT);
        assert!(
            finding.violations[0].story.contains("branch 1 granted 51 to branch 2"),
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
        let mut scene = Scene { lost: vec![0, 1], ..Scene::new(50, 2) };
        scene.settings.server = Server::Broadcast;
        scene.calls = vec![
            ok(1, Operation::withdraw(40), 1, (0, 5)),
            ok(2, Operation::withdraw(30), 2, (1, 6)),
            ok(3, Operation::Query, 2, (8, 9)),
        ];
        for (place, balance) in [(0, 10), (1, -20), (2, -20)] {
            scene.calls[place].balance = Some(Money::new(balance));
        }
        scene.fails(OVERDRAFT, (2, 1), "meanwhile other branches paid out");
        let first = &scene.judge(OVERDRAFT).violations[0];
        let named: Vec<u64> = first.operations.iter().map(|named| named.customer.0).collect();
        assert_eq!(named, [2, 1], "{first:?}");
    }

    #[test]
    fn a_balance_below_zero_is_found_in_answers_and_at_branches() {
        let mut scene = Scene { lost: vec![0, 1], ..Scene::healthy() };
        scene.settings.server = Server::Broadcast;
        assert_eq!(scene.verdict(OVERDRAFT), Verdict::Pass);
        scene.calls[4].balance = Some(Money::new(-1));
        scene.fails(OVERDRAFT, (2, 3), "was shown a balance of -1, the first below zero");
        assert!(scene.judge(OVERDRAFT).violations[0].operations[0].place.is_some());
    }
}
