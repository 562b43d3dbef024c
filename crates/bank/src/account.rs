//! A balance that remembers how low it has been.

use thiserror::Error;

use super::{Money, Write};

/// A balance would leave the range of 64 bits; nothing was changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the balance would not fit into 64 bits")]
pub struct Overflow;

/// One replica's copy of the shared account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    balance: Money,
    lowest: Money,
}

impl Account {
    /// An account that holds `opening` money.
    pub const fn new(opening: Money) -> Self {
        Self { balance: opening, lowest: opening }
    }

    /// What it holds.
    pub const fn balance(&self) -> Money {
        self.balance
    }

    /// The least it ever held, the opening balance included.
    pub const fn lowest(&self) -> Money {
        self.lowest
    }

    /// Applies `write`, below zero if need be: the caller decides whether that is allowed.
    pub fn apply(&mut self, write: Write) -> Result<(), Overflow> {
        let balance = i128::from(self.balance.minor_units()) + write.delta();
        self.balance = i64::try_from(balance).map(Money::new).map_err(|_| Overflow)?;
        self.lowest = self.lowest.min(self.balance);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriteKind;

    fn write(kind: WriteKind, amount: i64) -> Write {
        Write { kind, amount: Money::new(amount) }
    }

    #[test]
    fn the_lowest_balance_is_remembered() {
        let mut account = Account::new(Money::new(10));
        account.apply(write(WriteKind::Withdraw, 30)).expect("in range");
        account.apply(write(WriteKind::Deposit, 100)).expect("in range");
        assert_eq!(account.balance(), Money::new(80));
        assert_eq!(account.lowest(), Money::new(-20));
    }

    #[test]
    fn an_overflow_changes_nothing() {
        let mut account = Account::new(Money::new(i64::MAX));
        assert_eq!(account.apply(write(WriteKind::Deposit, 1)), Err(Overflow));
        assert_eq!(account.balance(), Money::new(i64::MAX));
    }
}
