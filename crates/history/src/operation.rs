//! One operation as its customer saw it.

use thiserror::Error;

use bank::{
    BranchId, CustomerId, Money, Operation, Outcome, RequestId, Seq, SessionId, StatusCode, Write,
};

/// One operation as its customer saw it. Instants are nanoseconds from the run's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationRecord<'a> {
    /// In which session.
    pub session: SessionId,
    /// Whose session that is.
    pub customer: CustomerId,
    /// The how-manieth request of the session: rises with each. The request's name at branches.
    pub number: u64,
    /// The how-manieth operation of its customer it is, from 1: the number that `output.json` and reports use.
    pub event: u64,
    /// The attempt whose answer was taken, from 1.
    pub attempt: u32,
    /// What was asked.
    pub operation: Operation,
    /// Which branch was asked.
    pub branch: BranchId,
    /// When it was first sent.
    pub invoked: u64,
    /// When the answer came; nothing if none did.
    pub completed: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
    /// The gRPC status code with which it ended.
    pub code: StatusCode,
    /// The status word in the answer, if the contract does not define that word.
    pub status: Option<&'a str>,
    /// For an accepted write, its place in the branch's log, where the answer told it.
    pub seq: Option<Seq>,
    /// What the answer was made from: how much of each branch's log, by member.
    pub version: Option<&'a [u64]>,
    /// For a refusal for insufficient funds, the other end of its proof: at some instant of it there was at least
    /// what `version` says and at most this.
    pub at_most: Option<&'a [u64]>,
    /// The balance in the answer.
    pub balance: Option<Money>,
    /// The trace that shows it, if one was made.
    pub trace: Option<u128>,
}

impl OperationRecord<'_> {
    /// Its name at branches.
    pub const fn request(&self) -> RequestId {
        RequestId { session: self.session, number: self.number }
    }

    /// What it writes, if it does.
    pub const fn write(&self) -> Option<Write> {
        match self.operation {
            Operation::Write(write) => Some(write),
            Operation::Query => None,
        }
    }
}

/// A call that cannot belong to the history.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidRecord {
    /// The branch is not one of the run's.
    #[error("branch {0} is not one of the run's branches")]
    Branch(BranchId),
    /// The version speaks of more or fewer branches than there are.
    #[error("the version speaks of {found} branches; there are {expected}")]
    Version {
        /// How many it speaks of.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// A session counts upwards.
    #[error("request {number} of session {:x} comes after request {before} of it; a session counts upwards", .session.0)]
    Order {
        /// Which session.
        session: SessionId,
        /// The request's number.
        number: u64,
        /// That of the one before.
        before: u64,
    },
    /// A session is one customer's.
    #[error("session {:x} is of customer {before} and of customer {customer}", .session.0)]
    Customer {
        /// Which session.
        session: SessionId,
        /// Whose this call is.
        customer: CustomerId,
        /// Whose those before were.
        before: CustomerId,
    },
    /// An answer comes after its question.
    #[error("it was answered at {completed} ns, before it was asked at {invoked} ns")]
    Backwards {
        /// When it was asked.
        invoked: u64,
        /// When it was answered.
        completed: u64,
    },
    /// More than can be counted.
    #[error("there are more than 4,294,967,294 entries")]
    TooMany,
}
