//! How the parts of a branch, and others in its process, speak to its owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::link::Delivered;
use super::notices::Notice;
use super::reachability::ConnectFailure;
use super::stream::{Outgoing, StreamId};
use super::tap::{self, Asked};
use crate::telemetry::{Family, TraceContext};
use crate::wire::v1::UnreachablePeer;
use crate::wire::{Failure, LogBegun, LogPart};
use bank::Ack;
use bank::{Answer, BranchId, Operation, Version, Write};
use replication::{Message, Receipt, ReplicaStats, Request, WriteId, passbook};

/// Something for the owner to do.
#[derive(Debug)]
pub(super) enum Command {
    Submit {
        request: Request,
        since: Instant,
        trace: Option<TraceContext>,
        reply: oneshot::Sender<Result<Told, Failure>>,
    },
    Propagate {
        from: BranchId,
        message: Message,
        reply: oneshot::Sender<bool>,
    },
    /// A write to apply here that was given no name.
    Apply {
        write: Write,
        deadline: replication::Instant,
        reply: oneshot::Sender<bool>,
    },
    Delivered(Delivered),
    /// A stream to a peer is open.
    Linked {
        peer: BranchId,
        stream: StreamId,
        outgoing: Outgoing,
    },
    /// Something was said on a stream.
    Heard {
        peer: BranchId,
        stream: StreamId,
        messages: Vec<passbook::Message>,
    },
    /// A stream broke.
    Unlinked {
        peer: BranchId,
        stream: StreamId,
    },
    /// A peer could not be connected to.
    ConnectFailed(ConnectFailure),
    /// A peer that is called is connected; streams are linked instead.
    Connected {
        peer: BranchId,
    },
    /// To be told to whoever runs the branch.
    Noticed(Notice),
    Stats(oneshot::Sender<ReplicaStats>),
    Inspect(oneshot::Sender<Inspected>),
    Log(tap::Asked),
    Families(oneshot::Sender<Vec<Family>>),
}

/// What there is to see of a branch at one instant.
#[derive(Debug)]
pub(super) struct Inspected {
    pub(super) audit: ReplicaStats,
    /// How much of each log its balance is made from, where the scheme knows.
    pub(super) version: Option<Arc<Version>>,
    /// How many messages between branches this one accounts for: an answered call counts at its caller.
    pub(super) frames_sent: u64,
    pub(super) unreachable: Vec<UnreachablePeer>,
}

/// What a customer is told, and what that was made from.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) answer: Answer,
    pub(super) receipt: Option<Receipt>,
}

/// Speaks to the owner of a branch.
#[derive(Clone, Debug)]
pub struct BranchHandle {
    commands: mpsc::Sender<Command>,
    pub(super) clock: Clock,
    streams: Arc<AtomicU64>,
}

impl BranchHandle {
    pub(super) fn new(commands: mpsc::Sender<Command>, clock: Clock) -> Self {
        Self { commands, clock, streams: Arc::default() }
    }

    /// For customers who have no name and carry nothing.
    pub(super) async fn submit_anonymous(
        &self,
        operation: Operation,
        ack: Ack,
        deadline: Instant,
        trace: Option<TraceContext>,
    ) -> Result<Answer, Failure> {
        let request = Request::anonymous(operation, ack, self.clock.at(deadline));
        self.submit(request, trace).await.map(|told| told.answer)
    }

    pub(super) async fn submit(
        &self,
        request: Request,
        trace: Option<TraceContext>,
    ) -> Result<Told, Failure> {
        let since = Instant::now();
        self.ask(|reply| Command::Submit { request, since, trace, reply }).await?
    }

    /// A name for a stream that no other has.
    pub(super) fn next_stream(&self) -> StreamId {
        StreamId(self.streams.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the write was applied.
    pub(super) async fn propagate(
        &self,
        id: WriteId,
        write: Write,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        let message = Message::Propagate { id, write, deadline: self.clock.at(deadline) };
        self.ask(|reply| Command::Propagate { from: id.origin, message, reply }).await
    }

    /// Applies a write that a fellow branch of another program made and gave no name; whether it was applied.
    pub(super) async fn apply(&self, write: Write, deadline: Instant) -> Result<bool, Failure> {
        let deadline = self.clock.at(deadline);
        self.ask(|reply| Command::Apply { write, deadline, reply }).await
    }

    /// What an auditor sees now.
    pub async fn stats(&self) -> Result<ReplicaStats, Failure> {
        self.ask(Command::Stats).await
    }

    /// All that an auditor sees now.
    pub(super) async fn inspect(&self) -> Result<Inspected, Failure> {
        self.ask(Command::Inspect).await
    }

    /// Records the branch's log from now on. It takes the place of a recording that is under way.
    ///
    /// # Errors
    /// The scheme keeps no logs, or the branch has ended.
    pub async fn begin_log(&self) -> Result<LogBegun, Failure> {
        self.ask(|reply| Command::Log(Asked::Begin(reply))).await?
    }

    /// What was recorded since the last time. What is not taken is kept up to 8 MiB: then recording stops.
    ///
    /// # Errors
    /// Another recording than `log` is under way or none, or the branch has ended.
    pub async fn take_log(&self, log: u64) -> Result<LogPart, Failure> {
        self.ask(|reply| Command::Log(Asked::Take { log, reply })).await?
    }

    /// Records no more.
    ///
    /// # Errors
    /// As with [`BranchHandle::take_log`].
    pub async fn end_log(&self, log: u64) -> Result<(), Failure> {
        self.ask(|reply| Command::Log(Asked::End { log, reply })).await?
    }

    /// The branch's metrics. Empty if the branch has ended.
    pub async fn families(&self) -> Vec<Family> {
        self.ask(Command::Families).await.unwrap_or_default()
    }

    pub(super) fn reports(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Failure::ShuttingDown)?;
        answer.await.map_err(|_| Failure::ShuttingDown)
    }
}
