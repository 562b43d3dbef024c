//! What the engine reports to observers.

use std::time::Duration;

use crate::Ticket;
use bank::{BranchId, Seq};

/// A step of the protocol, reported for tracing and statistics: observers derive nothing from messages.
/// Notes about a peer are in the order of the protocol, and none is repeated.
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
        /// It is the first on this stream to carry the own entries after this one, ...
        after: Seq,
        /// ... up to this one. The same as `after` if it carries none for the first time.
        upto: Seq,
    },
    /// A peer acknowledged all own entries that were pushed to it before it last owed nothing.
    PushAcknowledged {
        /// The peer.
        by: BranchId,
        /// Since the oldest push that was not acknowledged.
        waited: Duration,
    },
    /// A peer is newly known to hold own entries.
    HeldBy {
        /// The peer.
        peer: BranchId,
        /// The entries after this one, ...
        after: Seq,
        /// ... up to this one.
        upto: Seq,
        /// Those after this one were not pushed to it by this branch: a relay forwarded them.
        pushed: Seq,
        /// The relay that reported it; `None` if the peer itself did.
        via: Option<BranchId>,
    },
    /// The stream to a peer opened or closed: pushes on the one before stay without acknowledgement.
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
