//! What is done about the effects of a replica.

use super::super::agenda::{Answered, Arrival, Event};
use super::super::chance::Span;
use super::super::counters::Counter;
use super::super::customers::Response;
use super::super::network::Delivery;
use super::super::observer::{Observer, Violation};
use super::super::plan::Moment;
use super::super::transcript::words::{self, branch as name};
use super::World;
use super::branch::Restart;
use super::processes::Crash;
use bank::{Answer, Entry, Member, Operation, OperationKind, Outcome, Read, Rejection};
use check::Property;
use replication::passbook::{Effect, Message, Record, Storage};
use replication::{Instant, Receipt, Ticket};

impl World<'_> {
    pub(super) fn perform(&mut self, branch: Member, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::Persist { record, .. } => self.persist(branch, record)?,
            Effect::Send { to, message } => {
                if let Some(to) = self.named(to) {
                    self.send(branch, to, message)?;
                }
            }
            Effect::Reply { ticket, answer, receipt } => {
                self.reply(branch, ticket, answer, receipt)?;
            }
            Effect::WakeAt(instant) => self.wake_at(branch, instant),
            Effect::Note(_) => {}
            Effect::Refuse { peer, why } => return Err(Observer::refused(branch, peer, &why)),
            Effect::Stop(why) => {
                self.note(|| format!("{} has to stop: {why}", name(branch)));
                self.branches[branch.index()].restart = Restart::Never;
                self.counters.add(Counter::AmnesiaStops);
                self.crash(branch, Crash::Stopped(why))?;
            }
        }
        Ok(())
    }

    fn persist(&mut self, branch: Member, record: Record) -> Result<(), Violation> {
        let now = self.agenda.now();
        let journal = self.plan.storage == Storage::Journal;
        if journal && !self.branches[branch.index()].disk.has_space() {
            self.counters.add(Counter::NoSpace);
            return self.crash(branch, Crash::NoSpace);
        }
        self.note(|| words::recorded(branch, &record));
        if let Record::Own { seq, entry: Entry::Grant { to, .. }, .. } = record {
            self.counters.add(Counter::Grants);
            self.grants.insert((branch, to), seq);
        }
        self.observer.recorded(now, branch, &record)?;
        let moment = match record {
            Record::Own { entry: Entry::Grant { .. }, .. } => Moment::Granted,
            Record::Own { .. } => Moment::Staged,
            Record::Received { .. } => Moment::Received,
            Record::Founded { .. } | Record::Bound { .. } => Moment::Now,
        };
        if journal {
            self.branches[branch.index()].disk.append(record);
        }
        self.has_done(branch, moment)
    }

    fn send(&mut self, from: Member, to: Member, message: Message) -> Result<(), Violation> {
        self.observer.sent(from, to, &message)?;
        let moment = self.count_sent(&message);
        let text = self.lines.is_some().then(|| words::sent(from, to, &message));
        let fate = match self.network.send(from, to, message, &mut self.agenda) {
            Delivery::Once => "",
            Delivery::Twice => {
                self.counters.add(Counter::MessagesTwice);
                "; it will arrive twice"
            }
            Delivery::Lost => {
                self.counters.add(Counter::MessagesLost);
                "; it is lost"
            }
        };
        if let Some(text) = text {
            self.note(|| format!("{text}{fate}"));
        }
        self.has_done(from, moment)
    }

    fn count_sent(&mut self, message: &Message) -> Moment {
        let (counter, moment) = match message {
            Message::Push { .. } => (Counter::Pushes, Moment::Pushed),
            Message::Borrow { .. } => (Counter::Borrows, Moment::Asked),
            Message::Collect { .. } => (Counter::Collects, Moment::Now),
            Message::Proved { .. } => (Counter::Proofs, Moment::Now),
            Message::Held { .. } => (Counter::HoldersTold, Moment::Now),
            Message::Acknowledge { .. } => return Moment::Acknowledged,
            Message::Hello(_)
            | Message::Prove { .. }
            | Message::Unproved { .. }
            | Message::Decline { .. }
            | Message::Collected { .. } => return Moment::Now,
        };
        self.counters.add(counter);
        moment
    }

    fn reply(
        &mut self,
        branch: Member,
        ticket: Ticket,
        answer: Answer,
        receipt: Option<Receipt>,
    ) -> Result<(), Violation> {
        self.observer.replied(branch, ticket, &answer, receipt.as_ref())?;
        let here = &mut self.branches[branch.index()];
        let incarnation = here.incarnation;
        let Some(open) = here.process().and_then(|process| process.open.remove(&ticket)) else {
            let detail = format!("{} answered request {} once too often", name(branch), ticket.0);
            return Err(Violation { property: Property::Answered, detail });
        };
        let response = Response { attempt: open.attempt, answer, receipt };
        let customer = open.customer;
        self.note(|| words::replied(branch, customer, &response));
        if answer.outcome == Outcome::Ok && open.read == Some(Read::Snapshot) {
            self.counters.add(Counter::Snapshots);
        }
        if let Some(delay) = self.customers.answer_delay(customer) {
            let answered = Answered { customer, branch, incarnation, response };
            self.agenda.after(delay, Event::Answered(Box::new(answered)));
        }
        self.has_done(branch, Moment::Answered)
    }

    fn wake_at(&mut self, branch: Member, instant: Instant) {
        let here = &mut self.branches[branch.index()];
        let late = Span::micros(0, 1_000).draw(&mut here.random);
        let incarnation = Some(here.incarnation);
        let new = here.process().is_some_and(|process| process.timers.insert(instant));
        if new {
            let at = instant.max(self.agenda.now()).after(late);
            self.agenda.at(at, Event::Arrives { to: branch, incarnation, what: Arrival::Tick });
        }
    }

    /// Counts an answer that a customer takes.
    pub(super) fn count_taken(&mut self, operation: Operation, outcome: Outcome) {
        if operation.kind() == OperationKind::Withdraw {
            let is_contended = outcome == Outcome::Rejected(Rejection::Contended);
            self.counters.add(Counter::Withdrawals);
            self.counters.add_many(Counter::ContendedWithdrawals, u64::from(is_contended));
        }
        let seen = match outcome {
            Outcome::Ok => Counter::Done,
            Outcome::Unknown => Counter::UnknownOutcomes,
            Outcome::Rejected(Rejection::InsufficientFunds) => Counter::Refusals,
            Outcome::Rejected(Rejection::Contended) => Counter::Contended,
            Outcome::Rejected(Rejection::RightsUnavailable) => Counter::RightsUnavailable,
            Outcome::Rejected(Rejection::TooFewBranches) => Counter::TooFewBranches,
            Outcome::Rejected(_) => return,
        };
        self.counters.add(seen);
    }
}
