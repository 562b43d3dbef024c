//! Integer money with checked arithmetic only.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount or a balance in minor units (cents). It may be negative only because the checks must be
/// able to name a balance that went below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `minor_units` of money.
    pub const fn new(minor_units: i64) -> Self {
        Self(minor_units)
    }

    /// The amount in minor units.
    pub const fn minor_units(self) -> i64 {
        self.0
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The sum, or `None` beyond 64 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_checked_at_both_ends() {
        let most = Money::new(i64::MAX);
        let least = Money::new(i64::MIN);
        assert_eq!(most.checked_add(Money::new(1)), None);
        assert_eq!(least.checked_add(Money::new(-1)), None);
        assert_eq!(Money::new(40).checked_add(Money::new(-70)), Some(Money::new(-30)));
        assert!(Money::new(-30).is_negative());
    }
}
