//! How often customers do what.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::SettingError;

/// Weights of deposits, withdrawals and queries; at least one is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Weight of deposits.
    pub deposit: u32,
    /// Weight of withdrawals.
    pub withdraw: u32,
    /// Weight of queries.
    pub query: u32,
}

impl Mix {
    /// The sum of the weights.
    pub fn total(&self) -> u64 {
        u64::from(self.deposit) + u64::from(self.withdraw) + u64::from(self.query)
    }
}

impl Default for Mix {
    fn default() -> Self {
        Self { deposit: 40, withdraw: 30, query: 30 }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.deposit, self.withdraw, self.query)
    }
}

impl Serialize for Mix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const EXPECTED: SettingError = SettingError(
    "three whole numbers DEPOSITS:WITHDRAWALS:QUERIES, not all zero, such as 40:30:30",
);

impl FromStr for Mix {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let mut weights = text.split(':').map(str::parse::<u32>);
        let mut next = || weights.next().and_then(Result::ok).ok_or(EXPECTED);
        let mix = Self { deposit: next()?, withdraw: next()?, query: next()? };
        if weights.next().is_some() || mix.total() == 0 {
            return Err(EXPECTED);
        }
        Ok(mix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_three_numbers_not_all_zero() {
        assert_eq!("10:90:0".parse(), Ok(Mix { deposit: 10, withdraw: 90, query: 0 }));
        for wrong in ["", "1:2", "1:2:3:4", "0:0:0", "1:-2:3", "a:b:c", "1.5:1:1"] {
            assert_eq!(wrong.parse::<Mix>(), Err(EXPECTED), "{wrong}");
        }
        assert_eq!(Mix::default().to_string(), "40:30:30");
    }
}
