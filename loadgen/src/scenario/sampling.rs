//! Which operations are traced: the customer decides, branches follow.

use std::fmt;
use std::str::FromStr;

use bank::CustomerId;
use serde::Serialize;

use super::{Share, ShareError, scramble};

/// A share of all operations, chosen by a hash of the operation's name: the same ones in each run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SampleRate {
    share: Share,
    /// Hashes below this are traced; the range of a hash is cut to 53 bits, which a float holds.
    #[serde(skip)]
    threshold: u64,
}

const HASH_BITS: u32 = 53;

impl SampleRate {
    /// No operation.
    pub const NONE: Self = Self { share: Share::NONE, threshold: 0 };
    /// Every operation.
    pub const ALL: Self = Self { share: Share::ALL, threshold: 1 << HASH_BITS };

    /// Whether this operation is traced.
    pub fn takes(&self, customer: CustomerId, number: u64) -> bool {
        if self.threshold == 0 {
            return false;
        }
        let hash = scramble(scramble(customer.0).wrapping_add(number));
        hash >> (u64::BITS - HASH_BITS) < self.threshold
    }

    /// The share in per cent.
    pub fn percent(&self) -> f64 {
        self.share.percent()
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.share.fmt(f)
    }
}

impl From<Share> for SampleRate {
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the product is from 0 to 2^53, where both types are exact"
    )]
    fn from(share: Share) -> Self {
        let threshold = (share.fraction() * (1_u64 << HASH_BITS) as f64) as u64;
        Self { share, threshold }
    }
}

impl FromStr for SampleRate {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        text.parse::<Share>().map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate: &str) -> usize {
        let rate: SampleRate = rate.parse().expect("a rate");
        (1..=100)
            .flat_map(|customer| (1..=100).map(move |number| (CustomerId(customer), number)))
            .filter(|(customer, number)| rate.takes(*customer, *number))
            .count()
    }

    #[test]
    fn a_rate_takes_about_its_share() {
        assert_eq!(taken("0%"), 0);
        assert_eq!(taken("100%"), 10_000);
        assert_eq!("100%".parse(), Ok(SampleRate::ALL));
        let one_in_ten = taken("10%");
        assert!((900..1100).contains(&one_in_ten), "{one_in_ten} of 10,000");
    }

    #[test]
    fn a_rate_is_a_share() {
        assert_eq!("0.1".parse::<SampleRate>(), "10%".parse());
        assert_eq!("10".parse::<SampleRate>(), Err(ShareError));
    }
}
