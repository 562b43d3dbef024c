//! Requests that have not been executed.

use super::{Context, LocalLog, Mutant};
use crate::{Attempt, Instant, Request, Ticket};
use bank::{Ack, Read, Rejection, RequestId, Seq, Write};

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

/// Why a write is not appended to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its deadline has passed.
    Expired,
    Rejected(Rejection),
}

impl PendingWrite {
    pub(super) fn new(ticket: Ticket, write: Write, request: &Request) -> Self {
        let name = request.attempt.map(|Attempt { request, .. }| request);
        Self { ticket, request: name, write, ack: request.ack, deadline: request.deadline }
    }

    /// A later attempt of the same request takes over: its customer gets the answer. Returns the ticket that
    /// gets none.
    pub(super) const fn replace_attempt(&mut self, later: &Self) -> Ticket {
        let ticket = self.ticket;
        self.ticket = later.ticket;
        self.deadline = later.deadline;
        self.ack = later.ack;
        ticket
    }

    /// Nothing is staged after the deadline, without room in the journal, or while fewer branches are
    /// connected (this one included) than must acknowledge it.
    pub(super) fn refusal(
        &self,
        ctx: &Context,
        log: &LocalLog,
        connected: usize,
    ) -> Option<Refusal> {
        if self.deadline <= ctx.now && !ctx.has(Mutant::StageAfterDeadline) {
            Some(Refusal::Expired)
        } else if !log.journal().has_room() {
            Some(Refusal::Rejected(Rejection::Overloaded))
        } else if self.ack.needed(ctx.members()) > connected {
            Some(Refusal::Rejected(Rejection::TooFewBranches))
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
        let mut log = LocalLog::new(ctx);
        let deadline = Instant(Duration::from_secs(1));
        let pending = PendingWrite {
            ticket: Ticket(1),
            request: None,
            write: DEPOSIT,
            ack: Ack::Majority,
            deadline,
        };
        assert_eq!(pending.refusal(ctx, &log, 2), None);
        let rejected = |rejection| Some(Refusal::Rejected(rejection));
        assert_eq!(pending.refusal(ctx, &log, 1), rejected(Rejection::TooFewBranches));
        log.set_room(Room::Full);
        assert_eq!(pending.refusal(ctx, &log, 3), rejected(Rejection::Overloaded));
        ctx.pass(Duration::from_secs(1));
        assert_eq!(pending.refusal(ctx, &log, 3), Some(Refusal::Expired));
    }
}
