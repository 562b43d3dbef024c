//! A share of a whole.

use std::fmt;
use std::str::FromStr;

use passbook::check::percent;
use thiserror::Error;

/// A part of a whole, from none to all of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    fraction: f64,
}

impl Share {
    /// One in a hundred.
    pub const ONE_PERCENT: Self = Self { fraction: 0.01 };

    /// From 0 to 1.
    pub const fn fraction(self) -> f64 {
        self.fraction
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&percent(self.fraction))
    }
}

/// Not a share.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected a share from 0% to 100%, or a fraction from 0 to 1, such as 20% or 0.2")]
pub struct ShareError;

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let fraction = match text.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
            None => text.parse(),
        };
        let fraction = fraction.ok().filter(|fraction| (0.0..=1.0).contains(fraction));
        fraction.map(|fraction| Self { fraction }).ok_or(ShareError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        for (text, fraction, shown) in
            [("20%", 0.2, "20%"), ("0.2", 0.2, "20%"), ("1", 1.0, "100%"), ("0.5%", 0.005, "0.5%")]
        {
            let share: Share = text.parse().expect("a share");
            assert_eq!((share, share.to_string().as_str()), (Share { fraction }, shown));
        }
        assert_eq!(Share::ONE_PERCENT.to_string().parse(), Ok(Share::ONE_PERCENT));
    }

    #[test]
    fn a_share_beyond_the_whole_is_refused() {
        for wrong in ["", "%", "2", "101%", "-1%", "-0.1", "NaN", "inf%", "x", "1 %"] {
            assert_eq!(wrong.parse::<Share>(), Err(ShareError), "{wrong}");
        }
    }
}
