//! The contracts in `proto/exercise`: 32-bit money, and words for operations and results.

use super::Failure;
pub use super::generated::{bank, bankservice};
use ::bank::{Money, Operation, WriteKind};

/// The word of both contracts for a write that was made.
pub const SUCCESS: &str = "success";
/// The word of `bank` for insufficient funds.
pub const FAIL: &str = "fail";
/// The message of `BankService` for an unknown event.
pub const INVALID_EVENT: &str = "Invalid event.";

/// An operation, by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A customer's query.
    Query,
    /// A customer's write, at every branch.
    Write(WriteKind),
    /// A peer's write, at this branch only.
    Propagate(WriteKind),
}

impl Word {
    /// Parses a word; `None` if the contracts have no such word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "query" => Some(Self::Query),
            "deposit" => Some(Self::Write(WriteKind::Deposit)),
            "withdraw" => Some(Self::Write(WriteKind::Withdraw)),
            "propagate_deposit" => Some(Self::Propagate(WriteKind::Deposit)),
            "propagate_withdraw" => Some(Self::Propagate(WriteKind::Withdraw)),
            _ => None,
        }
    }
}

/// Money in 32 bits.
pub fn to_int32(money: Money) -> Result<i32, Failure> {
    i32::try_from(money.minor_units()).map_err(|_| Failure::BeyondInt32(money))
}

/// The amount of an operation in 32 bits; zero for a query.
pub fn amount_of(operation: Operation) -> Result<i32, Failure> {
    match operation {
        Operation::Query => Ok(0),
        Operation::Write(write) => to_int32(write.amount),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_are_not_parsed() {
        assert_eq!(Word::parse("query"), Some(Word::Query));
        assert_eq!(Word::parse("propagate_deposit"), Some(Word::Propagate(WriteKind::Deposit)));
        for strange in ["", "Deposit", "transfer", "propagate_query"] {
            assert_eq!(Word::parse(strange), None, "{strange}");
        }
    }

    #[test]
    fn money_fits_into_32_bits_or_is_out_of_range() {
        assert_eq!(to_int32(Money::new(i64::from(i32::MAX))), Ok(i32::MAX));
        assert_eq!(to_int32(Money::new(i64::from(i32::MIN))), Ok(i32::MIN));
        let beyond = Money::new(i64::from(i32::MAX) + 1);
        assert_eq!(to_int32(beyond), Err(Failure::BeyondInt32(beyond)));
        assert!(amount_of(Operation::deposit(i64::MAX)).is_err());
        assert_eq!(amount_of(Operation::Query), Ok(0));
    }
}
