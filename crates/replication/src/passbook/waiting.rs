//! Tokens: a customer is shown, and writes upon, no less than what they know.
//!
//! The token guards writes too: without that, monotonic writes and writes that follow reads are lost.

use super::answers::Awaiting;
use super::writes::Pending;
use super::{Mutant, Passbook, Step};
use crate::{Instant, Ticket, Token};
use bank::{Ack, Read};
use bank::{Member, Outcome, Rejection, Seq, Version};

/// What a customer is waiting for, once enough is visible.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// To have a write made.
    Write(Pending),
    /// To hear that a write which is in the log is held by enough branches.
    Acknowledgement(Ack, Awaiting),
    /// To be told the balance.
    Balance(Question),
}

/// A query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) ticket: Ticket,
    pub(super) read: Read,
    pub(super) deadline: Instant,
}

impl Wanted {
    pub(super) const fn ticket(&self) -> Ticket {
        match self {
            Self::Write(pending) => pending.ticket,
            Self::Acknowledgement(_, awaiting) => awaiting.ticket,
            Self::Balance(question) => question.ticket,
        }
    }

    const fn deadline(&self) -> Instant {
        match self {
            Self::Write(pending) => pending.deadline,
            Self::Acknowledgement(_, awaiting) => awaiting.deadline,
            Self::Balance(question) => question.deadline,
        }
    }
}

/// A customer who knows more than is visible here.
#[derive(Debug)]
pub(super) struct Waiter {
    token: Version,
    /// The first thing that is missing: nothing else needs to be looked at before it is there.
    missing: (Member, Seq),
    pub(super) wanted: Wanted,
}

impl Passbook {
    /// Whether a token is one that this cluster can have given: an error at once, never a wait.
    pub(super) fn is_foreign(&self, token: &Token) -> bool {
        Some(token.cluster) != self.cluster
            || token.version.members() != self.peers.len()
            || token.version.of(self.me) > self.visible.version().of(self.me)
    }

    /// Goes on with what is wanted as soon as everything that the customer knows is visible.
    pub(super) fn guard(&mut self, step: &mut Step<'_>, token: Option<Token>, wanted: Wanted) {
        let ignored = match wanted {
            Wanted::Write(_) | Wanted::Acknowledgement(..) => Mutant::IgnoreTokenOnWrites,
            Wanted::Balance(_) => Mutant::IgnoreTokenOnReads,
        };
        let token = token.filter(|_| !self.has(ignored));
        let visible = self.visible.version();
        let waits = token.and_then(|Token { version, .. }| {
            let member = visible.first_missing(&version)?;
            Some((version.of(member), member, version))
        });
        match waits {
            None => self.proceed(step, wanted),
            Some(_) if self.is_crowded() => self.turn_away(step, &wanted, Rejection::Overloaded),
            Some((seq, member, token)) => {
                self.waiters.push(Waiter { token, missing: (member, seq), wanted });
            }
        }
    }

    fn proceed(&mut self, step: &mut Step<'_>, wanted: Wanted) {
        match wanted {
            Wanted::Write(pending) => self.make(step, pending),
            Wanted::Acknowledgement(ack, awaiting) => self.answers.wait(ack, awaiting),
            Wanted::Balance(question) => self.tell(step, question),
        }
    }

    /// Goes on with those that no longer miss anything.
    pub(super) fn release_waiters(&mut self, step: &mut Step<'_>) {
        let mut place = 0;
        while let Some(waiter) = self.waiters.get_mut(place) {
            let visible = self.visible.version();
            let (member, seq) = waiter.missing;
            let still = if visible.of(member) < seq {
                true
            } else if let Some(next) = visible.first_missing(&waiter.token) {
                waiter.missing = (next, waiter.token.of(next));
                true
            } else {
                false
            };
            if still {
                place += 1;
            } else {
                let wanted = self.waiters.swap_remove(place).wanted;
                self.proceed(step, wanted);
            }
        }
    }

    /// Whether as many customers wait as may.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiters.len() + self.withdrawals.len() + self.snapshots.len()
            >= self.settings.limits.waiting
    }

    fn turn_away(&mut self, step: &mut Step<'_>, wanted: &Wanted, rejection: Rejection) {
        match wanted {
            Wanted::Write(pending) => self.reject(step, pending, rejection),
            // It may be held by enough branches: what is not known cannot be rejected.
            Wanted::Acknowledgement(..) => step.reply_unknown(wanted.ticket()),
            Wanted::Balance(_) => {
                self.reply(step, wanted.ticket(), Outcome::Rejected(rejection), None);
            }
        }
    }

    /// Gives up on waiters whose time has come.
    pub(super) fn expire_waiters(&mut self, step: &mut Step<'_>) {
        let mut place = 0;
        while let Some(waiter) = self.waiters.get(place) {
            if waiter.wanted.deadline() > step.now {
                place += 1;
                continue;
            }
            match self.waiters.swap_remove(place).wanted {
                Wanted::Write(pending) => self.lapse(step, &pending),
                wanted => step.reply_unknown(wanted.ticket()),
            }
        }
    }
}
