//! The simulated world: replicas, what lies between and below them, who asks, and what goes wrong.

mod branch;
mod faults;

mod effects;
mod inputs;
mod processes;

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};

use siphasher::sip::SipHasher13;

use super::agenda::{Agenda, Answered, Arrival, Event};
use super::chance::Span;
use super::counters::{Counter, Counters};
use super::customers::{CustomerEvent, Customers, Wake};
use super::network::{Network, member};
use super::observer::{Observer, View, Violation};
use super::plan::{Plan, TimingProfile};
use super::recorder::Recorder;
use super::transcript::words;
use bank::{BranchId, Member, Seq};
use branch::Branch;
use check::Property;
use replication::passbook::{Effect, Mutant};
use replication::{Instant, Ticket};

/// After the healing, and when customers are done, everything is at rest if nothing but timers was seen
/// for so many times the longest wait before a repetition.
const QUIET_REPETITIONS: u32 = 3;
/// Nothing may go on for so many such times after the healing, besides customers who wait.
const RESTLESS_REPETITIONS: u32 = 60;
/// A run has no more steps than these, and than so many an operation.
const STEPS_MIN: u64 = 300_000;
const STEPS_PER_OPERATION: u64 = 3_000;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// A hash of everything that every replica was told and said, and when.
    pub hash: u64,
    /// What was seen.
    pub counters: Counters,
    /// When it ended, in simulated time.
    pub ended: Instant,
    /// What was wrong, if anything was; then the run ended there.
    pub violation: Option<Violation>,
}

/// Runs a plan.
pub fn run(plan: &Plan, mutant: Option<Mutant>) -> RunResult {
    run_with(plan, mutant, None).0
}

/// Runs a plan. Adds what happens to `lines`, if there are any, and returns them with the result.
pub(super) fn run_with(
    plan: &Plan,
    mutant: Option<Mutant>,
    lines: Option<Vec<String>>,
) -> (RunResult, Option<Vec<String>>) {
    World::new(plan, mutant, lines).run()
}

struct World<'a> {
    plan: &'a Plan,
    mutant: Option<Mutant>,
    agenda: Agenda,
    network: Network,
    branches: Vec<Branch>,
    customers: Customers,
    observer: Observer,
    recorder: Recorder,
    counters: Counters,
    hasher: SipHasher13,
    /// What happened, if there is to be a transcript.
    lines: Option<Vec<String>>,
    /// Kept between steps for its room.
    effects: Vec<Effect>,
    tickets: u64,
    /// The last entry by which each branch granted rights to each other one, by donor and asker.
    grants: BTreeMap<(Member, Member), Seq>,
    healed: bool,
    /// A journal was taken away from a branch. Two of them could hide each other.
    journal_taken: bool,
    /// When something other than a timer was last seen.
    lively: Instant,
    steps: u64,
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, mutant: Option<Mutant>, lines: Option<Vec<String>>) -> Self {
        let mut agenda = Agenda::default();
        for (number, fault) in plan.faults.iter().enumerate() {
            agenda.at(fault.at, Event::Begins(number));
        }
        agenda.at(plan.heals, Event::Heals);
        let customers = Customers::new(plan, &mut agenda);
        let mut branches: Vec<Branch> = plan.members().map(|m| Branch::new(plan, m)).collect();
        for branch in &mut branches {
            // Branches of a cluster are not started at one instant.
            let wait = Span::micros(0, 8_000).draw(&mut branch.random);
            agenda.after(wait, Event::Start(branch.member));
        }
        Self {
            plan,
            mutant,
            agenda,
            network: Network::new(plan),
            branches,
            customers,
            observer: Observer::new(usize::from(plan.branches), plan.opening, plan.storage),
            recorder: Recorder::new(plan),
            counters: Counters::default(),
            hasher: SipHasher13::new(),
            lines,
            effects: Vec::new(),
            tickets: 0,
            grants: BTreeMap::new(),
            healed: false,
            journal_taken: false,
            lively: Instant::default(),
            steps: 0,
        }
    }

    fn run(mut self) -> (RunResult, Option<Vec<String>>) {
        let violation = self.until_rest().and_then(|()| self.end()).err();
        self.counters.add_many(Counter::Steps, self.steps);
        let production = self.plan.timing == TimingProfile::Production;
        self.counters.add_many(Counter::ProductionTiming, u64::from(production));
        let ran = RunResult {
            hash: self.hasher.finish(),
            counters: self.counters,
            ended: self.agenda.now(),
            violation,
        };
        (ran, self.lines)
    }

    fn until_rest(&mut self) -> Result<(), Violation> {
        let operations = u64::try_from(self.plan.operations()).unwrap_or(u64::MAX);
        let steps_max = STEPS_MIN.max(operations.saturating_mul(STEPS_PER_OPERATION));
        let mut waited_until = self.plan.heals;
        let repetition = self.plan.timing.timing().push_repeat_max;
        let (quiet, restless_max) =
            (repetition * QUIET_REPETITIONS, repetition * RESTLESS_REPETITIONS);
        while let Some(next) = self.agenda.next_at() {
            if self.healed && self.customers.are_done() && next > self.lively.after(quiet) {
                break;
            }
            if !self.customers.are_done() {
                waited_until = waited_until.max(self.agenda.now());
            }
            if self.steps > steps_max || next > waited_until.after(restless_max) {
                return Err(self.restless());
            }
            let Some(event) = self.agenda.next() else {
                break;
            };
            self.happens(event)?;
        }
        Ok(())
    }

    fn restless(&self) -> Violation {
        let left = self.customers.left();
        let detail = format!(
            "did not come to rest: {} steps, {left} operations of customers left",
            self.steps
        );
        Violation { property: Property::Answered, detail }
    }

    fn happens(&mut self, event: Event) -> Result<(), Violation> {
        let timer = matches!(
            event,
            Event::Arrives { what: Arrival::Tick, .. }
                | Event::Ready { .. }
                | Event::Keepalive { .. }
        );
        if !timer {
            self.lively = self.agenda.now();
        }
        match event {
            Event::Start(branch) => self.start(branch)?,
            Event::Connected(low, high) => {
                if self.network.connected(low, high, &mut self.agenda) {
                    self.counters.add(Counter::Streams);
                }
            }
            Event::Keepalive { low, high, epoch } => {
                self.network.keepalive(low, high, epoch, &mut self.agenda);
            }
            Event::Arrives { to, incarnation, what } => {
                let present = self.branches[to.index()].incarnation;
                if incarnation.is_none_or(|incarnation| incarnation == present) {
                    self.comes(to, what)?;
                }
            }
            Event::Synced { branch, incarnation } => self.synced(branch, incarnation)?,
            Event::Ready { branch, incarnation } => self.ready(branch, incarnation)?,
            Event::Customer(who, wake) => {
                let event = self.customers.wake(who, wake, &mut self.agenda);
                if let (Wake::Timeout(attempt), Some(_)) = (wake, &event) {
                    self.given_up(who, attempt);
                }
                self.customer_event(who, event);
            }
            Event::Answered(answered) => {
                let Answered { customer, branch, incarnation, response } = *answered;
                let branch = &self.branches[branch.index()];
                // The connection ended with the process.
                if branch.is_running() && branch.incarnation == incarnation {
                    let event = self.customers.receive(customer, response, &mut self.agenda);
                    self.customer_event(customer, event);
                }
            }
            Event::Begins(fault) => self.begins(fault)?,
            Event::Ends(fault) => self.ends(fault)?,
            Event::Heals => self.heals()?,
        }
        Ok(())
    }

    /// A customer has done something.
    fn customer_event(&mut self, who: usize, event: Option<CustomerEvent>) {
        let Some(event) = event else { return };
        self.note(|| words::customer_event(who, &event));
        let now = self.agenda.now();
        match event {
            CustomerEvent::Begins(first) => {
                self.recorder.begins(who, now, &first);
                self.observer.begins(&first);
            }
            CustomerEvent::Retries { .. } => self.counters.add(Counter::Retries),
            CustomerEvent::Takes { operation, response } => {
                self.count_taken(operation, response.answer.outcome);
                self.recorder.takes(who, now, &response);
            }
        }
    }

    /// Adds a line to the transcript, if there is one and it is worth a line.
    fn note<T: Into<Option<String>>>(&mut self, what: impl FnOnce() -> T) {
        if let Some(lines) = &mut self.lines
            && let Some(what) = what().into()
        {
            lines.push(format!("{:>14}  {what}", words::millis(self.agenda.now().0)));
        }
    }

    /// Everything is at rest: the last look.
    fn end(&mut self) -> Result<(), Violation> {
        let alive: Vec<_> = self
            .branches
            .iter()
            .filter_map(|branch| Some((branch.member, branch.replica()?)))
            .collect();
        let views = alive.iter().map(|(branch, replica)| (*branch, View::of(replica)));
        self.observer.finish(views)?;
        self.recorder.judge(self.plan, &self.observer, &alive)
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// The position of a branch that a replica has named.
    fn named(&self, branch: BranchId) -> Option<Member> {
        member(branch).filter(|member| member.0 < self.plan.branches)
    }

    fn hash_time(&mut self, branch: Member) {
        (self.agenda.now(), branch).hash(&mut self.hasher);
    }
}
