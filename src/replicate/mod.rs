//! Replication schemes as pure state machines: an input goes in, effects come out.
//!
//! A scheme never sleeps, reads a clock, opens a socket or touches a disk. The driver ([`crate::branch`])
//! does that for it, and so does the simulation ([`sim`]) with a seeded network. One file a scheme.

mod broadcast;
mod settings;
pub mod sim;

use std::time::Duration;

use crate::bank::{Answer, BranchId, Money, Operation, Write};

pub use broadcast::Broadcast;
pub use settings::{Fanout, Locking};

/// A point in time, counted from an epoch that the driver chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Duration);

/// Names one customer's request at one branch. The driver never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How many branches must have applied a write before the customer is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ack {
    /// The branch that was asked.
    Local,
    /// Every branch.
    All,
}

impl Ack {
    /// All levels.
    pub const ALL: [Self; 2] = [Self::Local, Self::All];

    /// The name used in arguments and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::All => "all",
        }
    }
}

/// What a customer asks of this branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub operation: Operation,
    /// When to answer a write.
    pub ack: Ack,
    /// When the customer stops waiting. What is sent to peers on their behalf carries it on.
    pub deadline: Instant,
}

/// Names a write in the whole cluster: the branch that accepted it, and the ticket it had there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId {
    /// The branch that accepted it.
    pub origin: BranchId,
    /// Its ticket at that branch.
    pub ticket: Ticket,
}

/// What branches say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Apply this write, whatever your balance.
    Propagate {
        /// Which write.
        id: WriteId,
        /// What it does.
        write: Write,
        /// When the origin stops waiting for the answer.
        deadline: Instant,
    },
    /// The answer to [`Message::Propagate`].
    Propagated {
        /// Which write.
        id: WriteId,
        /// Whether it was applied; if not, the balance would have left its range.
        applied: bool,
    },
}

/// Something that happened to a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A customer asks.
    Submit {
        /// Where the answer goes.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// A peer says something.
    Peer {
        /// Who.
        from: BranchId,
        /// What.
        message: Message,
    },
    /// A propagation to a peer was not answered in time, or could not be sent. It may have arrived.
    Undelivered {
        /// The peer.
        to: BranchId,
        /// The write that was to be propagated.
        id: WriteId,
    },
}

/// Something for the driver to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Say something to a peer.
    Send {
        /// Whom.
        to: BranchId,
        /// What.
        message: Message,
    },
    /// Answer a customer. At most once for each ticket.
    Reply {
        /// Whose request.
        ticket: Ticket,
        /// What they are told.
        answer: Answer,
    },
}

/// What an auditor may know of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The balance now.
    pub balance: Money,
    /// The lowest balance that was ever held.
    pub lowest_balance: Money,
    /// Writes accepted from customers.
    pub accepted: u64,
    /// Writes applied for peers.
    pub applied: u64,
    /// Accepted writes that some peer has not answered yet.
    pub outstanding: u64,
    /// Propagations whose fate at the peer is unknown, or that the peer could not apply.
    pub undelivered: u64,
}

/// A replica of the bank under one scheme.
pub trait Replication: Send {
    /// Takes in what happened and appends what is to be done about it.
    fn on(&mut self, input: Input, effects: &mut Vec<Effect>);

    /// What an auditor sees now.
    fn audit(&self) -> Audit;

    /// The scheme's name in arguments and reports.
    fn name(&self) -> &'static str;
}
