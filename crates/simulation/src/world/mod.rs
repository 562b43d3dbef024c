//! The simulated world: replicas, what lies between and below them, who asks, and what goes wrong.

mod branch;
mod faults;
mod lives;
mod perform;
mod step;

use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use siphasher::sip::SipHasher13;

use super::agenda::{Agenda, Coming, Event};
use super::counters::{Counters, Seen};
use super::customers::{Customers, Said, Wake};
use super::judge::{Judge, Property, Violation};
use super::network::{Network, member};
use super::plan::Plan;
use super::story::Teller;
use super::words;
use bank::{BranchId, Member};
use branch::Branch;
use perform::GrantsInFlight;
use replication::passbook::{Effect, Mutant};
use replication::{Instant, Ticket};

/// After the healing, and when customers are done, everything is at rest if nothing but timers was seen
/// for so long. Longer than anything waits before it repeats itself.
const QUIET: Duration = Duration::from_secs(6);
/// Nothing may go on for longer than this after the healing, besides customers who wait.
const RESTLESS_MAX: Duration = Duration::from_mins(2);
/// A run has no more steps than these, and than so many an operation.
const STEPS_MIN: u64 = 300_000;
const STEPS_PER_OPERATION: u64 = 3_000;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
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
pub fn run(plan: &Plan, mutant: Option<Mutant>) -> Ran {
    World::new(plan, mutant, Teller::silent()).run().0
}

/// Runs a plan and says what happened, a line an event.
pub(super) fn tell(plan: &Plan, mutant: Option<Mutant>) -> (Ran, Vec<String>) {
    World::new(plan, mutant, Teller::telling()).run()
}

struct World<'a> {
    plan: &'a Plan,
    mutant: Option<Mutant>,
    agenda: Agenda,
    network: Network,
    branches: Vec<Branch>,
    customers: Customers,
    judge: Judge,
    counters: Counters,
    hasher: SipHasher13,
    teller: Teller,
    /// Kept between steps for its room.
    effects: Vec<Effect>,
    tickets: u64,
    grants: GrantsInFlight,
    healed: bool,
    /// A journal was taken away from a branch. Two of them could hide each other.
    journal_taken: bool,
    /// When something other than a timer was last seen.
    lively: Instant,
    steps: u64,
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, mutant: Option<Mutant>, teller: Teller) -> Self {
        let mut agenda = Agenda::default();
        for (number, fault) in plan.faults.iter().enumerate() {
            agenda.at(fault.at, Event::Begins(number));
        }
        agenda.at(plan.heals, Event::Heals);
        let customers = Customers::new(plan, &mut agenda);
        let mut branches: Vec<Branch> = plan.members().map(|m| Branch::new(plan, m)).collect();
        for branch in &mut branches {
            let wait = branch.start_delay();
            agenda.after(wait, Event::Start(branch.member));
        }
        Self {
            plan,
            mutant,
            agenda,
            network: Network::new(plan),
            branches,
            customers,
            judge: Judge::new(usize::from(plan.branches), plan.opening, plan.storage),
            counters: Counters::default(),
            hasher: SipHasher13::new(),
            teller,
            effects: Vec::new(),
            tickets: 0,
            grants: GrantsInFlight::new(plan.branches),
            healed: false,
            journal_taken: false,
            lively: Instant::default(),
            steps: 0,
        }
    }

    fn run(mut self) -> (Ran, Vec<String>) {
        let done = self.until_rest().and_then(|()| self.end());
        let violation = done.err();
        if let Some(violation) = &violation {
            self.teller.tell(self.agenda.now(), || words::violation(violation));
        }
        self.counters.add_many(Seen::Steps, self.steps);
        let ran = Ran {
            hash: self.hasher.finish(),
            counters: self.counters,
            ended: self.agenda.now(),
            violation,
        };
        (ran, self.teller.lines())
    }

    fn until_rest(&mut self) -> Result<(), Violation> {
        let operations = u64::try_from(self.plan.operations()).unwrap_or(u64::MAX);
        let steps_max = STEPS_MIN.max(operations.saturating_mul(STEPS_PER_OPERATION));
        let mut waited_until = self.plan.heals;
        while let Some(next) = self.agenda.next_at() {
            if self.healed && self.customers.are_done() && next > self.lively.after(QUIET) {
                break;
            }
            if !self.customers.are_done() {
                waited_until = waited_until.max(self.agenda.now());
            }
            if self.steps > steps_max || next > waited_until.after(RESTLESS_MAX) {
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
            Event::Comes { what: Coming::Tick, .. } | Event::Ready { .. } | Event::Keepalive { .. }
        );
        if !timer {
            self.lively = self.agenda.now();
        }
        match event {
            Event::Start(branch) => self.start(branch),
            Event::Connected(low, high) => {
                if self.network.connected(low, high, &mut self.agenda) {
                    self.counters.add(Seen::Streams);
                }
                Ok(())
            }
            Event::Keepalive { low, high, epoch } => {
                self.network.keepalive(low, high, epoch, &mut self.agenda);
                Ok(())
            }
            Event::Comes { to, life, what } => {
                if life.is_none_or(|life| life == self.branches[to.index()].life) {
                    self.comes(to, what)?;
                }
                Ok(())
            }
            Event::Synced { branch, life } => self.synced(branch, life),
            Event::Ready { branch, life } => self.ready(branch, life),
            Event::Customer(who, wake) => {
                let said = self.customers.wake(who, wake, &mut self.agenda);
                if let (Wake::Timeout(attempt), Some(_)) = (wake, &said) {
                    self.given_up(who, attempt);
                }
                self.said(who, said)
            }
            Event::Answered(answered) => {
                // The connection ended with the process.
                let branch = &self.branches[answered.branch.index()];
                if !branch.lives() || branch.life != answered.life {
                    return Ok(());
                }
                let agenda = &mut self.agenda;
                let (who, attempt) = (answered.customer, answered.attempt);
                let said =
                    self.customers.hear(who, attempt, answered.answer, answered.receipt, agenda);
                self.said(who, said)
            }
            Event::Begins(fault) => self.begins(fault),
            Event::Ends(fault) => self.ends(fault),
            Event::Heals => self.heals(),
        }
    }

    /// Tells the judge what a customer has done.
    fn said(&mut self, who: usize, said: Option<Said>) -> Result<(), Violation> {
        let Some(said) = said else {
            return Ok(());
        };
        self.teller.tell(self.agenda.now(), || words::said(who, &said));
        match said {
            Said::Asks(asked) => self.judge.asked(asked),
            Said::Retries { .. } => self.counters.add(Seen::Retries),
            Said::Takes { attempt, operation, answer, receipt } => {
                self.count_taken(operation, answer.outcome);
                self.judge.took(attempt, &answer, receipt.as_ref())?;
            }
        }
        Ok(())
    }

    /// Everything is at rest: the last look.
    fn end(&mut self) -> Result<(), Violation> {
        let alive: Vec<_> = self
            .branches
            .iter()
            .filter_map(|branch| Some((branch.member, branch.replica()?)))
            .collect();
        self.judge.ended(&alive)
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
