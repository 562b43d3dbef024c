//! What has to be put in one order: entries, reads and refusals, each with the time in which it happened.

use bank::Outcome;

use super::chain::Level;
use crate::RunIndex;
use crate::evidence::{Dependencies, Deposits, refused_amount};
use crate::index::Place;

/// A refusal for insufficient funds: somewhere between these instants there was less than the amount.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'a> {
    pub(super) call: usize,
    pub(super) invoked: u64,
    pub(super) completed: u64,
    pub(super) amount: i128,
    /// Two versions between which there is too little, whatever of the later one had happened.
    pub(super) proof: Option<(&'a [u64], &'a [u64])>,
}

/// One entry of a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) invoked: u64,
    pub(super) completed: u64,
    pub(super) change: i128,
    pub(super) call: Option<usize>,
}

/// All of it. Entries are counted over all logs, each log's in its order.
pub(super) struct Problem<'a> {
    pub(super) run: &'a RunIndex<'a>,
    pub(super) offsets: Vec<usize>,
    pub(super) items: Vec<Item>,
    pub(super) levels: Vec<Level>,
    pub(super) refusals: Vec<Refusal<'a>>,
    pub(super) dependencies: Vec<Dependencies>,
    /// Answers that speak of entries which no log has.
    pub(super) unlogged: u64,
}

impl<'a> Problem<'a> {
    /// All logs are there. Levels that show what no log has are left out and counted.
    pub(super) fn of(run: &'a RunIndex<'_>, mut levels: Vec<Level>) -> Self {
        let logs = run.logs();
        let mut offsets = vec![0];
        let mut items = Vec::new();
        for (member, log) in logs.iter().enumerate() {
            for (entry, logged) in log.entries().enumerate() {
                let call = run.call_of(Place { member, entry });
                let (invoked, completed) = call.map_or((0, u64::MAX), |place| window(run, place));
                items.push(Item { invoked, completed, change: logged.entry.delta(), call });
            }
            offsets.push(items.len());
        }
        let before = levels.len();
        levels.retain(|level| {
            level
                .version
                .iter()
                .zip(logs)
                .all(|(seq, log)| usize::try_from(*seq).is_ok_and(|seq| seq <= log.len()))
        });
        let mut unlogged = u64::try_from(before - levels.len()).unwrap_or(u64::MAX);
        let mut refusals = Vec::new();
        let mut deposits = None;
        for (place, call) in run.calls() {
            if call.write().is_none() {
                continue;
            }
            unlogged += u64::from(call.outcome == Outcome::Ok && run.entry_of(place).is_none());
            if let Some(amount) = refused_amount(&call) {
                let proof = call.version.zip(call.at_most).filter(|_| {
                    let deposits = deposits.get_or_insert_with(|| Deposits::of(run));
                    deposits.most_of_proof(run, &call).is_some_and(|most| most < amount)
                });
                refusals.push(Refusal {
                    call: place,
                    invoked: call.invoked,
                    completed: call.completed.unwrap_or(u64::MAX),
                    amount,
                    proof,
                });
            }
        }
        let dependencies = (0..run.width).map(|member| Dependencies::of(run, member)).collect();
        Self { run, offsets, items, levels, refusals, dependencies, unlogged }
    }

    pub(super) const fn width(&self) -> usize {
        self.run.width
    }

    /// How many entries a log has.
    pub(super) fn len(&self, member: usize) -> usize {
        self.offsets[member + 1] - self.offsets[member]
    }

    /// The entries of a log.
    pub(super) fn log(&self, member: usize) -> &[Item] {
        &self.items[self.offsets[member]..self.offsets[member + 1]]
    }

    pub(super) fn opening(&self) -> i128 {
        self.run.opening()
    }

    /// When a read happened.
    pub(super) fn window(&self, read: usize) -> (u64, u64) {
        window(self.run, read)
    }

    /// The entries that must come right before one of a log, with `before` entries of that log before it: the last of
    /// these, and, where `upon` is kept and known, the last of each other log that it was made upon.
    pub(super) fn predecessors(
        &self,
        member: usize,
        before: usize,
        upon: bool,
    ) -> impl Iterator<Item = usize> {
        let own = before.checked_sub(1).map(|last| self.offsets[member] + last);
        let upon = self.upon(member, before).filter(|_| upon).unwrap_or_default();
        let others = upon.iter().enumerate().filter(move |(other, _)| *other != member);
        own.into_iter().chain(others.filter_map(|(other, needs)| {
            let needs = usize::try_from(*needs).unwrap_or(usize::MAX);
            needs.checked_sub(1).map(|last| self.offsets[other] + last)
        }))
    }

    /// The balance before the first of `order`, and after each.
    pub(super) fn balances(&self, order: &[usize]) -> Vec<i128> {
        let mut balance = self.run.opening();
        let after = order.iter().map(|entry| {
            balance += self.items[*entry].change;
            balance
        });
        std::iter::once(self.run.opening()).chain(after).collect()
    }

    /// Whether `order` takes no balance below zero. `balances` are its own.
    pub(super) fn is_solvent(&self, order: &[usize], balances: &[i128]) -> bool {
        let mut after = order.iter().zip(&balances[1..]);
        after.all(|(entry, after)| self.items[*entry].change >= 0 || *after >= 0)
    }

    /// What the entry after the first `before` of a log was made upon, where it is known.
    pub(super) fn upon(&self, member: usize, before: usize) -> Option<&[u64]> {
        self.dependencies[member].upto(u64::try_from(before).ok()?.checked_add(1)?)
    }
}

fn window(run: &RunIndex<'_>, place: usize) -> (u64, u64) {
    let call = run.call(place);
    let completed = call.completed.filter(|_| call.outcome == Outcome::Ok);
    (call.invoked, completed.unwrap_or(u64::MAX))
}
