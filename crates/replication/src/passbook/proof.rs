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

use super::{Context, Mutant};
use crate::Ticket;
use bank::{Ledger, Outcome, Row, Version};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// The join of the first round's ledgers.
    first: Ledger,
    /// The own row of each branch in the second round, by member.
    second: Vec<Row>,
}

/// Merges the rows that are newer. A fork is not: it stops the branch when the rows are received.
fn join<'a>(known: &mut Ledger, rows: impl IntoIterator<Item = &'a Row>) {
    for row in rows {
        known.join(row).ok();
    }
}

fn ledger<'a>(ctx: &Context, rows: impl IntoIterator<Item = &'a Row>) -> Ledger {
    let mut ledger = Ledger::new(ctx.settings.opening, ctx.members());
    join(&mut ledger, rows);
    ledger
}

impl Proof {
    /// A proof that begins with these rows.
    pub(super) fn new<'a>(ctx: &Context, rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let first = ledger(ctx, rows);
        Self { second: first.rows().to_vec(), first }
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
        self.second.clone_from_slice(self.first.rows());
        for row in second {
            self.set_second(row);
        }
    }

    /// The rows of both rounds, by member.
    fn rounds(&self) -> impl Iterator<Item = (&Row, &Row)> {
        self.first.rows().iter().zip(&self.second)
    }

    /// How much of each log the first round has.
    pub(super) const fn version(&self) -> &Arc<Version> {
        self.first.version()
    }

    /// The rows of the first round that a branch with `known` lacks.
    pub(super) fn first_beyond(&self, known: &Version) -> Vec<Row> {
        self.first.beyond(known).cloned().collect()
    }

    /// The rows of the second round that changed.
    pub(super) fn changed(&self) -> Vec<Row> {
        let changed = self.rounds().filter(|(first, second)| first.seq != second.seq);
        changed.map(|(_, second)| second.clone()).collect()
    }

    /// The balance was not above this at the instant between the rounds.
    pub(super) fn balance_at_most(&self) -> i128 {
        let deposits: i128 = self
            .rounds()
            .map(|(first, second)| second.deposited.signed() - first.deposited.signed())
            .sum();
        self.first.total() + deposits
    }

    /// Whether no money moved between the rounds.
    pub(super) fn is_snapshot(&self, ctx: &Context) -> bool {
        let same = |(first, second): (&Row, &Row)| {
            (first.deposited, first.withdrawn) == (second.deposited, second.withdrawn)
        };
        ctx.has(Mutant::OneCollect) || self.rounds().all(same)
    }

    /// Answers a query from the first round, not from what is visible by now.
    pub(super) fn reply_snapshot(&self, ctx: &mut Context, ticket: Ticket) {
        ctx.reply(ticket, Outcome::Ok, &self.first, |_| {});
    }

    /// Refuses a withdrawal. The second round is the upper end of the proof.
    pub(super) fn reply_refused(&self, ctx: &mut Context, ticket: Ticket, outcome: Outcome) {
        let own_rows = ctx.has(Mutant::ProofOfOwnRows).then(|| ledger(ctx, &self.second));
        let shown = own_rows.as_ref().unwrap_or(&self.first);
        let at_most: Version = self.second.iter().map(|row| row.seq).collect();
        ctx.reply(ticket, outcome, shown, |receipt| {
            receipt.at_most = Some(Arc::new(at_most));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{Entry, Member, Money, Seq};

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
        Proof::new(&Context::of_first(2, 100), &[])
    }

    #[test]
    fn balance_bound_takes_late_deposits_and_early_withdrawals() {
        let mut proof = proof();
        proof.join_first(&[row(1, &[-5])]);
        proof.set_second(&row(1, &[-5, 7, -4]));
        assert_eq!(proof.balance_at_most(), 102);
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
        assert_eq!(**own.version(), [2, 1].map(Seq).into_iter().collect());
        assert_eq!(
            own.second.iter().map(|row| row.seq).collect::<Version>(),
            [2, 2].map(Seq).into_iter().collect()
        );
    }
}
