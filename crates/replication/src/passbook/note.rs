//! What the engine reports to observers.

use std::time::Duration;

use crate::Ticket;
use bank::{BranchId, Seq};

/// A step of the protocol, reported for tracing and statistics, so that observers derive nothing from messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// A customer's write is in the log.
    Staged {
        /// The customer's request.
        ticket: Ticket,
        /// Its position in the own log.
        seq: Seq,
        /// How many other branches must hold it before the customer is answered.
        needed: usize,
    },
    /// A push was sent.
    Pushed {
        /// The peer.
        to: BranchId,
        /// How many rows it carries.
        rows: usize,
        /// The push is the first on this stream to carry the own entries after this one.
        after: Seq,
        /// The last of those entries. Equal to `after` if the push carries none for the first time.
        upto: Seq,
    },
    /// A peer acknowledged the oldest push of own entries that it had not acknowledged.
    PushAcknowledged {
        /// The peer.
        by: BranchId,
        /// The time since that push was sent.
        waited: Duration,
    },
    /// A peer is newly known to hold own entries.
    HeldBy {
        /// The peer.
        peer: BranchId,
        /// The entry before the first of them.
        after: Seq,
        /// The last of them.
        upto: Seq,
        /// Entries after this one were not pushed by this branch: a relay forwarded them.
        pushed: Seq,
        /// The relay that reported it; `None` if the peer itself did.
        via: Option<BranchId>,
    },
    /// The stream to a peer opened or closed: pushes on an older stream stay without acknowledgement.
    StreamReset {
        /// The peer.
        peer: BranchId,
    },
    /// The rights of this branch do not cover a withdrawal, which starts to wait for rights of others.
    ShortOfRights {
        /// The customer's request.
        ticket: Ticket,
    },
    /// A branch was asked for rights, on behalf of all withdrawals that wait for some.
    BorrowRequested {
        /// The branch that is asked.
        of: BranchId,
    },
    /// A collect started.
    CollectStarted {
        /// The requests of this branch that wait for its result.
        waiting: Vec<Ticket>,
        /// The branch that asks all others on behalf of this one; `None` if this one asks them itself.
        prover: Option<BranchId>,
    },
    /// The running collect ended.
    CollectEnded {
        /// Whether every branch replied in both rounds.
        complete: bool,
    },
}
