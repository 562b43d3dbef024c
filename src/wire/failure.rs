//! The one table between what can go wrong and gRPC status codes, read in both directions.

use thiserror::Error;
use tonic::{Code, Status};

use crate::bank::{Outcome, Rejection};

/// Why a branch answers with an error. Insufficient funds is an answer, not an error.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// The request is not one a branch can carry out.
    #[error("{0}")]
    BadRequest(String),
    /// The balance would not fit into 64 bits; nothing was changed.
    #[error("the balance would not fit into 64 bits; nothing was changed")]
    OutOfRange,
    /// The write was made here, but some branch did not acknowledge it.
    #[error("not every branch acknowledged the write: it may or may not be there")]
    NotAcknowledged,
    /// The branch is going away or cannot take more.
    #[error("the branch is shutting down")]
    ShuttingDown,
}

impl Failure {
    const fn code(&self) -> Code {
        match self {
            Self::BadRequest(_) => Code::InvalidArgument,
            Self::OutOfRange => Code::OutOfRange,
            Self::NotAcknowledged => Code::Aborted,
            Self::ShuttingDown => Code::Unavailable,
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
        assert_eq!(outcome(Failure::NotAcknowledged), Outcome::Unknown);
        assert_eq!(outcome(Failure::ShuttingDown), Outcome::Unknown);
        assert_eq!(outcome_of(Code::DeadlineExceeded), Outcome::Unknown);
    }
}
