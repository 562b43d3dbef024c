//! What comes into a passbook replica and what it asks its driver for.

use super::{Message, Mismatch, Note, Record, Stop};
use crate::{Instant, Receipt, Request, Ticket};
use bank::{Answer, BranchId};

/// An event that the replica handles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A customer sends a request.
    Submit {
        /// Names the request in [`Effect::Reply`].
        ticket: Ticket,
        /// The request.
        request: Request,
    },
    /// A customer has stopped waiting. A write that has been appended stays.
    Abandon {
        /// The request's ticket.
        ticket: Ticket,
    },
    /// A new stream to a peer is open, and any older one is closed.
    PeerUp {
        /// The peer at the other end.
        peer: BranchId,
    },
    /// The stream to a peer is closed.
    PeerDown {
        /// The peer at the other end.
        peer: BranchId,
    },
    /// A peer's message has arrived.
    Peer {
        /// The sender.
        from: BranchId,
        /// The message.
        message: Message,
    },
    /// The first `upto` records of the journal are on disk.
    Persisted {
        /// A count from the first record of the journal.
        upto: u64,
    },
    /// Whether the journal has room for more records.
    Room(Room),
    /// The instant asked for by [`Effect::WakeAt`] has come.
    Tick,
}

/// Whether a journal can grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Room {
    /// It can grow.
    #[default]
    Enough,
    /// Records that are being written fit; no new work may begin.
    Full,
}

/// An action for the driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Append a record to the journal, and report [`Input::Persisted`] when it is on disk. In memory mode
    /// the record is for observers of the branch.
    Persist {
        /// The record.
        record: Record,
    },
    /// Send a message to a peer.
    Send {
        /// The recipient.
        to: BranchId,
        /// The message.
        message: Message,
    },
    /// Answer a customer. Exactly once for each ticket, unless the branch ends first.
    Reply {
        /// The request's ticket.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
        /// What the answer was made from, if it shows a version.
        receipt: Option<Receipt>,
    },
    /// Deliver [`Input::Tick`] at this instant or soon after. The driver keeps the earliest instant only:
    /// after a tick the replica asks again.
    WakeAt(Instant),
    /// Warn the operator that a peer was started with another configuration. Repeated with each attempt of
    /// the peer's.
    Refuse {
        /// The peer.
        peer: BranchId,
        /// How the configurations differ.
        why: Mismatch,
    },
    /// End the branch: it must not serve any more.
    Stop(Stop),
    /// Report a step of the protocol to tracing and statistics. Nothing depends on it.
    Note(Note),
}
