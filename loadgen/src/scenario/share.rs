//! A part of a whole.

use std::fmt;
use std::str::FromStr;

use bank::CustomerId;
use serde::Serialize;

use super::{SettingError, scramble};

/// The range of a hash is cut to these bits, which a float holds.
const HASH_BITS: u32 = 53;

/// A share from 0 to 1, written as `20%` or `0.2`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Share(f64);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0.0);
    /// One in a hundred.
    pub const ONE_PERCENT: Self = Self(0.01);
    /// One in five.
    pub const TWENTY_PERCENT: Self = Self(0.2);
    /// Everything.
    pub const ALL: Self = Self(1.0);

    /// The share `fraction`; `None` unless that is from 0 to 1.
    pub fn new(fraction: f64) -> Option<Self> {
        (0.0..=1.0).contains(&fraction).then_some(Self(fraction))
    }

    /// From 0 to 1.
    pub const fn fraction(self) -> f64 {
        self.0
    }

    /// From 0 to 100, without the last digits that the conversion makes up.
    pub fn percent(self) -> f64 {
        (self.0 * 1e12).round() / 1e10
    }

    /// Whether this operation is one of this share of all. A hash of its name decides: they are the same in each run.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the product is from 0 to 2^53, where both types are exact"
    )]
    pub fn takes(self, customer: CustomerId, number: u64) -> bool {
        let threshold = (self.0 * (1_u64 << HASH_BITS) as f64) as u64;
        if threshold == 0 {
            return false;
        }
        let hash = scramble(scramble(customer.0).wrapping_add(number));
        hash >> (u64::BITS - HASH_BITS) < threshold
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent())
    }
}

const EXPECTED: SettingError = SettingError("a share such as 20% or 0.2");

impl FromStr for Share {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| EXPECTED);
        let fraction = match text.trim().strip_suffix('%') {
            Some(percent) => number(percent)? / 100.0,
            None => number(text)?,
        };
        Self::new(fraction).ok_or(EXPECTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        for (text, fraction, shown) in [
            ("20%", 0.2, "20%"),
            ("0.2", 0.2, "20%"),
            ("0", 0.0, "0%"),
            ("1", 1.0, "100%"),
            ("100%", 1.0, "100%"),
            ("7%", 0.07, "7%"),
            ("0.07", 0.07, "7%"),
            ("0.1%", 0.001, "0.1%"),
        ] {
            let share: Share = text.parse().expect(text);
            assert!((share.fraction() - fraction).abs() < 1e-12, "{text}");
            assert_eq!(share.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_share_is_refused() {
        for text in ["", "%", "50", "1.1", "101%", "-1%", "-0.1", "NaN", "NaN%", "inf", "x", "20%%"]
        {
            assert_eq!(text.parse::<Share>(), Err(EXPECTED), "{text}");
        }
    }

    #[test]
    fn a_share_takes_about_so_many_operations() {
        let taken = |text: &str| {
            let share: Share = text.parse().expect("a share");
            let customers = (1..=100).map(CustomerId);
            let operations = customers.flat_map(|id| (1..=100).map(move |number| (id, number)));
            operations.filter(|(customer, number)| share.takes(*customer, *number)).count()
        };
        assert_eq!((taken("0%"), taken("100%")), (0, 10_000));
        let one_in_ten = taken("10%");
        assert!((900..1100).contains(&one_in_ten), "{one_in_ten} of 10,000");
    }
}
