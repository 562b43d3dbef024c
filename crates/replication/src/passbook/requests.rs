//! Requests that have not been executed.

use super::{Context, Mutant};
use crate::{Attempt, Instant, Request, Ticket};
use bank::{Ack, Ledger, Outcome, Read, Rejection, RequestId, Seq, Write};

/// A write that is not in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingWrite {
    pub(super) ticket: Ticket,
    /// `None` if the customer did not name the request.
    pub(super) request: Option<RequestId>,
    pub(super) write: Write,
    pub(super) ack: Ack,
    pub(super) deadline: Instant,
}

impl PendingWrite {
    pub(super) fn new(ticket: Ticket, write: Write, request: &Request) -> Self {
        let name = request.attempt.map(|Attempt { request, .. }| request);
        Self { ticket, request: name, write, ack: request.ack, deadline: request.deadline }
    }

    /// Nothing is staged after the deadline.
    pub(super) fn is_expired(&self, ctx: &Context) -> bool {
        self.deadline <= ctx.now && !ctx.has(Mutant::StageAfterDeadline)
    }

    /// Nothing is staged without room in the journal, or while fewer branches are connected (this one included)
    /// than must acknowledge it.
    pub(super) fn rejection(&self, ctx: &Context, connected: usize) -> Option<Rejection> {
        if !ctx.journal.has_room() {
            Some(Rejection::Overloaded)
        } else if self.ack.needed(ctx.members()) > connected {
            Some(Rejection::TooFewBranches)
        } else {
            None
        }
    }
}

/// A query that waits for what its customer has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingQuery {
    pub(super) ticket: Ticket,
    pub(super) read: Read,
    pub(super) deadline: Instant,
}

/// A customer whose write is in the log, and who waits for acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Awaiting {
    pub(super) seq: Seq,
    pub(super) ticket: Ticket,
    pub(super) deadline: Instant,
}

impl Awaiting {
    /// Answers the customer: `achieved` branches hold the write.
    pub(super) fn reply(self, ctx: &mut Context, shown: &Ledger, achieved: usize) {
        ctx.reply(self.ticket, Outcome::Ok, shown, |receipt| {
            receipt.seq = Some(self.seq);
            receipt.achieved = u32::try_from(achieved).unwrap_or(u32::MAX);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passbook::Room;
    use bank::{Money, WriteKind};
    use std::time::Duration;

    const DEPOSIT: Write = Write { kind: WriteKind::Deposit, amount: Money::new(5) };

    #[test]
    fn write_is_refused_late_without_room_or_with_few_branches() {
        let mut ctx = Context::of_first(3, 30);
        let ctx = &mut ctx;
        let deadline = Instant(Duration::from_secs(1));
        let pending = PendingWrite {
            ticket: Ticket(1),
            request: None,
            write: DEPOSIT,
            ack: Ack::Majority,
            deadline,
        };
        assert_eq!(pending.rejection(ctx, 2), None);
        assert_eq!(pending.rejection(ctx, 1), Some(Rejection::TooFewBranches));
        ctx.journal.set_room(Room::Full);
        assert_eq!(pending.rejection(ctx, 3), Some(Rejection::Overloaded));
        assert!(!pending.is_expired(ctx));
        ctx.pass(Duration::from_secs(1));
        assert!(pending.is_expired(ctx));
    }
}
