//! What is done about the effects of a replica.

use super::super::agenda::{Answered, Coming, Event};
use super::super::chance::Span;
use super::super::counters::Seen;
use super::super::judge::{Property, Violation};
use super::super::plan::Moment;
use super::super::words;
use super::World;
use super::branch::Next;
use super::lives::Crash;
use bank::Read;
use bank::{Answer, Entry, Member, Operation, Outcome, Rejection, Seq, Write, WriteKind};
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
            Effect::Refuse { peer, why } => self.judge.refused(branch, peer, &why),
            Effect::Stop(why) => {
                self.teller.tell(self.agenda.now(), || words::stopped(branch, &why));
                self.branches[branch.index()].next = Next::Nothing;
                self.counters.add(Seen::AmnesiaStops);
                self.crash(branch, Crash::Stopped(why))
            }
        }
    }

    fn persist(&mut self, branch: Member, record: Record) -> Result<(), Violation> {
        let now = self.agenda.now();
        let journal = self.plan.storage == Storage::Journal;
        if journal && self.branches[branch.index()].disk.fits().is_err() {
            self.counters.add(Seen::NoSpace);
            return self.crash(branch, Crash::NoSpace);
        }
        self.teller.tell(now, || words::recorded(branch, &record));
        if let Record::Own { seq, entry: Entry::Grant { to, .. }, .. } = record {
            self.counters.add(Seen::Grants);
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
        let told = self.teller.is_telling().then(|| words::sent(from, to, &message));
        let sent = self.network.send(from, to, message, &mut self.agenda);
        self.counters.add_many(Seen::MessagesLost, u64::from(sent.lost));
        self.counters.add_many(Seen::MessagesTwice, u64::from(sent.twice));
        if let Some(told) = told {
            let fate = match (sent.lost, sent.twice) {
                (true, _) => "; it is lost",
                (_, true) => "; it will arrive twice",
                _ => "",
            };
            self.teller.tell(self.agenda.now(), || format!("{told}{fate}"));
        }
        self.has_done(from, moment)
    }

    fn count_sent(&mut self, said: &Message) -> Moment {
        match said {
            Message::Push { .. } => {
                self.counters.add(Seen::Pushes);
                Moment::Pushed
            }
            Message::Borrow { .. } => {
                self.counters.add(Seen::Borrows);
                Moment::Asked
            }
            Message::Acknowledge { .. } => Moment::Acknowledged,
            Message::Collect { .. } => {
                self.counters.add(Seen::Collects);
                Moment::Now
            }
            Message::Proved { .. } => {
                self.counters.add(Seen::Proofs);
                Moment::Now
            }
            Message::Held { .. } => {
                self.counters.add(Seen::HoldersTold);
                Moment::Now
            }
            Message::Hello(_)
            | Message::Prove { .. }
            | Message::Unproved { .. }
            | Message::Decline { .. }
            | Message::Collected { .. } => Moment::Now,
        }
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
        let life = here.life;
        let Some(open) = here.process().and_then(|process| process.open.remove(&ticket)) else {
            let detail =
                format!("{} answered request {} once too often", words::branch(branch), ticket.0);
            return Err(Violation { property: Property::Answered, detail });
        };
        self.teller.tell(self.agenda.now(), || {
            words::replied(branch, open.customer, open.attempt, &answer, receipt.as_ref())
        });
        if answer.outcome == Outcome::Ok && open.read == Some(Read::Snapshot) {
            self.counters.add(Seen::Snapshots);
        }
        if let Some(delay) = self.customers.answer_delay(open.customer) {
            let answered = Answered {
                customer: open.customer,
                branch,
                life,
                attempt: open.attempt,
                answer,
                receipt,
            };
            self.agenda.after(delay, Event::Answered(Box::new(answered)));
        }
        self.has_done(branch, Moment::Answered)
    }

    fn wake_at(&mut self, branch: Member, instant: Instant) {
        let here = &mut self.branches[branch.index()];
        let late = Span::micros(0, 1_000).draw(&mut here.random);
        let life = Some(here.life);
        let new = here.process().is_some_and(|process| process.timers.insert(instant));
        if new {
            let at = instant.max(self.agenda.now()).after(late);
            self.agenda.at(at, Event::Comes { to: branch, life, what: Coming::Tick });
        }
    }

    /// Counts an answer that a customer takes.
    pub(super) fn count_taken(&mut self, operation: Operation, outcome: Outcome) {
        let contended = Outcome::Rejected(Rejection::Contended);
        if matches!(operation, Operation::Write(Write { kind: WriteKind::Withdraw, .. })) {
            self.counters.add(Seen::Withdrawals);
            self.counters.add_many(Seen::ContendedWithdrawals, u64::from(outcome == contended));
        }
        let seen = match outcome {
            Outcome::Ok => Seen::Done,
            Outcome::Unknown => Seen::UnknownOutcomes,
            Outcome::Rejected(Rejection::InsufficientFunds) => Seen::Refusals,
            Outcome::Rejected(Rejection::Contended) => Seen::Contended,
            Outcome::Rejected(Rejection::RightsUnavailable) => Seen::RightsUnavailable,
            Outcome::Rejected(Rejection::TooFewBranches) => Seen::TooFewBranches,
            Outcome::Rejected(_) => return,
        };
        self.counters.add(seen);
    }
}
