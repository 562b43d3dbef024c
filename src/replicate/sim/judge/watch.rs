//! The judge: who is asked when.

use std::sync::Arc;

use super::accounted::{Acknowledged, Requests};
use super::disk::{Disk, Mark};
use super::endings::Tickets;
use super::sessions::Sessions;
use super::steps::{Claim, Claimed, Seen, View};
use super::timeline::Timeline;
use super::truth::Truth;
use super::{
    Asked, Deed, Property, Violation, acknowledged, amnesia, closed, durable, endings, rows,
    sessions, value,
};
use crate::bank::{
    Answer, Entry, Member, Money, Operation, Outcome, Rejection, RequestId, Row, Seq, Version,
};
use crate::replicate::passbook::{Hello, Message as Said, Passbook, Record, Stop, Storage};
use crate::replicate::{Attempt, Instant, Message, Read, Receipt, Ticket};

/// Knows what really happened.
///
/// It is told of everything in the order in which it happens: the effects of a step in their order, then
/// [`Judge::stepped`]. Every method that returns a violation has found the first; what it says after
/// that is not to be relied on.
#[derive(Debug)]
pub struct Judge {
    pub(super) storage: Storage,
    pub(super) truth: Truth,
    pub(super) disks: Vec<Disk>,
    /// What each branch showed last, in its present life.
    pub(super) seen: Vec<Option<Seen>>,
    /// How much of each log anybody has seen.
    pub(super) shown: Version,
    pub(super) timeline: Timeline,
    pub(super) requests: Requests,
    pub(super) sessions: Sessions,
    pub(super) tickets: Tickets,
    pub(super) claims: Vec<Claim>,
    pub(super) acknowledged: Vec<Acknowledged>,
}

impl Judge {
    /// Watches a new cluster. A cluster in memory of which all branches have ended is another one when
    /// they are started again.
    pub fn new(members: usize, opening: Money, storage: Storage) -> Self {
        let truth = Truth::new(members, opening);
        let all = (0..).map(Member).take(members);
        Self {
            storage,
            timeline: Timeline::new(members, truth.opening()),
            truth,
            disks: all.map(|member| Disk::new(member, members)).collect(),
            seen: (0..members).map(|_| None).collect(),
            shown: Version::zero(members),
            requests: Requests::default(),
            sessions: Sessions::new(members),
            tickets: Tickets::default(),
            claims: Vec::new(),
            acknowledged: Vec::new(),
        }
    }

    /// A branch has appended a record to its journal (or, in memory mode, to nothing: it is durable).
    pub fn recorded(
        &mut self,
        now: Instant,
        branch: Member,
        record: &Record,
    ) -> Result<(), Violation> {
        let mark = match record {
            Record::Founded { .. } | Record::Bound { .. } => Mark::Other,
            Record::Own { seq, entry, request, chain } => {
                amnesia::may_write(&self.truth, &self.disks[branch.index()], branch)?;
                self.requests.write(branch, *seq, entry, *request)?;
                if let Some(request) = *request {
                    let deadline = self.requests.get(request).and_then(|known| known.deadline);
                    endings::is_in_time(now, request, deadline)?;
                }
                let dependencies = self.disks[branch.index()].staged().clone();
                let entry: (&Entry, _) = (entry, *request);
                self.truth.append(branch, (*seq, *chain), entry, dependencies)?;
                Mark::Own
            }
            Record::Received { rows } => Mark::Rows(self.received(branch, rows)?),
        };
        let received = matches!(mark, Mark::Rows(_));
        let disk = &mut self.disks[branch.index()];
        disk.append(mark);
        if self.storage == Storage::Memory {
            disk.sync_all();
        }
        if received && !amnesia::has_forgotten(&self.truth, disk, branch) {
            let holds = Deed::of(branch, "has taken in rows and holds");
            closed::is_closed(&self.truth, holds, disk.staged())?;
        }
        Ok(())
    }

    fn received(&mut self, branch: Member, rows: &[Row]) -> Result<Vec<(Member, Seq)>, Violation> {
        let takes = Deed::of(branch, "takes in");
        for row in rows {
            Property::OneWriter.unless(row.origin != branch, || {
                format!("branch {} takes in {} entries of its own log", branch.0, row.seq.0)
            })?;
            self.row(takes, row)?;
        }
        Ok(rows.iter().map(|row| (row.origin, row.seq)).collect())
    }

    /// Somebody lets go of a row or takes it in.
    fn row(&mut self, deed: Deed, row: &Row) -> Result<(), Violation> {
        rows::is_true(&self.truth, deed, row)?;
        durable::may_be_seen(&self.truth, &self.disks, deed, (row.origin, row.seq))?;
        self.shown.raise(row.origin, row.seq);
        Ok(())
    }

    /// The first `upto` records of a branch's journal are on its disk now. Said before the branch knows.
    pub fn synced(&mut self, branch: Member, upto: u64) {
        self.disks[branch.index()].sync(count(upto));
    }

    /// A branch's process has ended. `surviving` records of its journal will be read at the next start; they
    /// include all that were synced. In memory mode the branch is gone for good: if it is started again
    /// and had written to its log, it must stop before it serves.
    pub fn crashed(&mut self, branch: Member, surviving: u64) -> Result<(), Violation> {
        self.end(branch, count(surviving))
    }

    /// An old copy is put in the place of a branch's journal, or nothing at all: the next start will read only
    /// `surviving` records, though more were synced. Said after [`Judge::crashed`]. If entries of its
    /// own are missing the branch must have stopped before the run ends, and must have no customers until
    /// then: it can recognize its loss only when it meets the others.
    pub fn forgot(&mut self, branch: Member, surviving: u64) {
        let disk = &mut self.disks[branch.index()];
        disk.cut(count(surviving));
        disk.lose();
    }

    /// A branch has stopped itself, by an effect of the step that it is in. It is not among the living from
    /// now on; [`Judge::crashed`] need not be said as well.
    pub fn stopped(&mut self, branch: Member, why: &Stop) -> Result<(), Violation> {
        amnesia::may_stop(&self.disks[branch.index()], branch, why)?;
        self.close(branch)
    }

    /// A branch has sent a message.
    pub fn sent(&mut self, from: Member, to: Member, message: &Message) -> Result<(), Violation> {
        let Message::Passbook(said) = message else {
            return Ok(());
        };
        match said {
            Said::Hello(hello) => self.greeted(from, to, hello),
            Said::Push { rows, .. } => {
                rows.iter().try_for_each(|row| self.row(Deed::of(from, "pushes"), row))
            }
            Said::Acknowledge { branch, durable, .. } => {
                let says = Deed::of(from, "acknowledges");
                acknowledged::is_true(&self.disks, says, *branch, durable)
            }
            Said::Collected { rows, .. } => {
                let shows = Deed::of(from, "lets its peers collect");
                let version = closed::whole(&self.truth, shows, rows)?;
                rows.iter().try_for_each(|row| self.row(shows, row))?;
                closed::is_closed(&self.truth, shows, &version)
            }
            Said::Borrow { .. } | Said::Decline { .. } | Said::Collect { .. } => Ok(()),
        }
    }

    fn greeted(&self, from: Member, to: Member, hello: &Hello) -> Result<(), Violation> {
        let says = Deed::of(from, "says hello with");
        acknowledged::is_true(&self.disks, says, from, &hello.durable)?;
        rows::is_true_chain(&self.truth, says, to, hello.your_log)
    }

    /// A branch has taken in an input and its effects were shown to the judge.
    pub fn stepped(&mut self, branch: Member, replica: &Passbook) -> Result<(), Violation> {
        self.look(branch, &View::of(replica))
    }

    /// A customer begins an operation.
    pub fn asked(&mut self, asked: Asked) {
        let history = self.sessions.history(asked.attempt.request.session).clone();
        self.requests.ask(asked, self.timeline.now(), history.read, history.written);
    }

    /// An attempt arrives at the branch under a ticket, to be answered until `deadline`. Its operation was
    /// asked before.
    pub fn submitted(&mut self, ticket: Ticket, attempt: Attempt, deadline: Instant) {
        if let Some(known) = self.requests.get_mut(attempt.request) {
            known.deadline = known.deadline.max(Some(deadline));
            self.tickets.open(known.asked.branch, ticket, attempt);
        }
    }

    /// The branch was told that the customer of a ticket has stopped waiting. It may be answered all the
    /// same, and need not be.
    pub fn abandoned(&mut self, branch: Member, ticket: Ticket) {
        self.tickets.abandon(branch, ticket);
    }

    /// The branch answers a ticket, whether or not the customer hears it.
    pub fn replied(
        &mut self,
        branch: Member,
        ticket: Ticket,
        answer: &Answer,
        receipt: Option<&Receipt>,
    ) -> Result<(), Violation> {
        let request = self.tickets.answer(branch, ticket)?.request;
        let Some(known) = self.requests.get(request) else {
            return Ok(());
        };
        let (operation, since) = (known.asked.operation, known.since);
        let (ack, read) = (known.asked.ack, known.asked.read);
        if let Some(receipt) = receipt {
            self.shows(branch, answer, &receipt.version)?;
        }
        match (answer.outcome, operation) {
            (Outcome::Ok, _) => {
                amnesia::may_serve(&self.truth, &self.disks[branch.index()], self.storage, branch)?;
                let Some(receipt) = receipt else {
                    let detail = format!("{request:?} is answered without what it was made from");
                    return Err(Property::Value.violated(detail));
                };
                if matches!(operation, Operation::Write(_)) {
                    let needed = ack.needed(self.truth.members());
                    self.acknowledge(branch, request, needed, receipt)?;
                } else if read == Read::Snapshot {
                    let what = Claimed::Snapshot(Arc::clone(&receipt.version));
                    self.claims.push(Claim { branch, request, since, what });
                }
            }
            (Outcome::Rejected(Rejection::InsufficientFunds), _) => {
                let what = Claimed::TooLittle(operation);
                self.claims.push(Claim { branch, request, since, what });
            }
            (Outcome::Rejected(_) | Outcome::Unknown, _) => {}
        }
        Ok(())
    }

    /// An answer shows a version.
    fn shows(
        &mut self,
        branch: Member,
        answer: &Answer,
        version: &Version,
    ) -> Result<(), Violation> {
        let answers = Deed::of(branch, "answers with");
        Property::Closed.unless(version.members() == self.truth.members(), || {
            format!("{answers} a version that speaks of {} branches", version.members())
        })?;
        for known in version.iter() {
            durable::may_be_seen(&self.truth, &self.disks, answers, known)?;
        }
        closed::is_closed(&self.truth, answers, version)?;
        value::is_true(&self.truth, answers, answer, version)?;
        self.shown.join(version);
        Ok(())
    }

    /// An answer says that a write is done.
    fn acknowledge(
        &mut self,
        branch: Member,
        request: RequestId,
        needed: usize,
        receipt: &Receipt,
    ) -> Result<(), Violation> {
        let Some(seq) = receipt.seq else {
            let detail = format!("{request:?}, a write, is answered without its place in the log");
            return Err(Property::Accounted.violated(detail));
        };
        let achieved = usize::try_from(receipt.achieved).unwrap_or(usize::MAX);
        let answer = Acknowledged { request, branch, seq, achieved };
        answer.is_logged(&self.truth)?;
        acknowledged::is_durable(&self.disks, &answer, needed)?;
        sessions::shows_itself(branch, seq, &receipt.version)?;
        self.acknowledged.push(answer);
        Ok(())
    }

    /// The customer takes an answer as final (an outcome of unknown after the last attempt included).
    pub fn took(
        &mut self,
        attempt: Attempt,
        answer: &Answer,
        receipt: Option<&Receipt>,
    ) -> Result<(), Violation> {
        let request = attempt.request;
        let Some(known) = self.requests.get_mut(request) else {
            let detail = format!("an answer is taken to {request:?}, which nobody asked");
            return Err(Property::Answered.violated(detail));
        };
        Property::Answered
            .unless(!known.taken, || format!("a second answer is taken to {request:?}"))?;
        known.taken = true;
        let branch = known.asked.branch;
        match answer.outcome {
            Outcome::Ok => self.guaranteed(request, receipt)?,
            Outcome::Rejected(_) => self.requests.refuse(request)?,
            Outcome::Unknown => {}
        }
        let history = self.sessions.history(request.session);
        if let Some(receipt) = receipt {
            history.read.join(&receipt.version);
            if let (Outcome::Ok, Some(seq)) = (answer.outcome, receipt.seq) {
                history.written.raise(branch, seq);
            }
        }
        Ok(())
    }

    /// A customer's answer keeps what was promised to them.
    fn guaranteed(&self, request: RequestId, receipt: Option<&Receipt>) -> Result<(), Violation> {
        let (Some(known), Some(receipt)) = (self.requests.get(request), receipt) else {
            let detail = format!("{request:?} is taken for done without what that was made from");
            return Err(Property::Value.violated(detail));
        };
        let branch = known.asked.branch;
        let logged = receipt.seq.and_then(|seq| Some((seq, self.truth.entry(branch, seq)?)));
        if let Some((seq, logged)) = logged {
            sessions::is_written_in_order(known, (branch, seq), &logged.dependencies)?;
        }
        sessions::is_no_less(known, &receipt.version)
    }

    /// Everything has healed and nothing moves any more. `alive` are the branches that serve; the others
    /// were stopped for good. A branch in memory that came back is among them unless it has stopped, or
    /// nobody is left who knew it before.
    pub fn ended(&mut self, alive: &[(Member, &Passbook)]) -> Result<(), Violation> {
        let alive: Vec<(Member, View<'_>)> =
            alive.iter().map(|(branch, replica)| (*branch, View::of(replica))).collect();
        self.finish(&alive)
    }
}

fn count(records: u64) -> usize {
    usize::try_from(records).unwrap_or(usize::MAX)
}
