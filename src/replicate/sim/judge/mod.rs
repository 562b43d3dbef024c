//! Watches a simulated cluster from outside, knows what really happened, and says what must not be.
#![expect(dead_code, clippy::unused_self, reason = "signatures only, until the checks are written")]

use crate::bank::{Answer, Member, Money, Operation};
use crate::replicate::passbook::{Message, Passbook, Record, Storage};
use crate::replicate::{Ack, Attempt, Instant, Read, Receipt, Ticket, Token};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// I1: a row has one writer, only grows, and its chain is that of its log.
    OneWriter,
    /// I2: every version that is held, pushed or shown is causally closed.
    Closed,
    /// I3: no rights and no visible balance is below zero.
    Rights,
    /// I4: the log holds every acknowledged write, no refused one, and each request once.
    Accounted,
    /// I5: what is acknowledged is durable on as many branches as was said.
    Acknowledged,
    /// I6: what is visible of a branch's own log is durable there.
    Durable,
    /// The balance of an answer is that of the entries it shows.
    Value,
    /// A session reads its own writes.
    ReadYourWrites,
    /// A session never reads less than before.
    MonotonicReads,
    /// A session's writes are made in their order.
    MonotonicWrites,
    /// A session's write is made where what the session has read is known.
    WritesFollowReads,
    /// Insufficient funds is said only if at some instant of the request the true balance was below its amount.
    Refusal,
    /// A snapshot is what was true at some instant of the request.
    Snapshot,
    /// Nothing is written down for a request after its deadline.
    Deadline,
    /// When everything has healed, all branches hold the same.
    Convergence,
    /// Every request is answered, once.
    Answered,
    /// A branch that lost its memory is stopped, and no other is.
    Amnesia,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What does not hold.
    pub property: Property,
    /// Who, what, and what was expected.
    pub detail: String,
}

/// One operation of a simulated customer, from its first attempt to the answer that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The first attempt's name: session and number tell the operation.
    pub attempt: Attempt,
    /// Where.
    pub branch: Member,
    /// What.
    pub operation: Operation,
    /// When a write is to be answered.
    pub ack: Ack,
    /// What a query is to be answered from.
    pub read: Read,
    /// What the customer carried.
    pub token: Option<Token>,
}

/// Knows what really happened.
#[derive(Debug)]
pub struct Judge {}

impl Judge {
    /// Watches a new cluster.
    pub fn new(_members: usize, _opening: Money, _storage: Storage) -> Self {
        Self {}
    }

    /// A branch has appended a record to its journal (or, in memory mode, to nothing: it is durable).
    pub fn recorded(
        &mut self,
        _now: Instant,
        _branch: Member,
        _record: &Record,
    ) -> Result<(), Violation> {
        Ok(())
    }

    /// The first `upto` records of a branch's journal are on its disk now. Said before the branch knows.
    pub fn synced(&mut self, _branch: Member, _upto: u64) {}

    /// A branch's process has ended. `surviving` records of its journal will be read at the next start.
    pub fn crashed(&mut self, _branch: Member, _surviving: u64) -> Result<(), Violation> {
        Ok(())
    }

    /// A branch has sent a message.
    pub fn sent(
        &mut self,
        _from: Member,
        _to: Member,
        _message: &Message,
    ) -> Result<(), Violation> {
        Ok(())
    }

    /// A branch has taken in an input and its effects were shown to the judge.
    pub fn stepped(&mut self, _branch: Member, _replica: &Passbook) -> Result<(), Violation> {
        Ok(())
    }

    /// A customer begins an operation.
    pub fn asked(&mut self, _asked: Asked) {}

    /// An attempt arrives at the branch under a ticket, to be answered until `deadline`.
    pub fn submitted(&mut self, _ticket: Ticket, _attempt: Attempt, _deadline: Instant) {}

    /// The branch answers a ticket, whether or not the customer hears it.
    pub fn replied(
        &mut self,
        _branch: Member,
        _ticket: Ticket,
        _answer: &Answer,
        _receipt: Option<&Receipt>,
    ) -> Result<(), Violation> {
        Ok(())
    }

    /// The customer takes an answer as final (an outcome of unknown after the last attempt included).
    pub fn took(
        &mut self,
        _attempt: Attempt,
        _answer: &Answer,
        _receipt: Option<&Receipt>,
    ) -> Result<(), Violation> {
        Ok(())
    }

    /// Everything has healed and nothing moves any more. `alive` are the branches that serve; the others
    /// were stopped for good.
    pub fn ended(&mut self, _alive: &[(Member, &Passbook)]) -> Result<(), Violation> {
        Ok(())
    }
}
