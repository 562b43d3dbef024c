//! A part of a whole.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

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
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent())
    }
}

/// A text that is not a share.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected a share such as 20% or 0.2")]
pub struct ShareError;

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| ShareError);
        let fraction = match text.trim().strip_suffix('%') {
            Some(percent) => number(percent)? / 100.0,
            None => number(text)?,
        };
        Self::new(fraction).ok_or(ShareError)
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
            assert_eq!(text.parse::<Share>(), Err(ShareError), "{text}");
        }
    }
}
