//! What both drivers have in common: the requests that wait for an answer, and the loop between a replica and the world.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::clock::Clock;
use super::handle::{BranchCommand, BranchState, Command, Reply};
use super::info::BranchInfo;
use super::reachability::Reachability;
use super::statistics::{Queues, Statistics, Traffic};
use super::warnings::{Warn, Warnings};
use crate::telemetry::TraceContext;
use crate::wire::Failure;
use bank::{Answer, BranchId, Operation, Outcome};
use replication::passbook::Stop;
use replication::{Receipt, Replication, Request, Ticket};

/// Commands that may wait for the driver. It never waits itself, so this fills only if it is starved.
pub(super) const QUEUE: usize = 16_384;
/// Commands that are taken from the queue at once.
const BATCH: usize = 256;

/// Performs the effects of a replica on one kind of transport, and feeds it with what happens there.
pub(super) trait Driver: Send {
    type Replica: Replication + ?Sized;
    /// What the connections to peers report.
    type PeerCommand: Send;

    /// Passes a request to the replica; `trace` is the span of a request that is traced.
    fn submit(
        &mut self,
        core: &mut Core<Self::Replica>,
        ticket: Ticket,
        request: Request,
        trace: Option<TraceContext>,
    );

    fn handle(&mut self, core: &mut Core<Self::Replica>, command: Self::PeerCommand);

    /// Fails if the replica must not go on.
    fn perform(
        &mut self,
        core: &mut Core<Self::Replica>,
        now: replication::Instant,
        effect: <Self::Replica as Replication>::Effect,
    ) -> Result<(), Stop>;

    /// When the replica wants to be woken.
    fn timer(&self) -> Option<replication::Instant> {
        None
    }

    /// Wakes the replica if the timer has expired.
    fn check_timer(&mut self, _core: &mut Core<Self::Replica>, _now: replication::Instant) {}

    /// Sends what was collected during a batch of commands.
    fn flush(&mut self) {}

    /// Closes the connections to peers.
    fn disconnect(&mut self);

    fn traffic(&self) -> Traffic;
}

/// A request that has not been answered.
#[derive(Debug)]
struct Waiting {
    operation: Operation,
    since: Instant,
    reply: oneshot::Sender<Result<Reply, Failure>>,
}

/// A replica with the requests of its customers, whatever its transport.
pub(super) struct Core<R: Replication + ?Sized> {
    pub(super) id: BranchId,
    pub(super) replica: Box<R>,
    pub(super) statistics: Statistics,
    pub(super) warnings: Warnings,
    pub(super) reachability: Reachability,
    clock: Clock,
    /// Notified as soon as the replica can serve.
    ready: Option<oneshot::Sender<()>>,
    waiting: HashMap<Ticket, Waiting>,
    next_ticket: u64,
    /// Whether the branch is shutting down.
    is_ending: bool,
    /// Events that occurred while effects were performed.
    inputs: VecDeque<R::Input>,
    effects: Vec<R::Effect>,
}

impl<R: Replication + ?Sized> Core<R> {
    /// `ready` is notified as soon as the replica can serve.
    pub(super) fn new(
        info: &BranchInfo,
        replica: Box<R>,
        clock: Clock,
        warn: Option<Warn>,
        ready: oneshot::Sender<()>,
    ) -> Self {
        let mut core = Self {
            id: info.id,
            replica,
            statistics: Statistics::new(info.peers.iter().map(|peer| peer.id)),
            warnings: Warnings::new(warn),
            reachability: Reachability::new(info.id, info.peers.clone()),
            clock,
            ready: Some(ready),
            waiting: HashMap::new(),
            next_ticket: 1,
            is_ending: false,
            inputs: VecDeque::new(),
            effects: Vec::new(),
        };
        core.notify_if_ready();
        core
    }

    fn notify_if_ready(&mut self) {
        if let Some(ready) = self.ready.take_if(|_| self.replica.is_ready()) {
            // The receiver is gone if the branch is ending.
            let _ = ready.send(());
        }
    }

    pub(super) const fn is_ending(&self) -> bool {
        self.is_ending
    }

    pub(super) const fn next_ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    /// Queues an event for the replica.
    pub(super) fn push(&mut self, input: R::Input) {
        self.inputs.push_back(input);
    }

    /// Queues events for the replica.
    pub(super) fn extend(&mut self, inputs: impl IntoIterator<Item = R::Input>) {
        self.inputs.extend(inputs);
    }

    pub(super) fn connected(&mut self, peer: BranchId) {
        self.reachability.connected(peer);
        self.warnings.connected(peer);
    }

    /// Answers the customer.
    pub(super) fn reply(&mut self, ticket: Ticket, answer: Answer, receipt: Option<Receipt>) {
        let Some(Waiting { operation, since, reply }) = self.waiting.remove(&ticket) else {
            return;
        };
        self.statistics.answered(operation, answer.outcome, since.elapsed());
        let not_ready = answer.outcome == Outcome::Unknown && !self.replica.is_ready();
        let result = if not_ready { Err(Failure::NotReady) } else { Ok(Reply { answer, receipt }) };
        // A customer who stopped waiting learns no outcome; the write stays.
        let _ = reply.send(result);
    }
}

/// Drives a replica until nobody holds a handle any more. After `shutdown` customers are refused, and when the last
/// propagation has ended the connections to peers are closed; peers and auditors are served to the end. A scheme
/// that must not go on ends it at once, and whoever waits learns that the branch is shutting down. However it ends,
/// `closing` is cancelled: from then on every call is answered that the branch is shutting down.
pub(super) async fn run<D: Driver>(
    mut driver: D,
    mut core: Core<D::Replica>,
    mut queue: mpsc::Receiver<Command<D::PeerCommand>>,
    shutdown: CancellationToken,
    _closing: DropGuard,
) -> Result<(), Stop> {
    let clock = core.clock;
    let mut commands = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            taken = queue.recv_many(&mut commands, BATCH) => {
                if taken == 0 {
                    return Ok(());
                }
            }
            () = clock.sleep_until(driver.timer()) => {}
            () = shutdown.cancelled(), if !core.is_ending => core.is_ending = true,
        }
        for command in commands.drain(..) {
            let now = clock.now();
            match command {
                Command::Peer(command) => driver.handle(&mut core, command),
                Command::Branch(command) => handle(&mut driver, &mut core, command, &queue),
            }
            perform_all(&mut driver, &mut core, now)?;
        }
        settle(&mut driver, &mut core, clock.now())?;
        driver.flush();
        core.notify_if_ready();
        if core.is_ending && core.replica.stats().outstanding == 0 {
            driver.disconnect();
        }
    }
}

fn handle<D: Driver>(
    driver: &mut D,
    core: &mut Core<D::Replica>,
    command: BranchCommand,
    queue: &mpsc::Receiver<Command<D::PeerCommand>>,
) {
    match command {
        // The handle reports that the branch is shutting down.
        BranchCommand::Submit { .. } if core.is_ending => {}
        BranchCommand::Submit { request, since, trace, reply } => {
            let ticket = core.next_ticket();
            let waiting = Waiting { operation: request.operation, since, reply };
            core.waiting.insert(ticket, waiting);
            driver.submit(core, ticket, request, trace);
        }
        BranchCommand::ConnectFailed(failure) => {
            let warning = core.reachability.failed(failure);
            core.warnings.report(warning);
        }
        BranchCommand::Connected { peer } => core.connected(peer),
        BranchCommand::Warn(warning) => core.warnings.report(Some(warning)),
        // The receivers of these may be gone.
        BranchCommand::Stats(reply) => drop(reply.send(core.replica.stats())),
        BranchCommand::Inspect(reply) => drop(reply.send(BranchState {
            stats: core.replica.stats(),
            version: core.replica.log_status().map(|status| status.shown),
            messages_sent: driver.traffic().messages_sent,
            unreachable: core.reachability.unreachable(),
        })),
        BranchCommand::Families(reply) => {
            let (commands, requests) = (queue.len(), core.waiting.len());
            let queues = Queues { commands, requests, traffic: driver.traffic() };
            let families = core.statistics.families(core.id, &core.replica.stats(), &queues);
            drop(reply.send(families));
        }
    }
}

/// Ends a batch of inputs with the tick that may be due.
fn settle<D: Driver>(
    driver: &mut D,
    core: &mut Core<D::Replica>,
    now: replication::Instant,
) -> Result<(), Stop> {
    driver.check_timer(core, now);
    perform_all(driver, core, now)?;
    core.replica.settle(now, &mut core.effects);
    perform_all(driver, core, now)
}

/// Performs effects, and feeds the events that follow from them back, until nothing is left. Each write makes a
/// bounded number of both.
fn perform_all<D: Driver>(
    driver: &mut D,
    core: &mut Core<D::Replica>,
    now: replication::Instant,
) -> Result<(), Stop> {
    loop {
        let mut effects = std::mem::take(&mut core.effects);
        for effect in effects.drain(..) {
            driver.perform(core, now, effect)?;
        }
        // Keeps its capacity for the next time.
        core.effects = effects;
        let Some(input) = core.inputs.pop_front() else {
            return Ok(());
        };
        core.replica.on(now, input, &mut core.effects);
    }
}
