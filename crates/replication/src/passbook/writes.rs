//! A write, from the customer's request to its place in the log.

use std::sync::Arc;

use super::answers::Awaiting;
use super::sessions::Admission;
use super::waiting::Wanted;
use super::{Mutant, Passbook, Step};
use crate::{Effect, Instant, Receipt, Request, Room, Ticket, Token};
use bank::Ack;
use bank::{Answer, Entry, Outcome, Rejection, RequestId, Seq, Write, WriteKind};

/// A write that is not in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) ticket: Ticket,
    /// Its name, if the customer gave it one.
    pub(super) request: Option<RequestId>,
    pub(super) write: Write,
    pub(super) ack: Ack,
    pub(super) deadline: Instant,
}

impl Passbook {
    /// Step 1: is it new, and can it be carried out at all?
    pub(super) fn submit_write(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        write: Write,
        request: Request,
    ) {
        let Request { attempt, mut token, ack, deadline, .. } = request;
        let name = attempt.map(|attempt| attempt.request);
        let pending = Pending { ticket, request: name, write, ack, deadline };
        if !self.is_ready() {
            // An earlier life may have carried it out: that cannot be ruled out here.
            step.reply_unknown(ticket);
            return;
        }
        if let Some(attempt) = attempt {
            let admission = self.sessions.admit(step.now, attempt, write, ticket);
            if !self.is_to_be_made(step, &pending, admission, &mut token) {
                return;
            }
        }
        if write.amount.is_negative() {
            self.reject(step, &pending, Rejection::BadRequest);
        } else if token.as_ref().is_some_and(|token| self.is_foreign(token)) {
            self.reject(step, &pending, Rejection::ForeignPassbook);
        } else {
            self.guard(step, token, Wanted::Write(pending));
        }
    }

    /// Exactly once: whether the request is to be carried out now. If not, it is seen to here, with its token.
    fn is_to_be_made(
        &mut self,
        step: &mut Step<'_>,
        pending: &Pending,
        admission: Admission,
        token: &mut Option<Token>,
    ) -> bool {
        let Pending { ticket, ack, deadline, .. } = *pending;
        match admission {
            Admission::New { abandoned } => {
                if let Some(older) = abandoned.and_then(|older| self.take_out(older)) {
                    step.reply_unknown(older.ticket);
                }
                return true;
            }
            _ if self.has(Mutant::ApplyRetryTwice) => return true,
            Admission::Waits { under } => {
                if let Some(waiting) = self.waiting_under(under) {
                    waiting.ticket = ticket;
                    waiting.deadline = deadline;
                    waiting.ack = ack;
                }
                step.reply_unknown(under);
            }
            Admission::Staged(seq) if self.has(Mutant::JournaledIsAcknowledged) => {
                let achieved = ack.needed(self.peers.len());
                self.reply(step, ticket, Outcome::Ok, Some((seq, achieved)));
            }
            // What is in the journal is not thereby acknowledged.
            Admission::Staged(seq) => {
                let awaiting = Awaiting { seq, ticket, deadline };
                self.guard(step, token.take(), Wanted::Acknowledgement(ack, awaiting));
            }
            Admission::Rejected(_) if self.has(Mutant::RejectionsNotRemembered) => return true,
            Admission::Rejected(rejection) => {
                self.reply(step, ticket, Outcome::Rejected(rejection), None);
            }
            Admission::Stale => {
                self.reply(step, ticket, Outcome::Rejected(Rejection::Stale), None);
            }
            // Without a place to remember a rejection in, it could not be definite.
            Admission::Overtaken | Admission::Full => step.reply_unknown(ticket),
        }
        false
    }

    /// Step 3: everything that the customer knows is visible.
    pub(super) fn make(&mut self, step: &mut Step<'_>, pending: Pending) {
        if self.is_refused(step, &pending) {
            return;
        }
        let Write { kind, amount } = pending.write;
        match kind {
            WriteKind::Deposit => {
                let own = &self.visible.rows()[self.me.index()];
                let staged = self.visible.total() - own.net() + self.own.net();
                if staged + i128::from(amount.minor_units()) > i128::from(i64::MAX) {
                    self.reject(step, &pending, Rejection::OutOfRange);
                } else {
                    self.write_down(step, &pending);
                }
            }
            WriteKind::Withdraw if self.covers(&pending) => self.write_down(step, &pending),
            WriteKind::Withdraw if self.is_crowded() => {
                self.reject(step, &pending, Rejection::Overloaded);
            }
            WriteKind::Withdraw => self.queue(step, pending),
        }
    }

    /// Nothing is staged after the deadline, without room, or while fewer branches are connected than
    /// shall acknowledge it. Whether the customer was told so.
    pub(super) fn is_refused(&mut self, step: &mut Step<'_>, pending: &Pending) -> bool {
        let connected = 1 + self.peers.iter().filter(|peer| peer.is_up()).count();
        if pending.deadline <= step.now && !self.has(Mutant::StageAfterDeadline) {
            self.lapse(step, pending);
        } else if self.has_no_room() {
            self.reject(step, pending, Rejection::Overloaded);
        } else if pending.ack.needed(self.peers.len()) > connected {
            self.reject(step, pending, Rejection::TooFewBranches);
        } else {
            return false;
        }
        true
    }

    /// Whether a withdrawal may be paid out of the rights that are here.
    pub(super) fn covers(&self, pending: &Pending) -> bool {
        let amount = i128::from(pending.write.amount.minor_units());
        if self.has(Mutant::PayOutOfBalance) {
            return amount <= self.visible.total();
        }
        amount <= self.rights
    }

    /// Step 4: into the journal. Publishing and answering follow when it is durable.
    pub(super) fn write_down(&mut self, step: &mut Step<'_>, pending: &Pending) {
        let Pending { ticket, request, write, ack, deadline } = *pending;
        let entry = match write.kind {
            WriteKind::Deposit => Entry::Deposit(write.amount),
            WriteKind::Withdraw => Entry::Withdraw(write.amount),
        };
        let seq = self.stage(step, entry, request, Some(ticket));
        self.accepted += 1;
        if let Some(request) = request {
            self.sessions.staged(request, seq);
        }
        self.answers.wait(ack, Awaiting { seq, ticket, deadline });
    }

    /// Step 5: answers those whose writes are held by enough branches.
    pub(super) fn answer_held(&mut self, step: &mut Step<'_>) {
        if self.answers.len() == 0 {
            return;
        }
        self.reach_levels();
        for ack in Ack::ALL.iter().copied() {
            while let Some(Awaiting { seq, ticket, .. }) = self.answers.pop(ack) {
                let achieved = if self.has(Mutant::CountConnected) {
                    1 + self.peers.iter().filter(|peer| peer.is_up()).count()
                } else {
                    self.holders.partition_point(|held| *held >= seq)
                };
                self.reply(step, ticket, Outcome::Ok, Some((seq, achieved)));
            }
        }
    }

    /// A timeout is unknown, never a rejection: the waiter is dropped, the write stays.
    pub(super) fn expire_answers(&mut self, step: &mut Step<'_>) {
        let mut expired = std::mem::take(&mut self.expired);
        self.answers.expire(step.now, |awaiting| expired.push(awaiting.ticket));
        self.tell_expired(step, expired);
    }

    /// Says that nothing is known any more, and keeps the room for the next time.
    pub(super) fn tell_expired(&mut self, step: &mut Step<'_>, mut expired: Vec<Ticket>) {
        for ticket in expired.drain(..) {
            step.reply_unknown(ticket);
        }
        self.expired = expired;
    }

    /// Definite: it is not done, and will not be.
    pub(super) fn reject(&mut self, step: &mut Step<'_>, pending: &Pending, rejection: Rejection) {
        if let Some(request) = pending.request {
            self.sessions.rejected(request, rejection);
        }
        self.reply(step, pending.ticket, Outcome::Rejected(rejection), None);
    }

    /// Given up before anything was staged; another attempt begins anew.
    pub(super) fn lapse(&mut self, step: &mut Step<'_>, pending: &Pending) {
        if let Some(request) = pending.request {
            self.sessions.lapsed(request);
        }
        step.reply_unknown(pending.ticket);
    }

    pub(super) fn has_no_room(&self) -> bool {
        self.journal.room == Room::Full
    }

    fn waiting_under(&mut self, ticket: Ticket) -> Option<&mut Pending> {
        let waiters = self.waiters.iter_mut().filter_map(|waiter| match &mut waiter.wanted {
            Wanted::Write(pending) => Some(pending),
            Wanted::Acknowledgement(..) | Wanted::Balance(_) => None,
        });
        let queued = self.withdrawals.values_mut().map(|queued| &mut queued.pending);
        waiters.chain(queued).find(|pending| pending.ticket == ticket)
    }

    /// Takes a write that waits out of wherever it waits.
    pub(super) fn take_out(&mut self, ticket: Ticket) -> Option<Pending> {
        let is_it = |wanted: &Wanted| matches!(wanted, Wanted::Write(p) if p.ticket == ticket);
        if let Some(place) = self.waiters.iter().position(|waiter| is_it(&waiter.wanted))
            && let Wanted::Write(pending) = self.waiters.swap_remove(place).wanted
        {
            return Some(pending);
        }
        let queued = self.withdrawals.iter().find(|(_, queued)| queued.pending.ticket == ticket);
        let priority = *queued?.0;
        self.withdrawals.remove(&priority).map(|queued| queued.pending)
    }

    /// Answers from what is visible. For a write, its place and how many branches hold it.
    pub(super) fn reply(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        outcome: Outcome,
        written: Option<(Seq, usize)>,
    ) {
        // What is visible during a recovery is not closed.
        let cluster = self.cluster.filter(|_| self.is_ready());
        let receipt = cluster.map(|cluster| Receipt {
            cluster,
            version: Arc::clone(self.visible.version()),
            at_most: None,
            seq: written.map(|(seq, _)| seq),
            achieved: written.map_or(0, |(_, held)| u32::try_from(held).unwrap_or(u32::MAX)),
        });
        let balance = receipt.as_ref().and_then(|_| self.shown_balance());
        let answer = Answer { outcome, balance };
        step.effects.push(Effect::Reply { ticket, answer, receipt });
    }
}
