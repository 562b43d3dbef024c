//! A query: from what is visible, or from a snapshot of all branches.

use super::collect::Collect;
use super::waiting::{Question, Wanted};
use super::{Mutant, Passbook, Step};
use crate::{Instant, Request, Ticket};
use bank::Read;
use bank::{Money, Outcome, Rejection};

/// A query that wants what was true everywhere at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    pub(super) ticket: Ticket,
    pub(super) deadline: Instant,
    /// How many collects came to nothing.
    pub(super) rounds: u32,
    /// Rests until then.
    pub(super) not_before: Instant,
}

impl Passbook {
    pub(super) fn submit_query(&mut self, step: &mut Step<'_>, ticket: Ticket, request: Request) {
        let Request { token, read, deadline, .. } = request;
        if !self.is_ready() {
            self.reply(step, ticket, Outcome::Rejected(Rejection::NotReady), None);
        } else if token.as_ref().is_some_and(|token| self.is_foreign(token)) {
            self.reply(step, ticket, Outcome::Rejected(Rejection::ForeignPassbook), None);
        } else if read == Read::Local {
            self.reply(step, ticket, Outcome::Ok, None);
        } else {
            self.guard(step, token, Wanted::Balance(Question { ticket, read, deadline }));
        }
    }

    /// Everything that the customer knows is visible.
    pub(super) fn tell(&mut self, step: &mut Step<'_>, question: Question) {
        let Question { ticket, read, deadline } = question;
        match read {
            Read::Session | Read::Local => self.reply(step, ticket, Outcome::Ok, None),
            Read::Snapshot if self.is_crowded() => {
                self.reply(step, ticket, Outcome::Rejected(Rejection::Overloaded), None);
            }
            Read::Snapshot => {
                let snapshot = Snapshot { ticket, deadline, rounds: 0, not_before: step.now };
                self.snapshots.push(snapshot);
                self.start_collect(step);
            }
        }
    }

    /// The visible balance as customers are told it; nothing beyond 64 bits.
    pub(super) fn shown_balance(&self) -> Option<Money> {
        if self.has(Mutant::SwappedSign) {
            let withdrawn: i128 = self.visible.rows().iter().map(|r| r.withdrawn.signed()).sum();
            return i64::try_from(self.visible.total() + 2 * withdrawn).ok().map(Money::new);
        }
        self.visible.balance()
    }

    pub(super) fn expire_snapshots(&mut self, step: &mut Step<'_>) {
        let mut expired = std::mem::take(&mut self.expired);
        let collecting = self.collect.as_mut().map(Collect::snapshots);
        for snapshots in collecting.into_iter().chain([&mut self.snapshots]) {
            snapshots.retain(|snapshot| {
                let keeps = snapshot.deadline > step.now;
                if !keeps {
                    expired.push(snapshot.ticket);
                }
                keeps
            });
        }
        self.tell_expired(step, expired);
    }
}
