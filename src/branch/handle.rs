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
use crate::wire::v1::UnreachablePeer;
use crate::wire::{Failure, LogBegun, LogPart};
use bank::{Ack, Answer, BranchId, Operation, Version};
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
#[derive(Debug)]
pub(super) struct CommandSender<P>(mpsc::Sender<Command<P>>);

impl<P> Clone for CommandSender<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P> CommandSender<P> {
    /// A queue of at most `capacity` commands.
    pub(super) fn new(capacity: usize) -> (Self, mpsc::Receiver<Command<P>>) {
        let (commands, queue) = mpsc::channel(capacity);
        (Self(commands), queue)
    }

    /// Fails if the driver has ended.
    pub(super) async fn send(&self, command: Command<P>) -> Result<(), Failure> {
        self.0.send(command).await.map_err(|_| Failure::ShuttingDown)
    }

    /// Sends a command that nobody needs any more if the driver has ended.
    pub(super) async fn report(&self, command: Command<P>) {
        let _ = self.send(command).await;
    }

    pub(super) async fn ended(&self) {
        self.0.closed().await;
    }

    /// Sends a command that has a reply, and waits for that.
    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command<P>,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.map_err(|_| Failure::ShuttingDown)
    }
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

    /// Submits a request of a customer who has no name and carries nothing.
    pub(super) async fn submit_anonymous(
        &self,
        operation: Operation,
        ack: Ack,
        deadline: Instant,
        trace: Option<TraceContext>,
    ) -> Result<Answer, Failure> {
        let request = Request::anonymous(operation, ack, self.clock.at(deadline));
        self.submit(request, trace).await.map(|reply| reply.answer)
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

    /// Records the branch's log from now on. It takes the place of a recording that is under way.
    ///
    /// # Errors
    /// The scheme keeps no logs, or the branch has ended.
    pub async fn begin_log(&self) -> Result<LogBegun, Failure> {
        self.log(LogCommand::Begin).await?
    }

    /// Takes what was recorded since the last time. What is not taken is kept up to 8 MiB; then recording stops.
    ///
    /// # Errors
    /// Another recording than `log` is under way or none, or the branch has ended.
    pub async fn take_log(&self, log: u64) -> Result<LogPart, Failure> {
        self.log(|reply| LogCommand::Take { log, reply }).await?
    }

    /// Stops recording.
    ///
    /// # Errors
    /// As with [`BranchHandle::take_log`].
    pub async fn end_log(&self, log: u64) -> Result<(), Failure> {
        self.log(|reply| LogCommand::End { log, reply }).await?
    }

    /// The branch's metrics. Empty if the branch has ended.
    pub async fn families(&self) -> Vec<Family> {
        self.ask(BranchCommand::Families).await.unwrap_or_default()
    }

    /// Whether the driver is there to answer.
    pub(super) fn is_served(&self) -> bool {
        !match &self.transport {
            Transport::Calls(commands) => commands.0.is_closed(),
            Transport::Streams(streams) => streams.commands.0.is_closed(),
        }
    }

    async fn log<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> LogCommand,
    ) -> Result<T, Failure> {
        let Transport::Streams(streams) = &self.transport else {
            return Err(Failure::NoLog(self.replication));
        };
        streams.commands.ask(|reply| Command::Peer(StreamCommand::Log(command(reply)))).await
    }

    async fn send(&self, command: BranchCommand) -> Result<(), Failure> {
        match &self.transport {
            Transport::Calls(commands) => commands.send(Command::Branch(command)).await,
            Transport::Streams(streams) => streams.commands.send(Command::Branch(command)).await,
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
}
