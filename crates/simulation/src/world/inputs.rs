//! What comes to a process, and when the process looks at it.

use std::hash::Hash as _;

use super::super::agenda::{Arrival, Event};
use super::super::counters::Counter;
use super::super::customers::{CustomerRequest, Sending};
use super::super::disk::Sync;
use super::super::observer::{View, Violation};
use super::super::plan::Moment;
use super::super::transcript::words;
use super::branch::OpenRequest;
use super::processes::Crash;
use super::{Instant, World};
use bank::{Member, Operation};
use replication::passbook::{Input, Room, Storage};
use replication::{Attempt, Replication as _, Request};

impl World<'_> {
    /// Something comes to a process, if it lives: it waits there if the process is busy or stands still.
    pub(super) fn comes(&mut self, to: Member, what: Arrival) -> Result<(), Violation> {
        let network = self.plan.network;
        let branch = &mut self.branches[to.index()];
        let incarnation = branch.incarnation;
        let busy = network.busy.happens(&mut branch.random);
        let wait = network.busy_for.draw(&mut branch.random);
        let Some(process) = branch.process() else {
            return Ok(());
        };
        if process.paused || process.busy {
            process.inbox.push_back(what);
            return Ok(());
        }
        if busy {
            process.busy = true;
            process.inbox.push_back(what);
            self.agenda.after(wait, Event::Ready { branch: to, incarnation });
            return Ok(());
        }
        self.take_in(to, what)?;
        self.settle(to)
    }

    /// A busy process has come to what waited for it.
    pub(super) fn ready(&mut self, to: Member, incarnation: u32) -> Result<(), Violation> {
        let branch = &mut self.branches[to.index()];
        if branch.incarnation != incarnation {
            return Ok(());
        }
        if let Some(process) = branch.process() {
            process.busy = false;
        }
        self.take_in_all(to)
    }

    /// A process goes on where it stood still.
    pub(super) fn resume(&mut self, to: Member) -> Result<(), Violation> {
        if let Some(process) = self.branches[to.index()].process() {
            process.paused = false;
        }
        self.take_in_all(to)
    }

    /// Everything that waited comes at one instant, and only then does the replica settle.
    fn take_in_all(&mut self, to: Member) -> Result<(), Violation> {
        let incarnation = self.branches[to.index()].incarnation;
        let inbox = match self.branches[to.index()].process() {
            Some(process) if !process.paused && !process.busy => std::mem::take(&mut process.inbox),
            _ => return Ok(()),
        };
        for what in inbox {
            if self.branches[to.index()].incarnation != incarnation {
                return Ok(());
            }
            self.take_in(to, what)?;
        }
        self.settle(to)
    }

    fn take_in(&mut self, to: Member, what: Arrival) -> Result<(), Violation> {
        match what {
            Arrival::Up { peer, epoch } => {
                let inputs = self.network.up(to, peer, epoch);
                inputs.into_iter().try_for_each(|input| self.step(to, input))
            }
            Arrival::Down { peer, epoch } => {
                let input = self.network.down(to, peer, epoch, &mut self.agenda);
                input.map_or(Ok(()), |input| self.step(to, input))
            }
            Arrival::Message { from, epoch, message } => {
                let input = self.network.message(to, from, epoch, message, &mut self.agenda);
                input.map_or(Ok(()), |input| self.step(to, input))
            }
            Arrival::Request(sending) => self.submit(to, *sending),
            Arrival::Persisted { upto } => self.step(to, Input::Persisted { upto }),
            Arrival::Room(room) => self.step(to, Input::Room(room)),
            Arrival::GivenUp(ticket) => {
                let process = self.branches[to.index()].process();
                if !process.is_some_and(|process| process.open.contains_key(&ticket)) {
                    return Ok(());
                }
                self.counters.add(Counter::GivenUp);
                self.observer.abandoned(to, ticket);
                self.step(to, Input::Abandon { ticket })
            }
            Arrival::Tick => {
                let now = self.agenda.now();
                if let Some(process) = self.branches[to.index()].process() {
                    process.timers.retain(|at| *at > now);
                }
                self.step(to, Input::Tick)
            }
        }
    }

    /// The branch's driver takes a request: what the customer gives it counts from now.
    fn submit(&mut self, to: Member, sending: Sending) -> Result<(), Violation> {
        let journal = self.plan.storage == Storage::Journal;
        if self.branches[to.index()].forgot && journal {
            return Ok(());
        }
        if sending.copy {
            self.counters.add(Counter::DuplicateRequests);
        }
        let ticket = self.next_ticket();
        let Sending { customer, request: CustomerRequest { attempt, step, token }, .. } = sending;
        let deadline = self.agenda.now().after(step.timeout);
        let read = matches!(step.operation, Operation::Query).then_some(step.read);
        if let Some(process) = self.branches[to.index()].process() {
            process.open.insert(ticket, OpenRequest { customer, attempt, read });
        }
        self.observer.submitted(ticket, attempt, deadline);
        let request = Request {
            attempt: Some(attempt),
            operation: step.operation,
            token,
            ack: step.ack,
            read: step.read,
            deadline,
        };
        self.step(to, Input::Submit { ticket, request })
    }

    /// A customer has stopped waiting for an attempt, and hangs up: the branches that have it hear of it.
    pub(super) fn given_up(&mut self, who: usize, attempt: Attempt) {
        for branch in &mut self.branches {
            let (member, incarnation) = (branch.member, Some(branch.incarnation));
            let Some(process) = branch.process() else {
                continue;
            };
            let of_it = |open: &OpenRequest| open.customer == who && open.attempt == attempt;
            let tickets = process.open.iter().filter(|(_, open)| of_it(open));
            for (ticket, _) in tickets {
                if let Some(delay) = self.customers.hang_up_delay(who) {
                    let what = Arrival::GivenUp(*ticket);
                    self.agenda.after(delay, Event::Arrives { to: member, incarnation, what });
                }
            }
        }
    }

    /// A replica takes in an input, and what it wants done is done.
    fn step(&mut self, to: Member, input: Input) -> Result<(), Violation> {
        self.hash_time(to);
        input.hash(&mut self.hasher);
        if !self.branches[to.index()].is_running() {
            return Ok(());
        }
        self.steps += 1;
        self.note(|| words::input(to, &input));
        let now = self.agenda.now();
        if let Some(process) = self.branches[to.index()].process() {
            process.replica.on(now, input, &mut self.effects);
        }
        self.perform_all(to)
    }

    /// Lets a replica do what it has put off.
    pub(super) fn settle(&mut self, to: Member) -> Result<(), Violation> {
        let now = self.agenda.now();
        let Some(process) = self.branches[to.index()].process() else {
            return Ok(());
        };
        process.replica.settle(now, &mut self.effects);
        self.perform_all(to)
    }

    /// Does what a replica wants done, and shows it to the observer afterwards.
    pub(super) fn perform_all(&mut self, branch: Member) -> Result<(), Violation> {
        let incarnation = self.branches[branch.index()].incarnation;
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            effect.hash(&mut self.hasher);
            self.perform(branch, effect)?;
            if self.branches[branch.index()].incarnation != incarnation {
                // It has ended, and what it wanted then is not done.
                break;
            }
        }
        effects.clear();
        self.effects = effects;
        self.sync(branch, false);
        match self.branches[branch.index()].replica() {
            Some(replica) => self.observer.look(branch, &View::of(replica)),
            None => Ok(()),
        }
    }

    /// Begins to sync what is not on disk, if a process is there to ask for it.
    pub(super) fn sync(&mut self, member: Member, just_read: bool) {
        let plan = self.plan.disk;
        let branch = &mut self.branches[member.index()];
        if self.plan.storage == Storage::Memory || !branch.is_running() {
            return;
        }
        if branch.disk.begin_sync(just_read) {
            let mut takes = plan.sync.draw(&mut branch.random);
            if plan.slow.happens(&mut branch.random) {
                takes += plan.slow_by.draw(&mut branch.random);
            }
            self.agenda
                .after(takes, Event::Synced { branch: member, incarnation: branch.incarnation });
        }
        if let Some(room) = branch.disk.news_of_room() {
            let (what, incarnation) = (Arrival::Room(room), Some(branch.incarnation));
            self.agenda.at(Instant::default(), Event::Arrives { to: member, incarnation, what });
            self.counters.add_many(Counter::FullDisks, u64::from(room == Room::Full));
        }
    }

    /// A sync has ended, or failed.
    pub(super) fn synced(&mut self, member: Member, incarnation: u32) -> Result<(), Violation> {
        let branch = &mut self.branches[member.index()];
        if branch.incarnation != incarnation {
            return Ok(());
        }
        match branch.disk.end_sync() {
            Some(Sync::Upto(upto)) => {
                self.observer.synced(member, upto);
                self.has_done(member, Moment::Synced)?;
                let upto = u64::try_from(upto).unwrap_or(u64::MAX);
                let what = Arrival::Persisted { upto };
                self.agenda.at(
                    Instant::default(),
                    Event::Arrives { to: member, incarnation: Some(incarnation), what },
                );
                // What was written meanwhile need not wait for the process.
                self.sync(member, false);
                Ok(())
            }
            Some(Sync::Failed(keep)) => {
                self.counters.add(Counter::FailedSyncs);
                self.crash(member, Crash::SyncFailed { keep })
            }
            None => Ok(()),
        }
    }
}
