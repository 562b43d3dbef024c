//! Values that JSON has no word for.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use bank::{Outcome, Rejection};

/// A number as hexadecimal digits in quotes: other readers of JSON lose digits beyond 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hex<T>(pub(super) T);

struct HexVisitor<T>(PhantomData<T>);

macro_rules! hex {
    ($number:ty, $digits:literal) => {
        impl Serialize for Hex<$number> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let mut digits = [b'0'; $digits];
                let mut rest = self.0;
                for digit in digits.iter_mut().rev() {
                    let value = u8::try_from(rest & 15).unwrap_or_default();
                    *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
                    rest >>= 4;
                }
                to.serialize_str(std::str::from_utf8(&digits).unwrap_or_default())
            }
        }

        impl Visitor<'_> for HexVisitor<$number> {
            type Value = Hex<$number>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "up to {} hexadecimal digits in quotes", $digits)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let wrong = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let number = <$number>::from_str_radix(text, 16).ok().filter(|_| digits);
                number.map(Hex).ok_or_else(wrong)
            }
        }

        impl<'de> Deserialize<'de> for Hex<$number> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(HexVisitor::<$number>(PhantomData))
            }
        }
    };
}

hex!(u64, 16);
hex!(u128, 32);

/// What became of an operation, without the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OutcomeName {
    Ok,
    Rejected,
    Unknown,
}

/// A reason by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reason(pub(super) Rejection);

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.key())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let key = <&str>::deserialize(from)?;
        let found = key.parse().map(Self);
        found.map_err(|_| D::Error::custom(format!("no reason is called {key:?}")))
    }
}

impl OutcomeName {
    pub(super) const fn of(outcome: Outcome) -> (Self, Option<Reason>) {
        match outcome {
            Outcome::Ok => (Self::Ok, None),
            Outcome::Rejected(reason) => (Self::Rejected, Some(Reason(reason))),
            Outcome::Unknown => (Self::Unknown, None),
        }
    }

    pub(super) const fn with(self, reason: Option<Reason>) -> Option<Outcome> {
        match (self, reason) {
            (Self::Ok, None) => Some(Outcome::Ok),
            (Self::Rejected, Some(Reason(reason))) => Some(Outcome::Rejected(reason)),
            (Self::Unknown, None) => Some(Outcome::Unknown),
            _ => None,
        }
    }
}
