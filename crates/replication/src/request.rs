//! Requests of customers and what answers are made from.

use std::fmt;
use std::sync::Arc;

use crate::Instant;
use bank::{Ack, Operation, Read, RequestId, Seq, Version};

/// Names one customer's request at one branch. The driver never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One sending of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The request, the same in all attempts.
    pub request: RequestId,
    /// How often it was sent with this one, from 1.
    pub attempt: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequestId { session, number } = self.request;
        write!(f, "request #{number}.{} of session {:x}", self.attempt, session.0)
    }
}

/// Names a cluster: in memory mode one incarnation of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

/// What a customer carries from branch to branch: everything that they were shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// Where it is valid.
    pub cluster: ClusterId,
    /// What the customer knows.
    pub version: Version,
}

/// What a customer asks of this branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Its name, so that it is executed once. Without a name it is executed as often as it is sent.
    pub attempt: Option<Attempt>,
    /// What to do.
    pub operation: Operation,
    /// What the customer has seen: no answer shows less. `None` if they carry no passbook.
    pub token: Option<Token>,
    /// When to answer a write.
    pub ack: Ack,
    /// What to answer a query from.
    pub read: Read,
    /// When the customer stops waiting. What is sent to peers on their behalf carries it on.
    pub deadline: Instant,
}

impl Request {
    /// A request without a name, of a customer who carries no passbook.
    pub fn anonymous(operation: Operation, ack: Ack, deadline: Instant) -> Self {
        Self { attempt: None, operation, token: None, ack, read: Read::default(), deadline }
    }
}

/// What an answer was made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Where it is valid.
    pub cluster: ClusterId,
    /// What the answer shows: its balance is that of exactly these entries.
    pub version: Arc<Version>,
    /// For a refusal for insufficient funds, the other end of its proof: at some instant between question and answer
    /// all branches had at least what `version` says and at most this, and with all deposits of this and only the
    /// withdrawals of `version` there would still have been too little.
    pub at_most: Option<Arc<Version>>,
    /// For an accepted write, its place in the branch's log.
    pub seq: Option<Seq>,
    /// For an accepted write, how many branches are known to hold it.
    pub achieved: u32,
}
