//! What a collect proves: two rounds over all branches.
//!
//! The second round begins after every reply of the first. So there is an instant between them. At that instant
//! every total was no less than in the first round and no more than in the second, since totals only grow.
//!
//! - If opening balance + deposits of the second round − withdrawals of the first is below an amount, the balance
//!   was below it at that instant.
//! - If the deposits and withdrawals of all branches are the same in both rounds, they were so at that
//!   instant (the double collect of Afek et al., 1993).

use std::sync::Arc;

use super::{Context, Effect, LocalLog, Mutant};
use crate::{Receipt, Ticket};
use bank::{Answer, Money, Outcome, Row, Version};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// The join of the first round's ledgers, by member.
    first: Vec<Row>,
    /// The own row of each branch in the second round, by member.
    second: Vec<Row>,
}

/// Merges the rows that are newer.
fn join<'a>(known: &mut [Row], rows: impl IntoIterator<Item = &'a Row>) {
    for row in rows {
        if let Some(known) = known.get_mut(row.origin.index())
            && row.seq > known.seq
        {
            known.clone_from(row);
        }
    }
}

impl Proof {
    /// A proof that begins with these rows, one of each member.
    pub(super) fn new(rows: Vec<Row>) -> Self {
        Self { second: rows.clone(), first: rows }
    }

    pub(super) fn join_first<'a>(&mut self, rows: impl IntoIterator<Item = &'a Row>) {
        join(&mut self.first, rows);
    }

    pub(super) fn set_second(&mut self, row: &Row) {
        if let Some(own) = self.second.get_mut(row.origin.index()) {
            own.clone_from(row);
        }
    }

    /// Adds a proof that another branch made: `first` to what is known here, and what `second` changed since.
    pub(super) fn complete(&mut self, first: &[Row], second: &[Row]) {
        self.join_first(first);
        self.second.clone_from(&self.first);
        for row in second {
            self.set_second(row);
        }
    }

    /// How much of each log the first round has.
    pub(super) fn version(&self) -> Version {
        self.first.iter().map(|row| row.seq).collect()
    }

    /// The rows of the first round that a branch with `known` lacks.
    pub(super) fn first_beyond(&self, known: &Version) -> Vec<Row> {
        self.first.iter().filter(|row| row.seq > known.of(row.origin)).cloned().collect()
    }

    /// The rows of the second round that changed.
    pub(super) fn changed(&self) -> Vec<Row> {
        let rounds = self.first.iter().zip(&self.second);
        let changed = rounds.filter(|(first, second)| first.seq != second.seq);
        changed.map(|(_, second)| second.clone()).collect()
    }

    /// The balance was not above this at the instant between the rounds.
    pub(super) fn balance_at_most(&self, opening: Money) -> i128 {
        let deposited: i128 = self.second.iter().map(|row| row.deposited.signed()).sum();
        let withdrawn: i128 = self.first.iter().map(|row| row.withdrawn.signed()).sum();
        i128::from(opening.minor_units()) + deposited - withdrawn
    }

    /// Whether no money moved between the rounds.
    pub(super) fn is_snapshot(&self, ctx: &Context) -> bool {
        let same = |(first, second): (&Row, &Row)| {
            (first.deposited, first.withdrawn) == (second.deposited, second.withdrawn)
        };
        ctx.has(Mutant::OneCollect) || self.first.iter().zip(&self.second).all(same)
    }

    /// The upper end of the proof of a refusal.
    pub(super) fn at_most(&self) -> Arc<Version> {
        Arc::new(self.second.iter().map(|row| row.seq).collect())
    }

    /// Answers a query from the first round, not from what is visible by now.
    pub(super) fn reply_snapshot(&self, ctx: &mut Context, log: &LocalLog, ticket: Ticket) {
        reply(ctx, log, ticket, Outcome::Ok, Shown { rows: &self.first, at_most: None });
    }

    /// Refuses a withdrawal.
    pub(super) fn reply_refused(
        &self,
        ctx: &mut Context,
        log: &LocalLog,
        ticket: Ticket,
        outcome: Outcome,
        at_most: &Arc<Version>,
    ) {
        let rows = if ctx.has(Mutant::ProofOfOwnRows) { &self.second } else { &self.first };
        let at_most = Some(Arc::clone(at_most));
        reply(ctx, log, ticket, outcome, Shown { rows, at_most });
    }
}

/// What an answer shows.
struct Shown<'a> {
    rows: &'a [Row],
    at_most: Option<Arc<Version>>,
}

fn reply(ctx: &mut Context, log: &LocalLog, ticket: Ticket, outcome: Outcome, shown: Shown<'_>) {
    let Shown { rows, at_most } = shown;
    let opening = i128::from(ctx.settings.opening.minor_units());
    let total = opening + rows.iter().map(Row::net).sum::<i128>();
    let version: Version = rows.iter().map(|row| row.seq).collect();
    let version = Arc::new(version);
    let receipt =
        log.cluster().map(|cluster| Receipt { cluster, version, at_most, seq: None, achieved: 0 });
    let answer = Answer { outcome, balance: i64::try_from(total).ok().map(Money::new) };
    ctx.effects.push(Effect::Reply { ticket, answer, receipt });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{Entry, Member, Seq};

    fn row(origin: u16, entries: &[i64]) -> Row {
        let mut row = Row::empty(Member(origin));
        for amount in entries {
            let entry = match *amount {
                taken if taken < 0 => Entry::Withdraw(Money::new(-taken)),
                paid => Entry::Deposit(Money::new(paid)),
            };
            row.append(&entry, None);
        }
        row
    }

    fn proof() -> Proof {
        Proof::new(vec![row(0, &[]), row(1, &[])])
    }

    #[test]
    fn balance_bound_takes_late_deposits_and_early_withdrawals() {
        let mut proof = proof();
        proof.join_first(&[row(1, &[-5])]);
        proof.set_second(&row(1, &[-5, 7, -4]));
        assert_eq!(proof.balance_at_most(Money::new(100)), 102);
        assert_eq!(proof.changed(), [row(1, &[-5, 7, -4])]);
    }

    #[test]
    fn rounds_with_equal_totals_are_a_snapshot() {
        let mut ctx = Context::of_first(2, 100);
        let ctx = &mut ctx;
        let mut proof = proof();
        assert!(proof.is_snapshot(ctx));
        proof.set_second(&row(1, &[7]));
        assert!(!proof.is_snapshot(ctx));
    }

    #[test]
    fn proof_of_another_branch_adds_to_what_is_known_here() {
        let mut own = proof();
        own.join_first(&[row(0, &[1, 2])]);
        own.complete(&[row(1, &[3])], &[row(1, &[3, 4])]);
        assert_eq!(own.first_beyond(&Version::zero(2)), [row(0, &[1, 2]), row(1, &[3])]);
        assert_eq!(own.version(), [2, 1].map(Seq).into_iter().collect());
        assert_eq!(*own.at_most(), [2, 2].map(Seq).into_iter().collect());
    }
}
