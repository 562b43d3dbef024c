//! What is done about the effects of a replica.

use super::super::agenda::{Answered, Arrival, Event};
use super::super::chance::Span;
use super::super::counters::Counter;
use super::super::customers::Response;
use super::super::judge::Violation;
use super::super::plan::Moment;
use super::super::transcript::words;
use super::World;
use super::branch::Restart;
use super::processes::Crash;
use bank::Read;
use bank::{Answer, Entry, Member, Operation, Outcome, Rejection, Seq, Write, WriteKind};
use check::Property;
use replication::passbook::{Effect, Message, Passbook, Record, Storage};
use replication::{Instant, Receipt, Ticket};

/// The last grant of each branch to each other.
pub(super) struct GrantsInFlight {
    branches: usize,
    last: Vec<Seq>,
}

impl GrantsInFlight {
    pub(super) fn new(branches: u16) -> Self {
        let branches = usize::from(branches);
        Self { branches, last: vec![Seq::ZERO; branches * branches] }
    }

    fn granted(&mut self, donor: Member, asker: Member, seq: Seq) {
        self.last[donor.index() * self.branches + asker.index()] = seq;
    }

    /// Whether `asker`, which sees `sees`, does not see yet what `donor` granted it.
    pub(super) fn is_between(&self, donor: Member, asker: Member, sees: &Passbook) -> bool {
        let last = self.last[donor.index() * self.branches + asker.index()];
        sees.visible().row(donor).is_some_and(|row| row.seq < last)
    }

    /// What a branch granted may be lost with it.
    pub(super) fn forget(&mut self, donor: Member) {
        let from = donor.index() * self.branches;
        self.last[from..from + self.branches].fill(Seq::ZERO);
    }
}

impl World<'_> {
    pub(super) fn perform(&mut self, branch: Member, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::Persist { record, .. } => self.persist(branch, record),
            Effect::Send { to, message } => match self.named(to) {
                Some(to) => self.send(branch, to, message),
                None => Ok(()),
            },
            Effect::Reply { ticket, answer, receipt } => {
                self.reply(branch, ticket, answer, receipt)
            }
            Effect::WakeAt(instant) => {
                self.wake_at(branch, instant);
                Ok(())
            }
            Effect::Note(_) => Ok(()),
            Effect::Refuse { peer, why } => Err(self.judge.refused(branch, peer, &why)),
            Effect::Stop(why) => {
                self.note(|| format!("{} has to stop: {why}", words::branch(branch)));
                self.branches[branch.index()].restart = Restart::Never;
                self.counters.add(Counter::AmnesiaStops);
                self.crash(branch, Crash::Stopped(why))
            }
        }
    }

    fn persist(&mut self, branch: Member, record: Record) -> Result<(), Violation> {
        let now = self.agenda.now();
        let journal = self.plan.storage == Storage::Journal;
        if journal && self.branches[branch.index()].disk.fits().is_err() {
            self.counters.add(Counter::NoSpace);
            return self.crash(branch, Crash::NoSpace);
        }
        self.note(|| words::recorded(branch, &record));
        if let Record::Own { seq, entry: Entry::Grant { to, .. }, .. } = record {
            self.counters.add(Counter::Grants);
            self.grants.granted(branch, to, seq);
        }
        self.judge.recorded(now, branch, &record)?;
        let moment = match record {
            Record::Own { entry: Entry::Grant { .. }, .. } => Moment::Granted,
            Record::Own { .. } => Moment::Staged,
            Record::Received { .. } => Moment::Received,
            Record::Founded { .. } | Record::Bound { .. } => Moment::Now,
        };
        if journal {
            // It was asked for above whether it fits.
            let _ = self.branches[branch.index()].disk.append(record);
        }
        self.has_done(branch, moment)
    }

    fn send(&mut self, from: Member, to: Member, message: Message) -> Result<(), Violation> {
        self.judge.sent(from, to, &message)?;
        let moment = self.count_sent(&message);
        let told = self.lines.are_kept().then(|| words::sent(from, to, &message));
        let sent = self.network.send(from, to, message, &mut self.agenda);
        self.counters.add_many(Counter::MessagesLost, u64::from(sent.lost));
        self.counters.add_many(Counter::MessagesTwice, u64::from(sent.twice));
        if let Some(told) = told {
            let fate = match (sent.lost, sent.twice) {
                (true, _) => "; it is lost",
                (_, true) => "; it will arrive twice",
                _ => "",
            };
            self.note(|| format!("{told}{fate}"));
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
        self.judge.replied(branch, ticket, &answer, receipt.as_ref())?;
        let here = &mut self.branches[branch.index()];
        let incarnation = here.incarnation;
        let Some(open) = here.process().and_then(|process| process.open.remove(&ticket)) else {
            let detail =
                format!("{} answered request {} once too often", words::branch(branch), ticket.0);
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
        let contended = Outcome::Rejected(Rejection::Contended);
        if matches!(operation, Operation::Write(Write { kind: WriteKind::Withdraw, .. })) {
            self.counters.add(Counter::Withdrawals);
            self.counters.add_many(Counter::ContendedWithdrawals, u64::from(outcome == contended));
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
