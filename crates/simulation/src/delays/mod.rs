//! Drives N state machines under one seed: messages are delayed and overtake each other.
//!
//! The same seed gives the same run. Time is a number; nothing waits.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use bank::Ack;
use bank::{Answer, BranchId, Operation};
use replication::{Instant, ReplicaStats, Replication, Request, Ticket, broadcast, passbook};

/// How long customers wait: longer than any simulation lasts.
const PATIENCE: Duration = Duration::from_hours(1);
/// After so many inputs a scheme is taken for one that never comes to rest.
const STEPS_MAX: usize = 100_000;

/// Whether customers wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The next customer begins when the one before has been answered everything.
    OneAfterAnother,
    /// All begin at once; each waits for its own answers only.
    Concurrent,
}

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides every delay.
    pub seed: u64,
    /// What each customer does, in order, and where.
    pub customers: Vec<Vec<(BranchId, Operation)>>,
    /// Whether customers wait for each other.
    pub order: Order,
    /// When writes are answered.
    pub ack: Ack,
    /// No message takes longer than this. Delays are uniform, so messages overtake each other.
    pub delay_max: Duration,
}

/// What came of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What each customer was answered, in order.
    pub answers: Vec<Vec<Answer>>,
    /// Every branch at the end.
    pub audits: Vec<ReplicaStats>,
}

/// A branch that has just been started.
#[derive(Debug)]
pub struct Started<R: Replication> {
    /// Its number.
    pub id: BranchId,
    /// Its replica.
    pub replica: R,
    /// What is to be done before anything happens.
    pub first: Vec<R::Effect>,
}

/// An event on its way to a replica that exchanges messages `M`.
#[derive(Debug)]
pub enum Arrival<M> {
    /// A customer's request.
    Request(Ticket, Request),
    /// A stream to a peer has opened.
    PeerUp(BranchId),
    /// A peer's message.
    Message(BranchId, M),
    /// So many records are on disk.
    Persisted(u64),
    /// A timer.
    Tick,
}

/// What the network does about an effect.
#[derive(Debug)]
pub enum Action<M> {
    /// Send a message to a branch.
    Send(BranchId, M),
    /// Answer a request.
    Reply(Ticket, Answer),
    /// Append a record.
    Persist,
    /// Set a timer.
    WakeAt(Instant),
    /// Fail the test.
    Fail(String),
    /// Nothing.
    Ignore,
}

/// The effects of a scheme, with the inputs that belong to them.
pub trait SchemeEffect {
    /// An input of the scheme.
    type Input;
    /// A message between branches.
    type Message;

    /// The input for an arrival; `None` where the scheme has no such input.
    fn input(arrival: Arrival<Self::Message>) -> Option<Self::Input>;

    /// The action for this effect.
    fn action(self) -> Action<Self::Message>;
}

impl SchemeEffect for broadcast::Effect {
    type Input = broadcast::Input;
    type Message = broadcast::Message;

    fn input(arrival: Arrival<Self::Message>) -> Option<Self::Input> {
        match arrival {
            Arrival::Request(ticket, request) => Some(Self::Input::Submit { ticket, request }),
            Arrival::Message(from, message) => Some(Self::Input::Peer { from, message }),
            Arrival::PeerUp(_) | Arrival::Persisted(_) | Arrival::Tick => None,
        }
    }

    fn action(self) -> Action<Self::Message> {
        match self {
            Self::Send { to, message } => Action::Send(to, message),
            Self::Reply { ticket, answer } => Action::Reply(ticket, answer),
        }
    }
}

impl SchemeEffect for passbook::Effect {
    type Input = passbook::Input;
    type Message = passbook::Message;

    fn input(arrival: Arrival<Self::Message>) -> Option<Self::Input> {
        Some(match arrival {
            Arrival::Request(ticket, request) => Self::Input::Submit { ticket, request },
            Arrival::PeerUp(peer) => Self::Input::PeerUp { peer },
            Arrival::Message(from, message) => Self::Input::Peer { from, message },
            Arrival::Persisted(upto) => Self::Input::Persisted { upto },
            Arrival::Tick => Self::Input::Tick,
        })
    }

    fn action(self) -> Action<Self::Message> {
        match self {
            Self::Send { to, message } => Action::Send(to, message),
            Self::Reply { ticket, answer, .. } => Action::Reply(ticket, answer),
            Self::Persist { .. } => Action::Persist,
            Self::WakeAt(at) => Action::WakeAt(at),
            Self::Refuse { peer, why } => Action::Fail(format!("refuses: branch {peer} {why}")),
            Self::Stop(stop) => Action::Fail(format!("stopped: {stop}")),
            Self::Note(_) => Action::Ignore,
        }
    }
}

#[derive(Debug, Default)]
struct Journal {
    records: u64,
    /// When all of them are on disk.
    synced: Instant,
}

/// An event on its way to a replica.
type ArrivalOf<R> = Arrival<<<R as Replication>::Effect as SchemeEffect>::Message>;

struct Sim<'a, R: Replication<Effect: SchemeEffect>> {
    plan: &'a Plan,
    replicas: Vec<(BranchId, R)>,
    random: Pcg64Mcg,
    now: Instant,
    /// What is on its way, by arrival; the running number settles ties.
    in_flight: BTreeMap<(Instant, u64), (BranchId, ArrivalOf<R>)>,
    sent: u64,
    /// How much of what is on its way is no tick.
    moving: usize,
    journals: HashMap<BranchId, Journal>,
    customer_of: HashMap<Ticket, usize>,
    answers: Vec<Vec<Answer>>,
}

/// Runs `plan` on `branches` until all is at rest: customers are answered and nothing but ticks is on its
/// way. A scheme that never comes to rest is cut short.
///
/// Streams and journals never fail here, so a branch that stops is a mistake and panics.
pub fn run<R, E>(plan: &Plan, branches: Vec<Started<R>>) -> Ran
where
    R: Replication<Input = E::Input, Effect = E>,
    E: SchemeEffect,
{
    let mut sim = Sim {
        plan,
        replicas: Vec::new(),
        random: Pcg64Mcg::seed_from_u64(plan.seed),
        now: Instant::default(),
        in_flight: BTreeMap::new(),
        sent: 0,
        moving: 0,
        journals: HashMap::new(),
        customer_of: HashMap::new(),
        answers: vec![Vec::new(); plan.customers.len()],
    };
    sim.start(branches);
    match plan.order {
        Order::OneAfterAnother => {
            for customer in 0..plan.customers.len() {
                sim.next_operation(customer);
                sim.deliver_all();
            }
        }
        Order::Concurrent => {
            for customer in 0..plan.customers.len() {
                sim.next_operation(customer);
            }
            sim.deliver_all();
        }
    }
    let audits = sim.replicas.iter().map(|(_, replica)| replica.stats()).collect();
    Ran { answers: sim.answers, audits }
}

impl<R, E> Sim<'_, R>
where
    R: Replication<Input = E::Input, Effect = E>,
    E: SchemeEffect,
{
    /// Connects every branch to every other.
    fn start(&mut self, branches: Vec<Started<R>>) {
        for Started { id, replica, first } in branches {
            self.replicas.push((id, replica));
            self.perform_all(id, first);
        }
        let ids: Vec<BranchId> = self.replicas.iter().map(|(id, _)| *id).collect();
        for id in &ids {
            for peer in ids.iter().filter(|peer| *peer != id) {
                self.deliver(*id, Arrival::PeerUp(*peer));
            }
        }
        // Customers come when the branches know each other.
        self.deliver_all();
    }

    fn next_operation(&mut self, customer: usize) {
        let done = self.answers[customer].len();
        let Some(&(branch, operation)) = self.plan.customers[customer].get(done) else {
            return;
        };
        let ticket = Ticket(self.sent);
        self.customer_of.insert(ticket, customer);
        let deadline = self.now.after(PATIENCE);
        let request = Request::anonymous(operation, self.plan.ack, deadline);
        self.send(branch, Arrival::Request(ticket, request));
    }

    fn send(&mut self, to: BranchId, input: Arrival<E::Message>) {
        let at = self.some_time_later();
        self.arrange(at, to, input);
    }

    fn some_time_later(&mut self) -> Instant {
        self.now.after(self.random.random_range(Duration::ZERO..=self.plan.delay_max))
    }

    fn arrange(&mut self, at: Instant, to: BranchId, input: Arrival<E::Message>) {
        self.moving += usize::from(!matches!(input, Arrival::Tick));
        self.in_flight.insert((at, self.sent), (to, input));
        self.sent += 1;
    }

    fn deliver_all(&mut self) {
        for _ in 0..STEPS_MAX {
            if self.moving == 0 && self.customer_of.is_empty() {
                return;
            }
            let Some(((now, _), (to, input))) = self.in_flight.pop_first() else {
                return;
            };
            self.now = now;
            self.moving -= usize::from(!matches!(input, Arrival::Tick));
            self.deliver(to, input);
        }
    }

    fn deliver(&mut self, to: BranchId, input: Arrival<E::Message>) {
        let Some((_, replica)) = self.replicas.iter_mut().find(|(id, _)| *id == to) else {
            return;
        };
        let mut effects = Vec::new();
        if let Some(input) = E::input(input) {
            replica.on(self.now, input, &mut effects);
        }
        replica.settle(self.now, &mut effects);
        self.perform_all(to, effects);
    }

    fn perform_all(&mut self, from: BranchId, effects: Vec<E>) {
        for effect in effects {
            self.perform(from, effect);
        }
    }

    fn perform(&mut self, from: BranchId, effect: E) {
        match effect.action() {
            Action::Persist => {
                let at = self.some_time_later();
                let journal = self.journals.entry(from).or_default();
                journal.records += 1;
                journal.synced = journal.synced.max(at);
                let (at, upto) = (journal.synced, journal.records);
                self.arrange(at, from, Arrival::Persisted(upto));
            }
            Action::Send(to, message) => self.send(to, Arrival::Message(from, message)),
            Action::Reply(ticket, answer) => {
                if let Some(customer) = self.customer_of.remove(&ticket) {
                    self.answers[customer].push(answer);
                    self.next_operation(customer);
                }
            }
            Action::Ignore => {}
            Action::WakeAt(at) => self.arrange(at.max(self.now), from, Arrival::Tick),
            Action::Fail(why) => panic!("branch {from} {why}"),
        }
    }
}

#[cfg(test)]
mod passbook_tests;
#[cfg(test)]
mod tests;
