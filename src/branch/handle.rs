//! How the parts of a branch, and others in its process, reach its driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::call_driver::CallCommand;
use super::clock::Clock;
use super::log_tap::LogCommand;
use super::peer_stream::StreamId;
use super::reachability::ConnectFailure;
use super::stream_driver::StreamCommand;
use super::warnings::Warning;
use crate::telemetry::{Family, TraceContext};
use crate::wire::Failure;
use crate::wire::v1::{LogReply, LogRequest, UnreachablePeer};
use bank::{Answer, BranchId, Version};
use replication::{Receipt, ReplicaStats, Request};

/// What every driver handles, and what only the driver of one transport does.
#[derive(Debug)]
pub(super) enum Command<P> {
    Branch(BranchCommand),
    Peer(P),
}

/// What every driver handles.
#[derive(Debug)]
pub(super) enum BranchCommand {
    Submit {
        request: Request,
        since: Instant,
        trace: Option<TraceContext>,
        reply: oneshot::Sender<Result<Reply, Failure>>,
    },
    /// An attempt to connect to a peer failed.
    ConnectFailed(ConnectFailure),
    /// A peer that is called is connected; a stream is opened instead.
    Connected {
        peer: BranchId,
    },
    /// Warn the operator.
    Warn(Warning),
    Stats(oneshot::Sender<ReplicaStats>),
    Inspect(oneshot::Sender<BranchState>),
    Families(oneshot::Sender<Vec<Family>>),
}

/// A branch at one instant, for an auditor.
#[derive(Debug)]
pub(super) struct BranchState {
    pub(super) stats: ReplicaStats,
    /// How much of each log its balance is made from, where the scheme keeps logs.
    pub(super) version: Option<Arc<Version>>,
    pub(super) messages_sent: u64,
    pub(super) unreachable: Vec<UnreachablePeer>,
}

/// The answer to a customer, and what it was made from.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) receipt: Option<Receipt>,
}

/// Sends commands to a driver.
pub(super) type CommandSender<P> = mpsc::Sender<Command<P>>;

/// Sends a command that has a reply, and waits for that. Fails if the driver has ended.
pub(super) async fn ask<P, T>(
    commands: &CommandSender<P>,
    command: impl FnOnce(oneshot::Sender<T>) -> Command<P>,
) -> Result<T, Failure> {
    let (reply, answer) = oneshot::channel();
    commands.send(command(reply)).await.map_err(|_| Failure::ShuttingDown)?;
    answer.await.map_err(|_| Failure::ShuttingDown)
}

/// Reaches a driver that exchanges messages on streams.
#[derive(Clone, Debug)]
pub(super) struct StreamHandle {
    pub(super) commands: CommandSender<StreamCommand>,
    /// The tasks that read streams which peers opened.
    pub(super) readers: TaskTracker,
    streams: Arc<AtomicU64>,
}

impl StreamHandle {
    pub(super) fn new(commands: CommandSender<StreamCommand>) -> Self {
        Self { commands, readers: TaskTracker::new(), streams: Arc::default() }
    }

    /// A name for a stream that no other of this branch has.
    pub(super) fn next_stream(&self) -> StreamId {
        StreamId(self.streams.fetch_add(1, Ordering::Relaxed))
    }
}

/// How branches exchange messages.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    Calls(CommandSender<CallCommand>),
    Streams(StreamHandle),
}

/// Reaches the driver of a branch.
#[derive(Clone, Debug)]
pub struct BranchHandle {
    transport: Transport,
    replication: &'static str,
    pub(super) clock: Clock,
}

impl BranchHandle {
    pub(super) fn new(transport: Transport, replication: &'static str) -> Self {
        Self { transport, replication, clock: Clock::start() }
    }

    /// # Errors
    /// The branches exchange messages on streams.
    pub(super) fn calls(&self) -> Result<&CommandSender<CallCommand>, Failure> {
        match &self.transport {
            Transport::Calls(commands) => Ok(commands),
            Transport::Streams(_) => Err(Failure::OtherScheme(self.replication)),
        }
    }

    /// # Errors
    /// The branches call each other.
    pub(super) fn streams(&self) -> Result<&StreamHandle, Failure> {
        match &self.transport {
            Transport::Streams(streams) => Ok(streams),
            Transport::Calls(_) => Err(Failure::OtherScheme(self.replication)),
        }
    }

    pub(super) async fn submit(
        &self,
        request: Request,
        trace: Option<TraceContext>,
    ) -> Result<Reply, Failure> {
        let since = Instant::now();
        self.ask(|reply| BranchCommand::Submit { request, since, trace, reply }).await?
    }

    /// Warns the operator.
    pub(super) async fn warn(&self, warning: Warning) {
        // Nobody needs it if the branch has ended.
        let _ = self.send(BranchCommand::Warn(warning)).await;
    }

    /// Balances and counters at this moment.
    pub async fn stats(&self) -> Result<ReplicaStats, Failure> {
        self.ask(BranchCommand::Stats).await
    }

    /// All that an auditor can see at this moment.
    pub(super) async fn inspect(&self) -> Result<BranchState, Failure> {
        self.ask(BranchCommand::Inspect).await
    }

    /// Records the branch's log.
    ///
    /// # Errors
    /// The scheme keeps no logs, the branch has ended, or the request names a recording that is over.
    pub(super) async fn log(&self, request: LogRequest) -> Result<LogReply, Failure> {
        let Transport::Streams(streams) = &self.transport else {
            return Err(Failure::NoLog(self.replication));
        };
        let command = |reply| StreamCommand::Log(LogCommand { request, reply });
        ask(&streams.commands, |reply| Command::Peer(command(reply))).await?
    }

    /// The branch's metrics. Empty if the branch has ended.
    pub async fn families(&self) -> Vec<Family> {
        self.ask(BranchCommand::Families).await.unwrap_or_default()
    }

    /// Whether the driver is there to answer.
    pub(super) fn is_served(&self) -> bool {
        !match &self.transport {
            Transport::Calls(commands) => commands.is_closed(),
            Transport::Streams(streams) => streams.commands.is_closed(),
        }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> BranchCommand,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.map_err(|_| Failure::ShuttingDown)
    }

    async fn send(&self, command: BranchCommand) -> Result<(), Failure> {
        let sent = match &self.transport {
            Transport::Calls(calls) => calls.send(Command::Branch(command)).await.is_ok(),
            Transport::Streams(streams) => {
                streams.commands.send(Command::Branch(command)).await.is_ok()
            }
        };
        if sent { Ok(()) } else { Err(Failure::ShuttingDown) }
    }
}
