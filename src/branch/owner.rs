//! The one task that owns a replica.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::exchange::Lines;
use super::fanouts::Fanouts;
use super::handle::{BranchHandle, Command, Inspected, Told};
use super::link::{Delivered, Delivery, Propagation};
use super::notices::{Notice, Notices};
use super::pushes::Pushes;
use super::reachability::Reachability;
use super::statistics::{Queues, Statistics};
use super::streams::Streams;
use super::tap::Tap;
use super::wakes::Wakes;
use crate::telemetry::Family;
use crate::wire::Failure;
use bank::{BranchId, Money, Operation, Outcome};
use replication::passbook::Stop;
use replication::{Effect, Input, Message, Replication, Ticket, Transport, WriteId};

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
    pub(super) lines: Lines,
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
        let handle = BranchHandle::new(commands, clock);
        let owner = Owner::new(&info, replica, queue, clock);
        Self { info, owner, handle, lines: Lines::default() }
    }

    /// Streams to peers that `lines` lead to use these; to the others the branch connects by itself.
    #[must_use]
    pub fn using(mut self, lines: Lines) -> Self {
        self.lines = lines;
        self
    }

    /// Its number.
    pub fn id(&self) -> BranchId {
        self.info.id
    }

    /// `tell` hears of what keeps the branch from getting together with others, each thing once.
    #[must_use]
    pub fn telling(mut self, tell: impl Fn(&Notice) + Send + 'static) -> Self {
        self.owner.notices.tell_by(Box::new(tell));
        self
    }

    /// A way to speak to the branch from within the process.
    pub fn handle(&self) -> BranchHandle {
        self.handle.clone()
    }
}

#[derive(Debug)]
struct Waiting {
    operation: Operation,
    since: Instant,
    reply: oneshot::Sender<Result<Told, Failure>>,
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
    pushes: Pushes,
    tap: Tap,
    statistics: Statistics,
    /// Requests to peers and their answers.
    call_frames: u64,
    notices: Notices,
    reachability: Reachability,
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
            pushes: Pushes::new(info.id, info.peers.iter().map(|peer| peer.id)),
            tap: Tap::default(),
            statistics: Statistics::new(info.peers.iter().map(|peer| peer.id)),
            call_frames: 0,
            notices: Notices::new(info.peers.clone()),
            reachability: Reachability::new(info.id, info.peers.clone()),
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
            if self.ending && self.replica.stats().outstanding == 0 {
                self.links.clear();
                self.streams.close();
            }
        }
    }

    fn on(&mut self, command: Command) -> Result<(), Stop> {
        let now = self.clock.now();
        match command {
            // Without an answer the handler says that the branch is going away; a stream just closes.
            Command::Submit { .. } | Command::Linked { .. } if self.ending => {}
            Command::Submit { request, since, trace, reply } => {
                let ticket = self.next_ticket();
                let waiting = Waiting { operation: request.operation, since, reply };
                self.waiting.insert(ticket, waiting);
                match (trace, self.replica.transport()) {
                    (None, _) => {}
                    (Some(parent), Transport::Calls) => self.fanouts.expect(ticket, parent),
                    (Some(parent), Transport::Streams) => {
                        self.pushes.expect(ticket, parent, request.ack);
                    }
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
            Command::Linked { peer, stream, outgoing } => {
                self.connected(peer);
                self.streams.opened(peer, stream, outgoing);
                self.pushes.cut(peer);
                self.inputs.push_back(Input::PeerUp { peer });
            }
            Command::Heard { peer, stream, messages } => {
                if self.streams.is_newest(peer, stream) {
                    for message in &messages {
                        self.pushes.hears(now, peer, message, &mut self.statistics);
                    }
                    let inputs = messages.into_iter().map(Message::Passbook);
                    self.inputs.extend(inputs.map(|message| Input::Peer { from: peer, message }));
                }
            }
            Command::Unlinked { peer, stream } => {
                if self.streams.broke(peer, stream) {
                    self.pushes.cut(peer);
                    self.inputs.push_back(Input::PeerDown { peer });
                }
            }
            Command::ConnectFailed(failure) => {
                if let Some(notice) = self.reachability.failed(failure) {
                    self.notices.tell(notice);
                }
            }
            Command::Connected { peer } => self.connected(peer),
            Command::Noticed(notice) => self.notices.tell(notice),
            Command::Stats(reply) => {
                // The asker may be gone.
                let _ = reply.send(self.replica.stats());
            }
            Command::Inspect(reply) => {
                let _ = reply.send(Inspected {
                    audit: self.replica.stats(),
                    version: self.replica.log_status().map(|standing| standing.shown),
                    frames_sent: self.call_frames + self.streams.sent,
                    unreachable: self.reachability.unreachable(),
                });
            }
            Command::Log(asked) => self.tap.on(asked, self.replica.as_ref()),
            Command::Families(reply) => {
                let _ = reply.send(self.families());
            }
        }
        self.perform_all(now)
    }

    /// A connection to `peer` is there.
    fn connected(&mut self, peer: BranchId) {
        self.reachability.connected(peer);
        self.notices.connected(peer);
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

    fn families(&self) -> Vec<Family> {
        let links = self.links.iter().map(|(peer, l)| (*peer, l.max_capacity() - l.capacity()));
        let queues = Queues {
            commands: self.queue.len(),
            requests: self.waiting.len(),
            messages: links.chain(self.streams.queued()).collect(),
            frames: [("sent", self.streams.sent), ("dropped", self.streams.dropped)],
        };
        self.statistics.families(self.id, &self.replica.stats(), &queues)
    }

    fn delivered(&mut self, delivered: &Delivered) {
        let Delivered { to, id, delivery, took } = *delivered;
        let applied = delivery == Delivery::Applied;
        self.statistics.propagated(to, applied, took);
        self.fanouts.ended(id.ticket, to, applied);
        self.call_frames += if delivery == Delivery::Lost { 1 } else { 2 };
        self.inputs.push_back(match delivery {
            Delivery::Applied | Delivery::Refused => {
                Input::Peer { from: to, message: Message::Propagated { id, applied } }
            }
            Delivery::Lost => Input::Undelivered { to, id },
        });
    }

    /// Performs effects, and feeds what comes of them back, until nothing is left. Each write makes
    /// a bounded number of both.
    fn perform_all(&mut self, now: replication::Instant) -> Result<(), Stop> {
        loop {
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.drain(..) {
                self.perform(now, effect)?;
            }
            // Keeps its room for the next time.
            self.effects = effects;
            let Some(input) = self.inputs.pop_front() else {
                return Ok(());
            };
            self.replica.on(now, input, &mut self.effects);
        }
    }

    fn perform(&mut self, now: replication::Instant, effect: Effect) -> Result<(), Stop> {
        match effect {
            Effect::Reply { ticket, answer, receipt } => {
                self.fanouts.answered(ticket);
                self.pushes.answered(ticket, receipt.as_ref());
                if let Some(Waiting { operation, since, reply }) = self.waiting.remove(&ticket) {
                    self.statistics.answered(operation, answer.outcome, since.elapsed());
                    let reason = match answer.outcome {
                        Outcome::Unknown if !self.replica.is_ready() => Some(Failure::NotReady),
                        _ => None,
                    };
                    // A customer who stopped waiting knows no outcome; the write stays.
                    let _ = reply.send(reason.map_or(Ok(Told { answer, receipt }), Err));
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
                self.pushes.says(now, to, &message, &mut self.statistics);
                self.streams.say(to, message);
            }
            // In memory nothing is kept on disk.
            Effect::Persist { record } => self.tap.written(&record),
            Effect::Note(note) => self.pushes.noted(now, &note),
            Effect::WakeAt(at) => self.wakes.add(at),
            Effect::Refuse { peer, why } => {
                self.reachability.mismatched(peer, &why);
                self.notices.refused(peer, why);
            }
            Effect::Stop(stop) => return Err(stop),
        }
        Ok(())
    }
}
