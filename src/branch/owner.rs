//! The one task that owns a replica.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::fanouts::Fanouts;
use super::link::{Delivered, Delivery, Propagation};
use super::statistics::Statistics;
use super::stream::{Outgoing, StreamId};
use super::streams::Streams;
use super::wakes::Wakes;
use crate::bank::{Answer, BranchId, Money, Operation, Write};
use crate::replicate::passbook::{self, Stop};
use crate::replicate::{
    self, Ack, Audit, Effect, Input, Message, Receipt, Replication, Request, Ticket, Transport,
    WriteId,
};
use crate::telemetry::{Family, SpanContext};
use crate::wire::Failure;

/// Requests that may wait for the owner. It never waits itself, so this fills only if it is starved.
const QUEUE: usize = 16_384;
/// Requests that are taken from the queue at once.
const BATCH: usize = 256;

/// A fellow branch and where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Which branch.
    pub id: BranchId,
    /// Where it is reached.
    pub address: SocketAddr,
}

/// What is fixed about a branch.
#[derive(Clone, Debug)]
pub struct BranchInfo {
    /// Its number.
    pub id: BranchId,
    /// Its fellow branches.
    pub peers: Vec<Peer>,
    /// What it holds at the start.
    pub opening: Money,
    /// The name of its replication scheme.
    pub replication: &'static str,
    /// What that scheme's messages travel on.
    pub transport: Transport,
}

/// A branch that is ready to be served.
#[derive(Debug)]
pub struct Branch {
    pub(super) info: BranchInfo,
    pub(super) owner: Owner,
    pub(super) handle: BranchHandle,
}

impl Branch {
    /// A branch that keeps its account by `replica`.
    pub fn new(
        id: BranchId,
        peers: Vec<Peer>,
        opening: Money,
        replica: Box<dyn Replication>,
    ) -> Self {
        let (replication, transport) = (replica.name(), replica.transport());
        let info = BranchInfo { id, peers, opening, replication, transport };
        let (commands, queue) = mpsc::channel(QUEUE);
        let clock = Clock::start();
        let handle = BranchHandle { commands, clock, streams: Arc::default() };
        let owner = Owner::new(&info, replica, queue, clock);
        Self { info, owner, handle }
    }

    /// Its number.
    pub fn id(&self) -> BranchId {
        self.info.id
    }

    /// A way to speak to the branch from within the process.
    pub fn handle(&self) -> BranchHandle {
        self.handle.clone()
    }
}

/// Something for the owner to do.
#[derive(Debug)]
pub(super) enum Command {
    Submit {
        request: Request,
        since: Instant,
        trace: Option<SpanContext>,
        reply: oneshot::Sender<Told>,
    },
    Propagate {
        from: BranchId,
        message: Message,
        reply: oneshot::Sender<bool>,
    },
    /// A write to apply here that was given no name.
    Apply {
        write: Write,
        deadline: replicate::Instant,
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
    Audit(oneshot::Sender<Audit>),
    Families(oneshot::Sender<Vec<Family>>),
}

impl From<Delivered> for Command {
    fn from(delivered: Delivered) -> Self {
        Self::Delivered(delivered)
    }
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
    /// For customers who have no name and carry nothing.
    pub(super) async fn submit_anonymous(
        &self,
        operation: Operation,
        ack: Ack,
        deadline: Instant,
        trace: Option<SpanContext>,
    ) -> Result<Answer, Failure> {
        let request = Request::anonymous(operation, ack, self.clock.at(deadline));
        self.submit(request, trace).await.map(|told| told.answer)
    }

    pub(super) async fn submit(
        &self,
        request: Request,
        trace: Option<SpanContext>,
    ) -> Result<Told, Failure> {
        let since = Instant::now();
        self.ask(|reply| Command::Submit { request, since, trace, reply }).await
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
    pub async fn audit(&self) -> Result<Audit, Failure> {
        self.ask(Command::Audit).await
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

#[derive(Debug)]
struct Waiting {
    operation: Operation,
    since: Instant,
    reply: oneshot::Sender<Told>,
}

/// The replica and everything that belongs to it.
pub(super) struct Owner {
    replica: Box<dyn Replication>,
    queue: mpsc::Receiver<Command>,
    clock: Clock,
    links: HashMap<BranchId, mpsc::Sender<Propagation>>,
    streams: Streams,
    /// To be told as soon as the replica can serve.
    ready: Option<oneshot::Sender<()>>,
    waiting: HashMap<Ticket, Waiting>,
    asking: HashMap<WriteId, oneshot::Sender<bool>>,
    fanouts: Fanouts,
    statistics: Statistics,
    id: BranchId,
    next_ticket: u64,
    wakes: Wakes,
    /// Whether the branch is going away.
    ending: bool,
    /// What happened while effects were performed.
    inputs: VecDeque<Input>,
    effects: Vec<Effect>,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Owner {
    fn new(
        info: &BranchInfo,
        replica: Box<dyn Replication>,
        queue: mpsc::Receiver<Command>,
        clock: Clock,
    ) -> Self {
        Self {
            replica,
            queue,
            clock,
            links: HashMap::new(),
            streams: Streams::default(),
            ready: None,
            waiting: HashMap::new(),
            asking: HashMap::new(),
            fanouts: Fanouts::new(info.id, info.peers.len()),
            statistics: Statistics::new(info.peers.iter().map(|peer| peer.id)),
            id: info.id,
            next_ticket: 1,
            wakes: Wakes::default(),
            ending: false,
            inputs: VecDeque::new(),
            effects: Vec::new(),
        }
    }

    /// Propagations to `peer` go into `queue`.
    pub(super) fn link(&mut self, peer: BranchId, queue: mpsc::Sender<Propagation>) {
        self.links.insert(peer, queue);
    }

    /// `ready` is told as soon as the replica can serve.
    pub(super) fn tell_ready(&mut self, ready: oneshot::Sender<()>) {
        self.ready = Some(ready);
        self.look_whether_ready();
    }

    fn look_whether_ready(&mut self) {
        if let Some(ready) = self.ready.take_if(|_| self.replica.is_ready()) {
            // Who wanted to know may be ending.
            let _ = ready.send(());
        }
    }

    /// Works until nobody holds a handle any more. After `shutdown` customers are refused, and when the
    /// last propagation has ended the links are closed; peers and auditors are served to the end. A scheme
    /// that must not go on ends it at once, and whoever waits learns that the branch is going away.
    pub(super) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Stop> {
        let mut commands = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                taken = self.queue.recv_many(&mut commands, BATCH) => {
                    if taken == 0 {
                        return Ok(());
                    }
                }
                () = self.wakes.first(self.clock) => {}
                () = shutdown.cancelled(), if !self.ending => self.ending = true,
            }
            for command in commands.drain(..) {
                self.on(command)?;
            }
            self.settle()?;
            self.streams.flush();
            if self.ready.is_some() {
                self.look_whether_ready();
            }
            if self.ending && self.replica.audit().outstanding == 0 {
                self.links.clear();
                self.streams.close();
            }
        }
    }

    fn on(&mut self, command: Command) -> Result<(), Stop> {
        let now = self.clock.now();
        match command {
            // Without an answer the handler says that the branch is going away.
            Command::Submit { .. } if self.ending => {}
            Command::Submit { request, since, trace, reply } => {
                let ticket = self.next_ticket();
                let waiting = Waiting { operation: request.operation, since, reply };
                self.waiting.insert(ticket, waiting);
                if let Some(parent) = trace {
                    self.fanouts.expect(ticket, parent);
                }
                self.inputs.push_back(Input::Submit { ticket, request });
            }
            Command::Propagate { from, message, reply } => {
                if let Message::Propagate { id, .. } = message {
                    self.asking.insert(id, reply);
                }
                self.inputs.push_back(Input::Peer { from, message });
            }
            Command::Apply { write, deadline, reply } => {
                // A ticket of this branch's own: no write of a peer's or of a customer's here has it.
                let id = WriteId { origin: self.id, ticket: self.next_ticket() };
                self.asking.insert(id, reply);
                let message = Message::Propagate { id, write, deadline };
                self.inputs.push_back(Input::Peer { from: self.id, message });
            }
            Command::Delivered(delivered) => self.delivered(&delivered),
            Command::Linked { .. } if self.ending => {}
            Command::Linked { peer, stream, outgoing } => {
                self.streams.opened(peer, stream, outgoing);
                self.inputs.push_back(Input::PeerUp { peer });
            }
            Command::Heard { peer, stream, messages } => {
                if self.streams.is_newest(peer, stream) {
                    let inputs = messages.into_iter().map(Message::Passbook);
                    self.inputs.extend(inputs.map(|message| Input::Peer { from: peer, message }));
                }
            }
            Command::Unlinked { peer, stream } => {
                if self.streams.broke(peer, stream) {
                    self.inputs.push_back(Input::PeerDown { peer });
                }
            }
            Command::Audit(reply) => {
                // The asker may be gone.
                let _ = reply.send(self.replica.audit());
            }
            Command::Families(reply) => {
                let _ = reply.send(self.statistics.families(self.id, &self.replica.audit()));
            }
        }
        self.perform_all(now)
    }

    /// Ends a batch of inputs with the tick that may be due.
    fn settle(&mut self) -> Result<(), Stop> {
        let now = self.clock.now();
        if self.wakes.take_due(now) {
            self.inputs.push_back(Input::Tick);
            self.perform_all(now)?;
        }
        self.replica.settle(now, &mut self.effects);
        self.perform_all(now)
    }

    fn next_ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    fn delivered(&mut self, delivered: &Delivered) {
        let Delivered { to, id, delivery, took } = *delivered;
        let applied = delivery == Delivery::Applied;
        self.statistics.propagated(to, applied, took);
        self.fanouts.ended(id.ticket, to, applied);
        self.inputs.push_back(match delivery {
            Delivery::Applied | Delivery::Refused => {
                Input::Peer { from: to, message: Message::Propagated { id, applied } }
            }
            Delivery::Lost => Input::Undelivered { to, id },
        });
    }

    /// Performs effects, and feeds what comes of them back, until nothing is left. Each write makes
    /// a bounded number of both.
    fn perform_all(&mut self, now: replicate::Instant) -> Result<(), Stop> {
        loop {
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.drain(..) {
                self.perform(effect)?;
            }
            // Keeps its room for the next time.
            self.effects = effects;
            let Some(input) = self.inputs.pop_front() else {
                return Ok(());
            };
            self.replica.on(now, input, &mut self.effects);
        }
    }

    fn perform(&mut self, effect: Effect) -> Result<(), Stop> {
        match effect {
            Effect::Reply { ticket, answer, receipt } => {
                self.fanouts.answered(ticket);
                if let Some(Waiting { operation, since, reply }) = self.waiting.remove(&ticket) {
                    self.statistics.answered(operation, answer.outcome, since.elapsed());
                    // A customer who stopped waiting knows no outcome; the write stays.
                    let _ = reply.send(Told { answer, receipt });
                }
            }
            Effect::Send { to, message: Message::Propagate { id, write, deadline } } => {
                let parent = self.fanouts.context(id.ticket);
                let propagation = Propagation { id, write, deadline, parent };
                let queued = self.links.get(&to).is_some_and(|l| l.try_send(propagation).is_ok());
                if !queued {
                    let (delivery, took) = (Delivery::Lost, Duration::ZERO);
                    self.delivered(&Delivered { to, id, delivery, took });
                }
            }
            Effect::Send { message: Message::Propagated { id, applied }, .. } => {
                if let Some(reply) = self.asking.remove(&id) {
                    // The peer may have given up; it is applied all the same.
                    let _ = reply.send(applied);
                }
            }
            Effect::Send { to, message: Message::Passbook(message) } => {
                self.streams.say(to, message);
            }
            // In memory nothing is kept on disk.
            Effect::Persist { .. } => {}
            Effect::WakeAt(at) => self.wakes.add(at),
            Effect::Stop(stop) => return Err(stop),
        }
        Ok(())
    }
}
