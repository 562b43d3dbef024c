//! A branch's copy of what all branches have done.

use std::sync::Arc;

use thiserror::Error;

use super::{Member, Money, Row, Version};

/// Two logs of one branch that have the same length and are not the same.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("there are two logs of one branch: same length, other entries")]
pub struct Fork(pub Member);

/// All rows of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    opening: Money,
    rows: Vec<Row>,
    /// Shared with the answers that show it; copied when it changes while one of them lives.
    version: Arc<Version>,
    /// Opening balance + deposits − withdrawals of all rows.
    balance: i128,
}

impl Ledger {
    /// A cluster of `members` branches (at most 65,535) that starts with `opening`.
    pub fn new(opening: Money, members: usize) -> Self {
        Self {
            opening,
            rows: (0..u16::MAX).take(members).map(|place| Row::empty(Member(place))).collect(),
            version: Arc::new(Version::zero(members)),
            balance: opening.minor_units().into(),
        }
    }

    /// All rows, by member.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of `member`, if it is one.
    pub fn row(&self, member: Member) -> Option<&Row> {
        self.rows.get(member.index())
    }

    /// How much of each log is known.
    pub const fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// Opening balance + deposits − withdrawals.
    pub fn total(&self) -> i128 {
        self.balance
    }

    /// The same as money; nothing beyond 64 bits.
    pub fn balance(&self) -> Option<Money> {
        i64::try_from(self.balance).ok().map(Money::new)
    }

    /// Merges `row` if it is longer than the one held. Returns whether it was. Rows of unknown branches are ignored.
    pub fn join(&mut self, row: &Row) -> Result<bool, Fork> {
        let Some(held) = self.rows.get_mut(row.origin.index()) else {
            return Ok(false);
        };
        if row.seq == held.seq && row.chain != held.chain {
            return Err(Fork(row.origin));
        }
        if row.seq <= held.seq {
            return Ok(false);
        }
        self.balance = self.balance.saturating_add(row.net()).saturating_sub(held.net());
        held.clone_from(row);
        Arc::make_mut(&mut self.version).raise(row.origin, row.seq);
        Ok(true)
    }

    /// The rows that are longer than `known`.
    pub fn beyond<'a>(&'a self, known: &'a Version) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(|row| row.seq > known.of(row.origin))
    }

    /// What `member` may pay out of the opening balance: an equal share, and one more for the first
    /// members if it does not divide.
    pub fn share(&self, member: Member) -> i128 {
        let opening = i128::from(self.opening.minor_units());
        let members = i128::try_from(self.rows.len()).unwrap_or(1).max(1);
        let rest = opening.rem_euclid(members);
        opening.div_euclid(members) + i128::from(i128::from(member.0) < rest)
    }

    /// What the others are known to have granted to `member`.
    pub fn received(&self, member: Member) -> i128 {
        self.rows.iter().map(|row| row.granted.to(member).signed()).sum()
    }

    /// What `member` may pay out alone, as far as is known (escrow: O'Neil, 1986; bounded counters:
    /// Balegas et al., 2015).
    pub fn rights(&self, member: Member) -> i128 {
        let own = self.row(member).map_or(0, |row| row.net() - row.granted.total().signed());
        self.share(member) + own + self.received(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, Entry};

    fn row(origin: u16, entries: &[Entry]) -> Row {
        let mut row = Row::empty(Member(origin));
        for entry in entries {
            row.append(entry, None);
        }
        row
    }

    #[test]
    fn a_longer_row_replaces_and_a_shorter_one_does_not() {
        let mut ledger = Ledger::new(Money::new(100), 2);
        let one = row(1, &[Entry::Deposit(Money::new(5))]);
        let two = row(1, &[Entry::Deposit(Money::new(5)), Entry::Withdraw(Money::new(30))]);
        assert_eq!(ledger.join(&two), Ok(true));
        assert_eq!(ledger.join(&one), Ok(false));
        assert_eq!(ledger.join(&two), Ok(false));
        assert_eq!(ledger.balance(), Some(Money::new(75)));
        assert_eq!(ledger.join(&row(9, &[])), Ok(false), "nobody's");
    }

    #[test]
    fn two_logs_of_one_length_are_a_fork() {
        let mut ledger = Ledger::new(Money::ZERO, 2);
        let mut one = row(1, &[Entry::Deposit(Money::new(5))]);
        assert_eq!(ledger.join(&one), Ok(true));
        one.chain = Chain(one.chain.0 ^ 1);
        assert_eq!(ledger.join(&one), Err(Fork(Member(1))));
    }

    #[test]
    fn shares_are_even_and_rights_move_by_grants() {
        let mut ledger = Ledger::new(Money::new(100), 3);
        assert_eq!([0, 1, 2].map(|m| ledger.share(Member(m))), [34, 33, 33]);
        let grant = Entry::Grant { to: Member(2), amount: Money::new(30) };
        ledger.join(&row(0, &[grant, Entry::Withdraw(Money::new(4))])).expect("no fork");
        assert_eq!([0, 1, 2].map(|m| ledger.rights(Member(m))), [0, 33, 63]);
        let rights: i128 = [0, 1, 2].map(|m| ledger.rights(Member(m))).iter().sum();
        assert_eq!(rights, ledger.total(), "rights are the balance, shared out");
    }

    #[test]
    fn a_balance_beyond_64_bits_is_none() {
        let mut ledger = Ledger::new(Money::new(i64::MAX), 2);
        ledger.join(&row(0, &[Entry::Deposit(Money::new(1))])).expect("no fork");
        assert_eq!(ledger.balance(), None);
        ledger.join(&row(1, &[Entry::Withdraw(Money::new(1))])).expect("no fork");
        assert_eq!(ledger.balance(), Some(Money::new(i64::MAX)));
    }
}
