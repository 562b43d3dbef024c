//! How much of what customers see is recorded.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::SettingError;

/// How much of what customers see is recorded, and so can be checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Recording {
    /// Everything.
    #[default]
    All,
    /// So many operations, from the first.
    First(u64),
    /// Nothing: for what recording costs.
    #[serde(rename = "none")]
    Nothing,
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::First(operations) => operations.fmt(f),
            Self::Nothing => f.write_str("none"),
        }
    }
}

const EXPECTED: SettingError = SettingError("all, none or a number of operations");

impl FromStr for Recording {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::Nothing),
            _ => match text.parse().map_err(|_| EXPECTED)? {
                0 => Ok(Self::Nothing),
                operations => Ok(Self::First(operations)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recording_text_is_parsed_and_printed_alike() {
        for (text, recording) in
            [("all", Recording::All), ("none", Recording::Nothing), ("7", Recording::First(7))]
        {
            assert_eq!((text.parse(), recording.to_string()), (Ok(recording), text.to_owned()));
        }
        assert_eq!("0".parse(), Ok(Recording::Nothing));
        assert_eq!("some".parse::<Recording>(), Err(EXPECTED));
    }
}
