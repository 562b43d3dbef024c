//! Messages between branches, and the records of a journal.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::ClusterId;
use bank::{BranchId, Chain, Entry, Member, Money, RequestId, Row, Seq, Total, Version};

/// One incarnation of a branch's memory. Random: a branch that lost its memory comes back with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// The age of a withdrawal that waits for rights: the smaller, the older (Lamport, 1978).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority {
    /// The Lamport clock when it began to wait.
    pub clock: u64,
    /// Where it waits: settles ties.
    pub member: Member,
}

/// Which of the two rounds of a collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Round {
    /// Its replies show what was true before an instant.
    First,
    /// Its replies show what was true after that instant.
    Second,
}

/// What must be the same at all branches of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Configuration {
    /// All branches, in ascending order.
    pub branches: Vec<BranchId>,
    /// What they hold together at the start.
    pub opening: Money,
}

impl Configuration {
    /// How a fellow branch that was started with `theirs` differs from this one, if it does.
    pub fn mismatch(&self, theirs: &Self) -> Option<Mismatch> {
        if self.branches != theirs.branches {
            let (ours, theirs) = (self.branches.clone(), theirs.branches.clone());
            Some(Mismatch::Branches { theirs: Branches(theirs), ours: Branches(ours) })
        } else if self.opening != theirs.opening {
            Some(Mismatch::Opening { theirs: theirs.opening, ours: self.opening })
        } else {
            None
        }
    }
}

/// Branches, for a message to a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Branches(pub Vec<BranchId>);

impl Branches {
    /// Those beyond are counted only: the list may be a peer's.
    const NAMED: usize = 32;
}

impl fmt::Display for Branches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, branch) in self.0.iter().take(Self::NAMED).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{branch}")?;
        }
        match self.0.len().saturating_sub(Self::NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Why a branch cannot be in one cluster with another. In words that fit after the other one's name.
#[derive(Clone, Debug, Error, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// The shares, and so the rights, would not add up to the balance.
    #[error("runs with opening balance {theirs}, this one with {ours}: start all with the same")]
    Opening {
        /// What it was started with.
        theirs: Money,
        /// What this one was started with.
        ours: Money,
    },
    /// They do not mean the same cluster.
    #[error("is in a cluster of branches {theirs}, this one of {ours}: start all with the same")]
    Branches {
        /// What it was started with.
        theirs: Branches,
        /// What this one was started with.
        ours: Branches,
    },
}

/// The first message both ways on each new stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hello {
    /// What must be the same everywhere.
    pub configuration: Arc<Configuration>,
    /// The sender's incarnation.
    pub incarnation: Incarnation,
    /// The receiver's incarnation. `None` if the sender does not know it.
    pub yours: Option<Incarnation>,
    /// What is durable at the sender.
    pub durable: Version,
    /// How long the sender's copy of the receiver's log is, and the hash over it.
    pub your_log: (Seq, Chain),
    /// Whether the sender has received the receiver's hello on this stream.
    pub heard: bool,
}

/// A message between branches under the passbook scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// The first message on a stream.
    Hello(Hello),
    /// Rows that the receiver may lack: with what it has, causally closed.
    Push {
        /// Any but the receiver's.
        rows: Vec<Row>,
        /// The branches that the sender cannot reach: the receiver may have to push to them.
        unreachable: Vec<Member>,
    },
    /// What is durable at the sender.
    Acknowledge {
        /// The sender's incarnation.
        incarnation: Incarnation,
        /// How much of each log is durable.
        durable: Version,
    },
    /// The relay reports who holds the receiver's log.
    Held {
        /// The incarnations that the report is about.
        cluster: ClusterId,
        /// How many of its entries are durable at each branch, as far as the relay knows.
        held: Version,
    },
    /// A request for rights.
    Borrow {
        /// The sender's identifier of the request.
        id: u64,
        /// The oldest withdrawal that waits for them.
        priority: Priority,
        /// What the receiver must have granted in total, so that a repeated request changes nothing.
        target: Total,
    },
    /// The sender grants nothing.
    Decline {
        /// The identifier of the request.
        id: u64,
    },
    /// A request for the receiver's ledger.
    Collect {
        /// The sender's identifier of the collect.
        id: u64,
        /// The round of it.
        round: Round,
        /// What is visible at the sender, so the reply leaves it out.
        known: Version,
    },
    /// The sender's ledger, as customers may see it.
    Collected {
        /// The identifier of the collect.
        id: u64,
        /// The round of it.
        round: Round,
        /// Its rows, without those that the receiver sees already.
        rows: Vec<Row>,
    },
    /// A request to collect for the sender.
    Prove {
        /// The sender's identifier of the request.
        id: u64,
        /// What is visible at the sender, so the reply leaves it out.
        known: Version,
    },
    /// The result of a collect that began after the request arrived.
    Proved {
        /// The identifier of the request.
        id: u64,
        /// The join of the first round's ledgers, without what the receiver sees.
        first: Vec<Row>,
        /// Those own rows of the second round that differ from the first.
        second: Vec<Row>,
    },
    /// There is no proof: some branch cannot be reached.
    Unproved {
        /// The identifier of the request.
        id: u64,
    },
}

/// One record of a branch's journal. A record follows everything that it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// The journal begins with a new incarnation.
    Founded {
        /// A random number.
        incarnation: Incarnation,
        /// The hash of what must be the same everywhere.
        configuration: u64,
    },
    /// The incarnation of a peer that belongs to the cluster: another one of that branch does not.
    Bound {
        /// The peer.
        peer: Member,
        /// Its incarnation.
        incarnation: Incarnation,
    },
    /// An entry of this branch's own log.
    Own {
        /// Its position in the log.
        seq: Seq,
        /// The entry.
        entry: Entry,
        /// The request that it executes. `None` for a grant or a request without a name.
        request: Option<RequestId>,
        /// The hash over the log up to here.
        chain: Chain,
    },
    /// Rows of other branches that arrived together.
    Received {
        /// The rows that were newer than the copies before.
        rows: Vec<Row>,
    },
}

/// Why a branch must not go on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum Stop {
    /// A peer holds entries of this branch's log that the branch lacks.
    #[error(
        "amnesia: branch {peer} holds {theirs} entries of this branch's log, which has {ours}; it was restarted without its memory or from an old copy"
    )]
    LostEntries {
        /// The peer.
        peer: BranchId,
        /// How many entries the peer holds.
        theirs: Seq,
        /// How many there are here.
        ours: Seq,
    },
    /// A peer holds another log of this branch.
    #[error("amnesia: branch {peer} holds another log of this branch")]
    OtherLog {
        /// The peer.
        peer: BranchId,
    },
    /// A peer knows this branch by another incarnation.
    #[error(
        "amnesia: branch {peer} knows this branch from before it was restarted without its memory; start the whole cluster anew"
    )]
    OtherIncarnation {
        /// The peer.
        peer: BranchId,
    },
    /// There are two logs of one branch.
    #[error("fork: branch {origin} has two different logs of equal length")]
    Fork {
        /// The branch.
        origin: BranchId,
    },
}

/// Why a journal cannot be replayed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Corrupt {
    /// It does not begin as a journal does, or begins again.
    #[error("record {record} is not where it belongs")]
    Misplaced {
        /// From 1.
        record: u64,
    },
    /// It is of another cluster.
    #[error("the journal is of a cluster with other branches or another opening balance")]
    OtherConfiguration,
    /// An entry is missing or was changed.
    #[error("record {record} does not continue the log before it")]
    Broken {
        /// From 1.
        record: u64,
    },
}
