//! Replication schemes as pure state machines: an input goes in, effects come out.
//!
//! A scheme never sleeps, reads a clock, opens a socket or touches a disk. The driver
//! does that for it, and so does the simulation with a seeded network and disk.
//!
//! What a driver promises:
//! - Inputs come one at a time, and time never goes back.
//! - A message comes in only while the stream that it was sent on is the newest one that
//!   [`Input::PeerUp`] announced at both ends.
//! - Records are appended in the order of their effects, and nothing is done about an effect after an
//!   [`Effect::Persist`] that could not be appended: the branch ends.
//! - After some inputs, at the latest before it waits for more, it calls [`Replication::settle`].

mod broadcast;
pub mod passbook;
mod scheme;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bank::{Ack, Answer, BranchId, Money, Operation, Read, RequestId, Seq, Version, Write};

pub use broadcast::Broadcast;
pub use passbook::Passbook;
pub use scheme::Scheme;
pub use settings::{Fanout, Locking};

/// A point in time, counted from an epoch that the driver chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub Duration);

impl Instant {
    /// So much later.
    #[must_use]
    pub const fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

/// Names one customer's request at one branch. The driver never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One sending of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// Which request.
    pub request: RequestId,
    /// The how-manieth sending of it.
    pub attempt: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequestId { session, number } = self.request;
        write!(f, "request #{number}.{} of session {:x}", self.attempt, session.0)
    }
}

/// Names a cluster: in memory mode one life of it.
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
    /// Under which name, so that it is done once; without a name it is done as often as it is sent.
    pub attempt: Option<Attempt>,
    /// What to do.
    pub operation: Operation,
    /// What the customer knows already and must not be shown less of; nothing if they carry no passbook.
    pub token: Option<Token>,
    /// When to answer a write.
    pub ack: Ack,
    /// What to answer a query from.
    pub read: Read,
    /// When the customer stops waiting. What is sent to peers on their behalf carries it on.
    pub deadline: Instant,
}

impl Request {
    /// One without a name, of a customer who carries no passbook.
    pub fn anonymous(operation: Operation, ack: Ack, deadline: Instant) -> Self {
        Self { attempt: None, operation, token: None, ack, read: Read::default(), deadline }
    }
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Broadcast: apply this write, whatever your balance.
    Propagate {
        /// Which write.
        id: WriteId,
        /// What it does.
        write: Write,
        /// When the origin stops waiting for the answer.
        deadline: Instant,
    },
    /// Broadcast: the answer to [`Message::Propagate`].
    Propagated {
        /// Which write.
        id: WriteId,
        /// Whether it was applied; if not, the balance would have left its range.
        applied: bool,
    },
    /// What branches under the passbook scheme say.
    Passbook(passbook::Message),
}

/// Something that happened to a branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A customer asks.
    Submit {
        /// Where the answer goes.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// A customer has stopped waiting. A write that is on its way stays.
    Abandon {
        /// Whose request.
        ticket: Ticket,
    },
    /// A new stream to a peer is open, and any older one is closed.
    PeerUp {
        /// Whom it leads to.
        peer: BranchId,
    },
    /// The stream to a peer is closed.
    PeerDown {
        /// Whom it led to.
        peer: BranchId,
    },
    /// A peer says something.
    Peer {
        /// Who.
        from: BranchId,
        /// What.
        message: Message,
    },
    /// Broadcast: a propagation to a peer was not answered in time, or could not be sent. It may have
    /// arrived.
    Undelivered {
        /// The peer.
        to: BranchId,
        /// The write that was to be propagated.
        id: WriteId,
    },
    /// The journal is on disk up to here.
    Persisted {
        /// How many records, from the first of the journal.
        upto: u64,
    },
    /// Whether the journal has room for more.
    Room(Room),
    /// The instant asked for by [`Effect::WakeAt`] has come.
    Tick,
}

/// Whether a journal can grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Room {
    /// It can.
    #[default]
    Enough,
    /// What is on its way fits, and nothing more must be begun.
    Full,
}

/// Something for the driver to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Append a record to the journal, and say [`Input::Persisted`] when it is on disk. In memory mode
    /// the record is for whoever observes the branch.
    Persist {
        /// What to write down.
        record: passbook::Record,
    },
    /// Say something to a peer.
    Send {
        /// Whom.
        to: BranchId,
        /// What.
        message: Message,
    },
    /// Answer a customer. Exactly once for each ticket, unless the branch ends first.
    Reply {
        /// Whose request.
        ticket: Ticket,
        /// What they are told.
        answer: Answer,
        /// What the answer was made from, where the scheme knows it.
        receipt: Option<Receipt>,
    },
    /// Say [`Input::Tick`] at this instant, or soon after. A later call replaces none before it.
    WakeAt(Instant),
    /// Tell whoever runs this branch that it does not speak with a peer: one of them was started wrongly. It
    /// is said again with each attempt of the peer's.
    Refuse {
        /// Whom.
        peer: BranchId,
        /// How they differ.
        why: passbook::Mismatch,
    },
    /// End the branch: it must not serve any more.
    Stop(passbook::Stop),
    /// Report a step of the protocol to tracing and statistics. Nothing depends on it.
    Note(passbook::Note),
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

/// What an auditor may know of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaStats {
    /// The balance now.
    pub balance: Money,
    /// The lowest balance that was ever held.
    pub lowest_balance: Money,
    /// Writes accepted from customers.
    pub accepted: u64,
    /// Writes applied for peers.
    pub applied: u64,
    /// Accepted writes that some peer, as far as it can be reached, has not answered yet.
    pub outstanding: u64,
    /// Propagations whose fate at the peer is unknown, or that the peer could not apply.
    pub undelivered: u64,
}

/// How far a branch is in the logs of all branches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// What it shows: its balance is that of exactly these entries.
    pub shown: Arc<Version>,
    /// What it has written down, of its own log and of others.
    pub written: Version,
    /// What it may pay out without asking another branch, by what it has written down. In minor units.
    pub rights: i128,
}

/// A replica of the bank under one scheme.
pub trait Replication: Send {
    /// Takes in what happened at `now` and appends what is to be done about it.
    fn on(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>);

    /// Appends what was put off until no more inputs are at hand, so that one message covers many.
    fn settle(&mut self, now: Instant, effects: &mut Vec<Effect>);

    /// What an auditor sees now.
    fn stats(&self) -> ReplicaStats;

    /// How far it is in all logs; nothing if the scheme keeps none. One that does writes down every entry of
    /// its own log, and all that it takes in of others, by [`Effect::Persist`].
    fn log_status(&self) -> Option<LogStatus> {
        None
    }

    /// The scheme's name in arguments and reports.
    fn name(&self) -> &'static str;

    /// What its messages travel on.
    fn transport(&self) -> Transport {
        Transport::Calls
    }

    /// Whether it can serve customers.
    fn is_ready(&self) -> bool {
        true
    }
}

/// What a scheme's messages to peers travel on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Each is a call of its own, and how it ended is told.
    Calls,
    /// A stream between each two branches; peers go up and down.
    Streams,
}
