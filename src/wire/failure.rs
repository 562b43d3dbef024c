//! The one table between what can go wrong and gRPC status codes, read in both directions.

use thiserror::Error;
use tonic::{Code, Status};

use crate::bank::{Money, Outcome, Rejection};

/// Why a branch answers with an error. Insufficient funds is an answer, not an error.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// The request is not one a branch can carry out.
    #[error("{0}")]
    BadRequest(String),
    /// The balance would not fit into 64 bits; nothing was changed.
    #[error("the balance would not fit into 64 bits; nothing was changed")]
    OutOfRange,
    /// Money that a contract with 32 bits cannot carry; nothing was changed.
    #[error(
        "{0} does not fit into the 32 bits that this contract has for money; nothing was changed"
    )]
    BeyondInt32(Money),
    /// The write was made, but a contract with 32 bits cannot carry the balance after it.
    #[error("the write was made, but the balance after it, {0}, does not fit into 32 bits")]
    MadeBeyondInt32(Money),
    /// Another scheme than the running one is needed.
    #[error(
        "this call between branches is not one of replication {0}, by which this branch replicates"
    )]
    OtherScheme(&'static str),
    /// The branch definitely did not do it, for a reason that has no failure of its own here.
    #[error("rejected: {}", .0.name())]
    Refused(Rejection),
    /// The write was made here, but fewer branches acknowledged it than the customer asked for.
    #[error("too few branches acknowledged the write: it may or may not be there")]
    NotAcknowledged,
    /// The branch is going away or cannot take more.
    #[error("the branch is shutting down")]
    ShuttingDown,
}

impl Failure {
    const fn code(&self) -> Code {
        match self {
            Self::BadRequest(_) => Code::InvalidArgument,
            Self::OutOfRange | Self::BeyondInt32(_) => Code::OutOfRange,
            Self::OtherScheme(_) | Self::Refused(_) => Code::FailedPrecondition,
            Self::NotAcknowledged | Self::MadeBeyondInt32(_) => Code::Aborted,
            Self::ShuttingDown => Code::Unavailable,
        }
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::OutOfRange => Self::OutOfRange,
            Rejection::BadRequest => Self::BadRequest(rejection.name().to_owned()),
            Rejection::InsufficientFunds
            | Rejection::RightsUnavailable
            | Rejection::Contended
            | Rejection::TooFewBranches
            | Rejection::Overloaded
            | Rejection::NotReady
            | Rejection::Stale
            | Rejection::ForeignPassbook => Self::Refused(rejection),
        }
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code(), failure.to_string())
    }
}

/// What a customer knows after an error: definite only for codes that say that nothing was done.
pub const fn outcome_of(code: Code) -> Outcome {
    match code {
        Code::Ok => Outcome::Ok,
        Code::OutOfRange => Outcome::Rejected(Rejection::OutOfRange),
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::NotFound
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented => Outcome::Rejected(Rejection::BadRequest),
        Code::Aborted
        | Code::AlreadyExists
        | Code::Cancelled
        | Code::DataLoss
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::Unknown => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_back_as_what_the_customer_may_conclude() {
        let outcome = |failure: Failure| outcome_of(Status::from(failure).code());
        let bad = Failure::BadRequest("no".to_owned());
        assert_eq!(outcome(bad), Outcome::Rejected(Rejection::BadRequest));
        assert_eq!(outcome(Failure::OutOfRange), Outcome::Rejected(Rejection::OutOfRange));
        let money = Money::new(i64::MAX);
        let refused = Outcome::Rejected(Rejection::OutOfRange);
        assert_eq!(outcome(Failure::BeyondInt32(money)), refused);
        assert_eq!(outcome(Failure::MadeBeyondInt32(money)), Outcome::Unknown);
        let other = Failure::OtherScheme("leader");
        assert_eq!(outcome(other), Outcome::Rejected(Rejection::BadRequest));
        let refused = Failure::from(Rejection::RightsUnavailable);
        assert_eq!(outcome(refused), Outcome::Rejected(Rejection::BadRequest));
        assert_eq!(outcome(Failure::NotAcknowledged), Outcome::Unknown);
        assert_eq!(outcome(Failure::ShuttingDown), Outcome::Unknown);
        assert_eq!(outcome_of(Code::DeadlineExceeded), Outcome::Unknown);
    }
}
