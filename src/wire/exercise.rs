//! The contracts in `proto/exercise`: 32-bit money, operations named by words, results told in words.

use super::Failure;
use ::bank::{Money, Operation, WriteKind};

/// Package `bank`, generated.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::clone_on_ref_ptr,
    clippy::allow_attributes_without_reason,
    reason = "generated code is not ours to change"
)]
pub mod bank {
    tonic::include_proto!("bank");
}

/// Package `BankService`, generated.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::clone_on_ref_ptr,
    clippy::allow_attributes_without_reason,
    reason = "generated code is not ours to change"
)]
pub mod bankservice {
    tonic::include_proto!("bank_service");
}

/// How both contracts say that a write was made.
pub const SUCCESS: &str = "success";
/// How `bank` says that there is too little money.
pub const FAIL: &str = "fail";
/// How `BankService` says that it knows no such event.
pub const INVALID_EVENT: &str = "Invalid event.";

/// What one of the words for an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Of a customer: the balance.
    Query,
    /// Of a customer: a write at every branch.
    Write(WriteKind),
    /// Of a fellow branch: a write here only.
    Propagate(WriteKind),
}

impl Word {
    /// The word, or `None` if it is not one of theirs.
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

/// Money as these contracts carry it.
pub fn to_int32(money: Money) -> Result<i32, Failure> {
    i32::try_from(money.minor_units()).map_err(|_| Failure::BeyondInt32(money))
}

/// The amount an operation moves, as these contracts carry it; a query moves nothing.
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
    fn words_are_theirs_and_no_others() {
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
