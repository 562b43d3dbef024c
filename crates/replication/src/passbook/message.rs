//! What branches say to each other, and what they write down.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::{ClusterId, Ticket};
use bank::{BranchId, Chain, Entry, Member, Money, RequestId, Row, Seq, Total, Version};

/// One life of a branch's memory. Random: a branch that lost its memory comes back with another.
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
    /// The sender's life.
    pub incarnation: Incarnation,
    /// The receiver's life, if the sender knows one.
    pub yours: Option<Incarnation>,
    /// What is durable at the sender.
    pub durable: Version,
    /// How long the sender's copy of the receiver's log is, and the hash over it.
    pub your_log: (Seq, Chain),
    /// Whether the sender has heard the receiver's hello on this stream.
    pub heard: bool,
}

/// What branches say to each other under the passbook scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Who I am and what I know.
    Hello(Hello),
    /// Rows that you may not have: together with what you have, causally closed.
    Push {
        /// Any but the receiver's.
        rows: Vec<Row>,
        /// To whom the sender cannot speak: the receiver may have to.
        apart: Vec<Member>,
    },
    /// What is durable at the sender.
    Acknowledge {
        /// The sender's incarnation.
        incarnation: Incarnation,
        /// How much of each log is durable.
        durable: Version,
    },
    /// The hub says who holds your log.
    Held {
        /// Whose lives are meant.
        cluster: ClusterId,
        /// How many of its entries are durable at each branch, as far as the hub knows.
        held: Version,
    },
    /// Grant me rights.
    Borrow {
        /// Names the question.
        id: u64,
        /// The oldest withdrawal that waits for them.
        priority: Priority,
        /// What the receiver shall have granted in total, so that a repeated question changes nothing.
        target: Total,
    },
    /// I grant nothing.
    Decline {
        /// Which question.
        id: u64,
    },
    /// Show me your ledger.
    Collect {
        /// Names the collect.
        id: u64,
        /// Which round of it.
        round: Round,
        /// What is visible at the sender and need not be shown.
        known: Version,
    },
    /// My ledger, as customers may see it.
    Collected {
        /// Which collect.
        id: u64,
        /// Which round of it.
        round: Round,
        /// Its rows, without those that the receiver has asked to leave out.
        rows: Vec<Row>,
    },
    /// Collect for me.
    Prove {
        /// Names the question.
        id: u64,
        /// What the sender sees and need not be shown.
        known: Version,
    },
    /// A collect that began after the question was heard.
    Proved {
        /// Which question.
        id: u64,
        /// The join of the first round's ledgers, without what the receiver sees.
        first: Vec<Row>,
        /// Those own rows of the second round that differ from the first.
        second: Vec<Row>,
    },
    /// There is no proof: not everybody can be reached.
    Unproved {
        /// Which question.
        id: u64,
    },
}

/// One record of a branch's journal. A record follows everything that it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// The journal begins: a new life.
    Founded {
        /// Which.
        incarnation: Incarnation,
        /// The hash of what must be the same everywhere.
        configuration: u64,
    },
    /// The life of a peer: another one of that branch is not the one we know.
    Bound {
        /// Which branch.
        peer: Member,
        /// Its life.
        incarnation: Incarnation,
    },
    /// An entry of this branch's own log.
    Own {
        /// Its place in the log.
        seq: Seq,
        /// What it does.
        entry: Entry,
        /// Which request it carries out, if that had a name.
        request: Option<RequestId>,
        /// The hash over the log up to here.
        chain: Chain,
    },
    /// Rows of other branches that arrived together.
    Received {
        /// Those that were news.
        rows: Vec<Row>,
    },
}

/// Why requests take their time: only the seldom reasons, which no message shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// The rights of this branch do not cover a withdrawal, which begins to wait for others'.
    Short {
        /// Whose it is.
        ticket: Ticket,
    },
    /// A collect begins.
    CollectBegins {
        /// Who waits for what it shows.
        waiting: Vec<Ticket>,
    },
    /// The collect on its way is over.
    CollectEnds {
        /// Whether every branch was heard in both rounds.
        complete: bool,
    },
}

/// Why a branch must not go on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
pub enum Stop {
    /// A peer knows entries of this branch's log that the branch does not.
    #[error(
        "amnesia: branch {peer} holds {theirs} entries of this branch's log, which has {ours}; it was restarted without its memory or from an old copy"
    )]
    LostEntries {
        /// Who knows more.
        peer: BranchId,
        /// How many entries the peer holds.
        theirs: Seq,
        /// How many there are here.
        ours: Seq,
    },
    /// A peer knows another log of this branch.
    #[error("amnesia: branch {peer} holds another log of this branch")]
    OtherLog {
        /// Who.
        peer: BranchId,
    },
    /// A peer knows this branch by another life.
    #[error(
        "amnesia: branch {peer} knows this branch from before it was restarted without its memory; start the whole cluster anew"
    )]
    OtherLife {
        /// Who.
        peer: BranchId,
    },
    /// There are two logs of one branch.
    #[error("two logs of branch {origin} with the same length and other entries are about")]
    Fork {
        /// Whose log.
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
