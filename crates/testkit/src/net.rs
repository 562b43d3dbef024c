//! Branches without sockets: one network for tests and benches.
//!
//! Time is a number and nothing waits: the same calls give the same run. Streams and journals never fail
//! here, so a branch that refuses a peer or stops panics. Scenarios that need a step by hand have
//! `Cluster` in `replication::passbook::scenarios`, which sees inside the engine.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bank::{Ack, Answer, BranchId, Operation};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use replication::{
    Broadcast, Instant, Passbook, Receipt, ReplicaStats, Replication, Request, Ticket, broadcast,
    passbook,
};

/// How long customers wait: longer than any test lasts.
const PATIENCE: Duration = Duration::from_hours(1);
/// After so many inputs a scheme counts as one that never comes to rest.
const STEPS_MAX: usize = 100_000;

/// How messages travel.
#[derive(Clone, Copy, Debug)]
pub enum Delivery {
    /// In the order in which they were sent, in no time. Timers never fire and journals are not synced:
    /// for branches in memory.
    Instant,
    /// Each takes a time of its own up to `max`, so messages overtake each other. Timers fire, and
    /// journals are synced after such a time.
    Delayed { seed: u64, max: Duration },
}

/// A branch that has just been started.
#[derive(Debug)]
pub struct Started<R: Replication> {
    pub id: BranchId,
    pub replica: R,
    /// The effects of its start.
    pub first: Vec<R::Effect>,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub ticket: Ticket,
    pub answer: Answer,
    pub receipt: Option<Receipt>,
}

/// An event on its way to a replica that exchanges messages `M`.
#[derive(Debug)]
pub enum Arrival<M> {
    Request(Ticket, Request),
    PeerUp(BranchId),
    Message(BranchId, M),
    /// So many records of the journal are on disk.
    Persisted(u64),
    Tick,
}

/// What the network does about an effect.
#[derive(Debug)]
pub enum Action<M> {
    Send(BranchId, M),
    Reply(Reply),
    Persist,
    WakeAt(Instant),
    /// The branch must not do this here: fail the test.
    Fail(String),
    Ignore,
}

/// A replica that the network can drive.
pub trait NetReplica: Replication {
    type Message;

    /// The input for an arrival. `None` where the scheme has no such input.
    fn input(arrival: Arrival<Self::Message>) -> Option<Self::Input>;

    fn action(effect: Self::Effect) -> Action<Self::Message>;
}

impl NetReplica for Broadcast {
    type Message = broadcast::Message;

    fn input(arrival: Arrival<Self::Message>) -> Option<Self::Input> {
        match arrival {
            Arrival::Request(ticket, request) => Some(broadcast::Input::Submit { ticket, request }),
            Arrival::Message(from, message) => Some(broadcast::Input::Peer { from, message }),
            Arrival::PeerUp(_) | Arrival::Persisted(_) | Arrival::Tick => None,
        }
    }

    fn action(effect: Self::Effect) -> Action<Self::Message> {
        match effect {
            broadcast::Effect::Send { to, message } => Action::Send(to, message),
            broadcast::Effect::Reply { ticket, answer } => {
                Action::Reply(Reply { ticket, answer, receipt: None })
            }
        }
    }
}

impl NetReplica for Passbook {
    type Message = passbook::Message;

    fn input(arrival: Arrival<Self::Message>) -> Option<Self::Input> {
        Some(passbook_input(arrival))
    }

    fn action(effect: Self::Effect) -> Action<Self::Message> {
        passbook_action(effect)
    }
}

fn passbook_input(arrival: Arrival<passbook::Message>) -> passbook::Input {
    match arrival {
        Arrival::Request(ticket, request) => passbook::Input::Submit { ticket, request },
        Arrival::PeerUp(peer) => passbook::Input::PeerUp { peer },
        Arrival::Message(from, message) => passbook::Input::Peer { from, message },
        Arrival::Persisted(upto) => passbook::Input::Persisted { upto },
        Arrival::Tick => passbook::Input::Tick,
    }
}

fn passbook_action(effect: passbook::Effect) -> Action<passbook::Message> {
    match effect {
        passbook::Effect::Send { to, message } => Action::Send(to, message),
        passbook::Effect::Reply { ticket, answer, receipt } => {
            Action::Reply(Reply { ticket, answer, receipt })
        }
        passbook::Effect::Persist { .. } => Action::Persist,
        passbook::Effect::WakeAt(at) => Action::WakeAt(at),
        passbook::Effect::Refuse { peer, why } => {
            Action::Fail(format!("refuses: branch {peer} {why}"))
        }
        passbook::Effect::Stop(stop) => Action::Fail(format!("stopped: {stop}")),
        passbook::Effect::Note(_) => Action::Ignore,
    }
}

#[derive(Clone, Debug, Default)]
struct Journal {
    records: u64,
    /// When all of them are on disk.
    synced: Instant,
}

#[derive(Debug)]
struct Delayed<M> {
    random: Pcg64Mcg,
    max: Duration,
    /// By instant; the running number settles ties.
    arrivals: BTreeMap<(Instant, u64), (usize, Arrival<M>)>,
    sent: u64,
    /// How many of `arrivals` are no ticks.
    moving: usize,
    journals: Vec<Journal>,
}

impl<M> Delayed<M> {
    fn some_time_after(&mut self, now: Instant) -> Instant {
        now.after(self.random.random_range(Duration::ZERO..=self.max))
    }

    fn insert(&mut self, at: Instant, to: usize, arrival: Arrival<M>) {
        self.moving += usize::from(!matches!(arrival, Arrival::Tick));
        self.arrivals.insert((at, self.sent), (to, arrival));
        self.sent += 1;
    }

    fn persist(&mut self, now: Instant, branch: usize) {
        let at = self.some_time_after(now);
        let journal = &mut self.journals[branch];
        journal.records += 1;
        journal.synced = journal.synced.max(at);
        let (at, upto) = (journal.synced, journal.records);
        self.insert(at, branch, Arrival::Persisted(upto));
    }
}

#[derive(Debug)]
enum InFlight<M> {
    Instant(VecDeque<(usize, Arrival<M>)>),
    Delayed(Box<Delayed<M>>),
}

/// Branches that know each other, and what is on its way between them.
pub struct Net<R: NetReplica> {
    /// Ascending.
    ids: Vec<BranchId>,
    replicas: Vec<R>,
    in_flight: InFlight<R::Message>,
    now: Instant,
    effects: Vec<R::Effect>,
    replies: VecDeque<Reply>,
    tickets: u64,
    unanswered: usize,
    messages: u64,
}

impl<R: NetReplica> Net<R> {
    /// Connects every branch to every other, and lets them meet.
    pub fn start(delivery: Delivery, branches: Vec<Started<R>>) -> Self {
        let in_flight = match delivery {
            Delivery::Instant => InFlight::Instant(VecDeque::new()),
            Delivery::Delayed { seed, max } => InFlight::Delayed(Box::new(Delayed {
                random: Pcg64Mcg::seed_from_u64(seed),
                max,
                arrivals: BTreeMap::new(),
                sent: 0,
                moving: 0,
                journals: vec![Journal::default(); branches.len()],
            })),
        };
        let ids: Vec<BranchId> = branches.iter().map(|branch| branch.id).collect();
        assert!(ids.is_sorted(), "branches in the order of their numbers");
        let mut net = Self {
            ids: ids.clone(),
            replicas: Vec::new(),
            in_flight,
            now: Instant::default(),
            effects: Vec::new(),
            replies: VecDeque::new(),
            tickets: 0,
            unanswered: 0,
            messages: 0,
        };
        for (place, branch) in branches.into_iter().enumerate() {
            net.replicas.push(branch.replica);
            net.effects = branch.first;
            net.perform_all(place);
        }
        for place in 0..ids.len() {
            for peer in ids.iter().filter(|peer| **peer != ids[place]) {
                net.deliver(place, Arrival::PeerUp(*peer));
            }
        }
        net.rest();
        net.messages = 0;
        net
    }

    pub fn replicas(&self) -> &[R] {
        &self.replicas
    }

    pub fn stats(&self) -> Vec<ReplicaStats> {
        self.replicas.iter().map(Replication::stats).collect()
    }

    /// Messages between branches since they met.
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// An instant so much later.
    pub fn later(&self, time: Duration) -> Instant {
        self.now.after(time)
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.later(time);
    }

    /// Draws a ticket that no other request has.
    pub const fn draw_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Sends a request on its way to a branch.
    pub fn ask(&mut self, branch: BranchId, request: Request) -> Ticket {
        let ticket = self.draw_ticket();
        let to = self.place(branch);
        self.unanswered += 1;
        self.send(to, Arrival::Request(ticket, request));
        ticket
    }

    /// Requests that arrive at a branch before it gets to say anything.
    pub fn ask_together(&mut self, branch: BranchId, requests: Vec<(Ticket, Request)>) {
        let to = self.place(branch);
        for (ticket, request) in requests {
            self.unanswered += 1;
            self.handle(to, Arrival::Request(ticket, request));
        }
        self.settle(to);
    }

    /// The next answer. `None` when all are given, or none comes any more.
    pub fn next_reply(&mut self) -> Option<Reply> {
        for _ in 0..STEPS_MAX {
            if !self.replies.is_empty() || self.unanswered == 0 {
                break;
            }
            self.step()?;
        }
        self.replies.pop_front()
    }

    /// Delivers until customers are answered and nothing but ticks is on its way. A scheme that never
    /// comes to rest is cut short.
    pub fn rest(&mut self) {
        for _ in 0..STEPS_MAX {
            let moving = match &self.in_flight {
                InFlight::Instant(queue) => queue.len(),
                InFlight::Delayed(delayed) => delayed.moving,
            };
            if (moving == 0 && self.unanswered == 0) || self.step().is_none() {
                return;
            }
        }
    }

    fn place(&self, branch: BranchId) -> usize {
        self.ids.binary_search(&branch).expect("a branch of this network")
    }

    fn step(&mut self) -> Option<()> {
        let (to, arrival) = match &mut self.in_flight {
            InFlight::Instant(queue) => queue.pop_front()?,
            InFlight::Delayed(delayed) => {
                let ((at, _), next) = delayed.arrivals.pop_first()?;
                self.now = at;
                delayed.moving -= usize::from(!matches!(next.1, Arrival::Tick));
                next
            }
        };
        self.deliver(to, arrival);
        Some(())
    }

    fn send(&mut self, to: usize, arrival: Arrival<R::Message>) {
        match &mut self.in_flight {
            InFlight::Instant(queue) => queue.push_back((to, arrival)),
            InFlight::Delayed(delayed) => {
                let at = delayed.some_time_after(self.now);
                delayed.insert(at, to, arrival);
            }
        }
    }

    fn deliver(&mut self, to: usize, arrival: Arrival<R::Message>) {
        self.handle(to, arrival);
        self.settle(to);
    }

    fn handle(&mut self, to: usize, arrival: Arrival<R::Message>) {
        if let Some(input) = R::input(arrival) {
            self.replicas[to].on(self.now, input, &mut self.effects);
        }
    }

    fn settle(&mut self, place: usize) {
        self.replicas[place].settle(self.now, &mut self.effects);
        self.perform_all(place);
    }

    fn perform_all(&mut self, place: usize) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            self.perform(place, effect);
        }
        self.effects = effects;
    }

    fn perform(&mut self, place: usize, effect: R::Effect) {
        let from = self.ids[place];
        match (R::action(effect), &mut self.in_flight) {
            (Action::Send(to, message), _) => {
                let to = self.place(to);
                self.messages += 1;
                self.send(to, Arrival::Message(from, message));
            }
            (Action::Reply(reply), _) => {
                self.unanswered -= 1;
                self.replies.push_back(reply);
            }
            (Action::Persist, InFlight::Delayed(delayed)) => delayed.persist(self.now, place),
            (Action::WakeAt(at), InFlight::Delayed(delayed)) => {
                delayed.insert(at.max(self.now), place, Arrival::Tick);
            }
            (Action::Persist | Action::WakeAt(_), InFlight::Instant(_)) | (Action::Ignore, _) => {}
            (Action::Fail(why), _) => panic!("branch {from} {why}"),
        }
    }
}

/// Whether customers wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The next customer begins when the one before has been answered everything and branches are at rest.
    OneAfterAnother,
    /// All begin at once; each waits for its own answers only.
    Concurrent,
}

/// What customers do, and where.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The operations of each customer, in order.
    pub customers: Vec<Vec<(BranchId, Operation)>>,
    pub order: Order,
    pub ack: Ack,
}

impl Workload {
    /// Carries it out until all is at rest. Returns what each customer was answered, in order.
    pub fn run<R: NetReplica>(&self, net: &mut Net<R>) -> Vec<Vec<Answer>> {
        let mut running =
            Running { answers: vec![Vec::new(); self.customers.len()], asked_by: HashMap::new() };
        for customer in 0..self.customers.len() {
            running.ask_next(self, net, customer);
            if self.order == Order::OneAfterAnother {
                running.finish(self, net);
            }
        }
        running.finish(self, net);
        running.answers
    }
}

struct Running {
    answers: Vec<Vec<Answer>>,
    asked_by: HashMap<Ticket, usize>,
}

impl Running {
    fn ask_next<R: NetReplica>(&mut self, load: &Workload, net: &mut Net<R>, customer: usize) {
        let done = self.answers[customer].len();
        if let Some(&(branch, operation)) = load.customers[customer].get(done) {
            let deadline = net.later(PATIENCE);
            let ticket = net.ask(branch, Request::anonymous(operation, load.ack, deadline));
            self.asked_by.insert(ticket, customer);
        }
    }

    fn finish<R: NetReplica>(&mut self, load: &Workload, net: &mut Net<R>) {
        while let Some(Reply { ticket, answer, .. }) = net.next_reply() {
            let customer = self.asked_by.remove(&ticket).expect("asked here, and answered once");
            self.answers[customer].push(answer);
            self.ask_next(load, net, customer);
        }
        net.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{Money, Outcome};
    use replication::passbook::{Effect, Input, Message, Record, Stop};

    const TICK: Duration = Duration::from_millis(10);

    /// Answers on the first tick after all requests are on disk, and ticks forever.
    #[derive(Default)]
    struct Ticking {
        peers: usize,
        asked: Vec<Ticket>,
        written: u64,
        durable: u64,
    }

    impl NetReplica for Ticking {
        type Message = Message;

        fn input(arrival: Arrival<Message>) -> Option<Input> {
            Some(passbook_input(arrival))
        }

        fn action(effect: Effect) -> Action<Message> {
            passbook_action(effect)
        }
    }

    impl Replication for Ticking {
        type Input = Input;
        type Effect = Effect;

        fn on(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
            match input {
                Input::PeerUp { .. } => self.peers += 1,
                Input::Submit { ticket, .. } => {
                    assert_eq!(self.peers, 2, "connected before anything is asked");
                    self.asked.push(ticket);
                    self.written += 1;
                    let record = Record::Received { rows: Vec::new() };
                    effects.push(Effect::Persist { record });
                }
                Input::Persisted { upto } => {
                    assert!((self.durable + 1..=self.written).contains(&upto));
                    self.durable = upto;
                }
                Input::Tick => {
                    assert_eq!(now.0.as_nanos() % TICK.as_nanos(), 0);
                    effects.push(Effect::WakeAt(now.after(TICK)));
                    if self.durable == self.written {
                        let answer = Answer { outcome: Outcome::Ok, balance: None };
                        let reply = |ticket| Effect::Reply { ticket, answer, receipt: None };
                        effects.extend(self.asked.drain(..).map(reply));
                    }
                }
                other => panic!("nobody gives it {other:?}"),
            }
        }

        fn settle(&mut self, _now: Instant, effects: &mut Vec<Effect>) {
            if self.written > 5 {
                effects.push(Effect::Stop(Stop::OtherLog { peer: BranchId(1) }));
            }
        }

        fn stats(&self) -> ReplicaStats {
            ReplicaStats {
                balance: Money::ZERO,
                lowest_balance: Money::ZERO,
                accepted: self.durable,
                applied: 0,
                outstanding: 0,
                undelivered: 0,
            }
        }

        fn name(&self) -> &'static str {
            "ticking"
        }
    }

    /// Three ticking branches, each asked by two customers, `operations` times by each.
    fn run_ticking(operations: usize, order: Order) -> (Vec<Vec<Answer>>, Vec<ReplicaStats>) {
        let ids = [1, 2, 3].map(BranchId);
        let started = ids.map(|id| {
            let first = vec![Effect::WakeAt(Instant(TICK))];
            Started { id, replica: Ticking::default(), first }
        });
        let customers =
            ids.into_iter().chain(ids).map(|id| vec![(id, Operation::Query); operations]);
        let load = Workload { customers: customers.collect(), order, ack: Ack::All };
        let delivery = Delivery::Delayed { seed: 1, max: Duration::from_millis(20) };
        let mut net = Net::start(delivery, started.into());
        (load.run(&mut net), net.stats())
    }

    #[test]
    fn scheme_with_journal_and_timer_comes_to_rest() {
        for order in [Order::OneAfterAnother, Order::Concurrent] {
            let (answers, stats) = run_ticking(2, order);
            assert!(answers.iter().all(|answers| answers.len() == 2), "{answers:?}");
            assert!(stats.iter().all(|stats| stats.accepted == 4), "{stats:?}");
        }
    }

    #[test]
    #[should_panic(expected = "stopped: amnesia")]
    fn branch_that_stops_panics() {
        run_ticking(3, Order::Concurrent);
    }
}
