//! A balance that remembers how low it has been.

use thiserror::Error;

use super::Money;

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

    /// Adds `amount`.
    pub fn deposit(&mut self, amount: Money) -> Result<(), Overflow> {
        self.hold(self.balance.checked_add(amount))
    }

    /// Takes `amount`, below zero if need be: whether that is allowed is for the caller to say.
    pub fn withdraw(&mut self, amount: Money) -> Result<(), Overflow> {
        self.hold(self.balance.checked_sub(amount))
    }

    fn hold(&mut self, balance: Option<Money>) -> Result<(), Overflow> {
        self.balance = balance.ok_or(Overflow)?;
        self.lowest = self.lowest.min(self.balance);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_balance_is_remembered() {
        let mut account = Account::new(Money::new(10));
        account.withdraw(Money::new(30)).expect("in range");
        account.deposit(Money::new(100)).expect("in range");
        assert_eq!(account.balance(), Money::new(80));
        assert_eq!(account.lowest(), Money::new(-20));
    }

    #[test]
    fn an_overflow_changes_nothing() {
        let mut account = Account::new(Money::new(i64::MAX));
        assert_eq!(account.deposit(Money::new(1)), Err(Overflow));
        assert_eq!(account.balance(), Money::new(i64::MAX));
    }
}
