//! Values that JSON has no word for.

use std::fmt::LowerHex;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use bank::{Outcome, Rejection};

/// A number as hexadecimal digits in quotes: other readers of JSON lose digits beyond 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hex<T>(pub(super) T);

impl<T: LowerHex> Serialize for Hex<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // Two digits a byte.
        to.collect_str(&format_args!("{:01$x}", self.0, 2 * size_of::<T>()))
    }
}

impl<'de, T: TryFrom<u128>> Deserialize<'de> for Hex<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let digits = <&str>::deserialize(from)?;
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(digits, 16).ok().filter(|_| are_digits);
        number.and_then(|number| T::try_from(number).ok()).map(Self).ok_or_else(|| {
            let most = 2 * size_of::<T>();
            D::Error::custom(format!(
                "{digits:?}, expected up to {most} hexadecimal digits in quotes"
            ))
        })
    }
}

/// What became of an operation, without the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OutcomeName {
    Ok,
    Rejected,
    Unknown,
}

impl OutcomeName {
    pub(super) const fn of(outcome: Outcome) -> (Self, Option<Rejection>) {
        match outcome {
            Outcome::Ok => (Self::Ok, None),
            Outcome::Rejected(reason) => (Self::Rejected, Some(reason)),
            Outcome::Unknown => (Self::Unknown, None),
        }
    }

    pub(super) const fn with(self, reason: Option<Rejection>) -> Option<Outcome> {
        match (self, reason) {
            (Self::Ok, None) => Some(Outcome::Ok),
            (Self::Rejected, Some(reason)) => Some(Outcome::Rejected(reason)),
            (Self::Unknown, None) => Some(Outcome::Unknown),
            _ => None,
        }
    }
}
