//! No balance is ever below zero, and no branch spends rights that it has not.

use super::facts::Place;
use super::Facts;
use crate::bank::{Entry, Ledger, Member};
use crate::check::{BranchState, Evidence, Finding, Observation, Server};

/// Nobody is ever shown, and no branch ever holds, less than nothing; and a branch of the passbook scheme pays
/// out and grants only what it has the rights to: its share of the opening balance and its deposits, less what
/// it paid out and granted, plus what it had been granted by then.
///
/// Algorithm: escrow (O'Neil, 1986) replayed, each log from its beginning; n entries at N branches cost nN. Where
/// an entry does not say what it was made upon, everything that was ever granted to its branch counts:
/// what exceeds that is a violation, and the rest proves nothing.
pub(super) fn overdraft(facts: &Facts<'_>) -> Finding {
    let observations: Vec<Observation> = facts
        .calls()
        .filter(|(_, call)| call.balance.is_some())
        .map(|(place, _)| facts.observation(place))
        .collect();
    let branches: Vec<BranchState> = facts.case.finals.iter().map(|held| held.state).collect();
    let evidence = Evidence {
        opening: facts.case.opening,
        observations: &observations,
        branches: &branches,
        branches_total: facts.width,
    };
    let mut finding = crate::check::overdraft(&evidence);
    if facts.case.settings.server == Server::Passbook {
        let opening = Ledger::new(facts.case.opening, facts.width);
        let grants = Grants::of(facts);
        let mut vague = 0_u64;
        for member in 0..facts.width {
            vague += replay(facts, &mut finding, &grants, &opening, member);
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

/// Replays a log; how many of its entries can only be bounded.
fn replay(
    facts: &Facts<'_>,
    finding: &mut Finding,
    grants: &Grants,
    opening: &Ledger,
    member: usize,
) -> u64 {
    let share = u16::try_from(member).map_or(0, |member| opening.share(Member(member)));
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
