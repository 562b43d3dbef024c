//! The interface between a replica and its driver.

use std::sync::Arc;

use crate::{Instant, broadcast, passbook};
use bank::{Money, Version};

/// Balances and counters of a branch.
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
    /// The version that it shows: its balance is that of exactly these entries.
    pub shown: Arc<Version>,
    /// What it has written down, of its own log and of others.
    pub written: Version,
    /// What it may pay out without borrowing, by what it has written down. In minor units.
    pub rights: i128,
}

/// A replica of the bank under one scheme, which defines what its inputs and effects are.
pub trait Replication: Send {
    /// An event that the replica handles.
    type Input: Send;

    /// An action that the replica asks its driver for.
    type Effect: Send;

    /// Handles `input`, which happened at `now`, and appends the actions that follow from it.
    fn on(&mut self, now: Instant, input: Self::Input, effects: &mut Vec<Self::Effect>);

    /// Appends the actions that were deferred until no more inputs are at hand, so that one message covers
    /// many inputs.
    fn settle(&mut self, now: Instant, effects: &mut Vec<Self::Effect>);

    /// Balances and counters at this moment.
    fn stats(&self) -> ReplicaStats;

    /// The position in all logs; `None` if the scheme keeps no logs. A scheme that keeps logs reports every
    /// entry that it appends or receives by [`passbook::Effect::Persist`].
    fn log_status(&self) -> Option<LogStatus> {
        None
    }

    /// The scheme's name in arguments and reports.
    fn name(&self) -> &'static str;

    /// Whether it can serve customers.
    fn is_ready(&self) -> bool {
        true
    }
}

/// A replica driven by unary calls between branches.
pub type CallReplica = dyn Replication<Input = broadcast::Input, Effect = broadcast::Effect>;

/// A replica driven by streams between branches.
pub type StreamReplica = dyn Replication<Input = passbook::Input, Effect = passbook::Effect>;

/// A replica with the inputs and effects of one of the schemes.
pub enum Replica {
    /// Sends each propagation to a peer as a call of its own.
    Broadcast(Box<CallReplica>),
    /// Exchanges messages with its peers on streams.
    Passbook(Box<StreamReplica>),
}
