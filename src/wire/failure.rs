//! The one table between what can go wrong and gRPC status codes, read in both directions.

use thiserror::Error;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use bank::{Money, Outcome, Rejection, StatusCode};

/// The metadata by which an error says for which reason the branch definitely did not do what was asked.
const REJECTION: &str = "passbook-rejection";

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
    /// The running scheme keeps no logs that could be recorded.
    #[error("replication {0}, by which this branch replicates, keeps no logs")]
    NoLog(&'static str),
    /// Another recording of the branch's log is under way than the one that was named, or none.
    #[error(
        "recording {0:016x} of this branch's log is over: somebody else has begun another, or it was ended"
    )]
    NotRecording(u64),
    /// The branch definitely did not do it, for a reason that has no failure of its own here.
    #[error("rejected: {}", .0.name())]
    Refused(Rejection),
    /// The branch gave up on the write, or fewer branches acknowledged it in time than the customer asked for.
    #[error(
        "the write was given up, or too few branches acknowledged it in time: it may or may not be there"
    )]
    NotAcknowledged,
    /// The deadline of a query passed before the branch could answer it.
    #[error(
        "the deadline of the query passed before this branch had received all that the answer must show; query again"
    )]
    NotAnswered,
    /// The branch has not met all its peers, or is still reading its journal. It does not know what an earlier
    /// incarnation of it did.
    #[error(
        "the branch is not ready and does not know whether it made this write before a restart; send it again when its \
         health is SERVING"
    )]
    NotReady,
    /// The branch is going away or cannot take more.
    #[error("the branch is shutting down")]
    ShuttingDown,
}

impl Failure {
    const fn code(&self) -> Code {
        match self {
            Self::BadRequest(_) => Code::InvalidArgument,
            Self::OutOfRange | Self::BeyondInt32(_) => Code::OutOfRange,
            Self::OtherScheme(_) | Self::NotRecording(_) | Self::Refused(_) => {
                Code::FailedPrecondition
            }
            Self::NoLog(_) => Code::Unimplemented,
            Self::NotAcknowledged | Self::MadeBeyondInt32(_) => Code::Aborted,
            Self::NotAnswered => Code::DeadlineExceeded,
            Self::NotReady | Self::ShuttingDown => Code::Unavailable,
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
            | Rejection::ForeignPassbook
            | Rejection::NotServed => Self::Refused(rejection),
        }
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let mut status = Self::new(failure.code(), failure.to_string());
        if let Failure::Refused(rejection) = failure {
            let reason = MetadataValue::from_static(rejection.key());
            status.metadata_mut().insert(REJECTION, reason);
        }
        status
    }
}

/// tonic's code as the bank's types have it.
pub fn status_code(code: Code) -> StatusCode {
    StatusCode::of_number(code.into())
}

/// What a customer knows after a status that the server sent: definite only for codes by which a server reports that
/// it did nothing. Statuses that the client library makes by itself prove nothing; see [`super::is_sent_by_server`].
/// A branch of passbook gives its reason in the metadata.
pub fn outcome_of(status: &Status) -> Outcome {
    match outcome_of_code(status.code()) {
        Outcome::Rejected(rejection) => {
            let reason = status.metadata().get(REJECTION).and_then(|reason| reason.to_str().ok());
            Outcome::Rejected(reason.and_then(|key| key.parse().ok()).unwrap_or(rejection))
        }
        other => other,
    }
}

const fn outcome_of_code(code: Code) -> Outcome {
    match code {
        Code::Ok => Outcome::Ok,
        Code::OutOfRange => Outcome::Rejected(Rejection::OutOfRange),
        Code::InvalidArgument => Outcome::Rejected(Rejection::BadRequest),
        Code::FailedPrecondition
        | Code::NotFound
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented => Outcome::Rejected(Rejection::NotServed),
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
        let outcome = |failure: Failure| outcome_of(&Status::from(failure));
        let bad = Failure::BadRequest("no".to_owned());
        assert_eq!(outcome(bad), Outcome::Rejected(Rejection::BadRequest));
        assert_eq!(outcome(Failure::OutOfRange), Outcome::Rejected(Rejection::OutOfRange));
        let money = Money::new(i64::MAX);
        let refused = Outcome::Rejected(Rejection::OutOfRange);
        assert_eq!(outcome(Failure::BeyondInt32(money)), refused);
        assert_eq!(outcome(Failure::MadeBeyondInt32(money)), Outcome::Unknown);
        let other = Failure::OtherScheme("leader");
        assert_eq!(outcome(other), Outcome::Rejected(Rejection::NotServed));
        for rejection in Rejection::ALL.iter().copied() {
            let read = outcome(Failure::from(rejection));
            assert_eq!(read, Outcome::Rejected(rejection), "the reason survives");
        }
        let unknown = [
            Failure::NotAcknowledged,
            Failure::NotAnswered,
            Failure::NotReady,
            Failure::ShuttingDown,
        ];
        for failure in unknown {
            assert_eq!(outcome(failure.clone()), Outcome::Unknown, "{failure}");
        }
        let late = Status::deadline_exceeded("no answer in time");
        assert_eq!(outcome_of(&late), Outcome::Unknown);
    }

    #[test]
    fn a_reason_makes_no_error_definite_and_a_strange_one_is_none() {
        let with_reason = |mut status: Status, reason: &'static str| {
            status.metadata_mut().insert(REJECTION, MetadataValue::from_static(reason));
            outcome_of(&status)
        };
        assert_eq!(with_reason(Status::unavailable("gone"), "contended"), Outcome::Unknown);
        let strange = with_reason(Status::failed_precondition("no"), "bad weather");
        assert_eq!(strange, Outcome::Rejected(Rejection::NotServed));
    }
}
