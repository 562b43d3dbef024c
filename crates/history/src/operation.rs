//! One operation as its customer saw it.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use bank::{
    BranchId, CustomerId, Money, Operation, Outcome, RequestId, Seq, SessionId, StatusCode, Write,
};

/// One operation as its customer saw it, from the moment it ends until the verdict. Instants are nanoseconds from the
/// run's start.
///
/// `V` holds a version, `S` a status word: borrowed where the record is passed on, owned where it is read back from a
/// spool. Records are spooled by their serde implementation, which needs the same order of fields on both sides and no
/// allocation to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<V, S> {
    /// The session that made the request.
    pub session: SessionId,
    /// The customer whose session it is.
    pub customer: CustomerId,
    /// The request number within the session, ascending from 1 with gaps. With the session it is the request's name
    /// at branches.
    pub number: u64,
    /// The position among the operations of its customer, from 1: the number that `output.json` and reports use.
    pub position: u64,
    /// The attempt whose answer was taken, from 1.
    pub attempt: u32,
    /// What was asked.
    pub operation: Operation,
    /// The branch that was asked.
    pub branch: BranchId,
    /// When it was first sent.
    pub invoked: u64,
    /// When the answer came; `None` if there was no answer.
    pub completed: Option<u64>,
    /// Whether it happened.
    pub outcome: Outcome,
    /// The gRPC status code with which it ended.
    pub code: StatusCode,
    /// The status word in the answer, if the contract does not define that word.
    pub status: Option<S>,
    /// For an accepted write, its entry in the branch's log, if the answer contains it.
    pub seq: Option<Seq>,
    /// How much of each branch's log the answer was made from, by member.
    pub version: Option<V>,
    /// For a refusal for insufficient funds, the other end of its proof: at some instant of the call there was at
    /// least what `version` says and at most this.
    pub at_most: Option<V>,
    /// The balance in the answer.
    pub balance: Option<Money>,
    /// The trace that shows it, if one was made.
    pub trace: Option<u128>,
}

/// An operation with what it borrows.
pub type OperationRecord<'a> = Record<&'a [u64], &'a str>;

/// An operation that was read back from a spool.
pub type OwnedRecord = Record<Vec<u64>, String>;

impl<V, S> Record<V, S> {
    /// An operation that ended with `outcome` and nothing else in its answer: the first attempt in the only session of
    /// its customer, sent and answered at the run's start.
    pub const fn new(
        customer: CustomerId,
        position: u64,
        branch: BranchId,
        operation: Operation,
        outcome: Outcome,
    ) -> Self {
        Self {
            session: SessionId(customer.0),
            customer,
            number: position,
            position,
            attempt: 1,
            operation,
            branch,
            invoked: 0,
            completed: match outcome {
                Outcome::Unknown => None,
                Outcome::Ok | Outcome::Rejected(_) => Some(0),
            },
            outcome,
            code: StatusCode::Ok,
            status: None,
            seq: None,
            version: None,
            at_most: None,
            balance: None,
            trace: None,
        }
    }

    /// Its name at branches.
    pub const fn request(&self) -> RequestId {
        RequestId { session: self.session, number: self.number }
    }

    /// The write that it asks for; `None` for a query.
    pub const fn write(&self) -> Option<Write> {
        match self.operation {
            Operation::Write(write) => Some(write),
            Operation::Query => None,
        }
    }
}

impl<V, S> fmt::Display for Record<V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customer, position, branch, operation, .. } = self;
        write!(f, "operation {position} of customer {customer} ({operation} at branch {branch})")
    }
}

/// Why an operation cannot belong to a history, or an entry to a log.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidRecord {
    /// The branch is not one of the run's.
    #[error("branch {0} is not one of the run's branches")]
    Branch(BranchId),
    /// The version is of more or fewer branches than the run.
    #[error("the version is of {found} branches; there are {expected}")]
    Version {
        /// The branches of the version.
        found: usize,
        /// The branches of the run.
        expected: usize,
    },
    /// The requests of a session are not in their order.
    #[error("request {number} of session {:x} comes after request {before} of it; a session counts upwards", .session.0)]
    Order {
        /// The session.
        session: SessionId,
        /// The number of the request.
        number: u64,
        /// The number of the request before it.
        before: u64,
    },
    /// A session belongs to two customers.
    #[error("session {:x} is of customer {before} and of customer {customer}", .session.0)]
    Customer {
        /// The session.
        session: SessionId,
        /// The customer of this operation.
        customer: CustomerId,
        /// The customer of those before.
        before: CustomerId,
    },
    /// The answer came before the question.
    #[error("it was answered at {completed} ns, before it was asked at {invoked} ns")]
    Backwards {
        /// The instant of the question, in nanoseconds from the run's start.
        invoked: u64,
        /// The instant of the answer, in nanoseconds from the run's start.
        completed: u64,
    },
    /// There are more than 32 bits can count.
    #[error("there are more than 4,294,967,294 entries")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use bank::{Rejection, Version};

    use super::*;

    #[test]
    fn spooled_record_is_read_back_as_it_was() {
        let version: Version = [4, 300].map(Seq).into_iter().collect();
        let asked = Record::new(
            CustomerId(3),
            8,
            BranchId(9),
            Operation::withdraw(500),
            Outcome::Rejected(Rejection::InsufficientFunds),
        );
        let bare: Record<&Version, &str> = Record { code: StatusCode::DataLoss, ..asked };
        let full = Record {
            completed: Some(1 << 40),
            status: Some("busy"),
            seq: Some(Seq(4)),
            version: Some(&version),
            at_most: Some(&version),
            balance: Some(Money::new(-7)),
            trace: Some(1 << 100),
            ..asked
        };
        for (record, versions) in [(bare, None), (full, Some(&[4, 300][..]))] {
            let bytes = postcard::to_stdvec(&record).expect("encoded");
            let owned: OwnedRecord = postcard::from_bytes(&bytes).expect("decoded");
            let read = &owned;
            assert_eq!((read.version.as_deref(), read.at_most.as_deref()), (versions, versions));
            assert_eq!(
                (read.status.as_deref(), read.seq, read.code),
                (record.status, record.seq, record.code)
            );
            assert_eq!((read.balance, read.trace), (record.balance, record.trace));
            assert_eq!((read.request(), read.outcome), (record.request(), record.outcome));
            assert_eq!((read.invoked, read.completed), (record.invoked, record.completed));
            assert_eq!(read.to_string(), "operation 8 of customer 3 (withdraw 500 at branch 9)");
        }
    }
}
