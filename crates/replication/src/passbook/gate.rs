//! Tokens: a customer is shown no less than what they have seen, and writes upon no less.
//!
//! The token guards writes too. Otherwise monotonic writes and writes that follow reads are lost.

use super::requests::{Awaiting, PendingQuery, PendingWrite};
use super::{Context, LocalLog, Mutant};
use crate::{Instant, Ticket, Token};
use bank::{Ack, Member, Seq, Version};

/// What continues once everything that the customer has seen is visible.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deferred {
    /// The execution of a write.
    Write(PendingWrite),
    /// The acknowledgement of a write that is in the log.
    Acknowledgement(Ack, Awaiting),
    /// The answer to a query.
    Query(PendingQuery),
}

impl Deferred {
    pub(super) const fn ticket(&self) -> Ticket {
        match self {
            Self::Write(pending) => pending.ticket,
            Self::Acknowledgement(_, awaiting) => awaiting.ticket,
            Self::Query(query) => query.ticket,
        }
    }

    const fn deadline(&self) -> Instant {
        match self {
            Self::Write(pending) => pending.deadline,
            Self::Acknowledgement(_, awaiting) => awaiting.deadline,
            Self::Query(query) => query.deadline,
        }
    }
}

#[derive(Clone, Debug)]
struct Waiter {
    token: Version,
    /// A branch and how much of its log is needed, as far as the token was compared. Nothing else is compared before that is visible.
    missing: (Member, Seq),
    deferred: Deferred,
}

/// The requests whose customers have seen more than is visible here.
#[derive(Debug, Default)]
pub(super) struct TokenGate {
    waiters: Vec<Waiter>,
}

impl TokenGate {
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether this cluster cannot have issued the token. That is an error at once, never a wait.
    pub(super) fn is_foreign(ctx: &Context, log: &LocalLog, token: &Token) -> bool {
        Some(token.cluster) != ctx.cluster
            || token.version.members() != ctx.members()
            || token.version.of(ctx.me) > log.own().seq
    }

    /// Whether a request passes with this token: everything that its customer has seen is visible.
    pub(super) fn is_covered(
        ctx: &Context,
        visible: &Version,
        token: &Token,
        deferred: &Deferred,
    ) -> bool {
        let ignored = match deferred {
            Deferred::Write(_) | Deferred::Acknowledgement(..) => Mutant::IgnoreTokenOnWrites,
            Deferred::Query(_) => Mutant::IgnoreTokenOnReads,
        };
        ctx.has(ignored) || visible.covers(&token.version)
    }

    /// Keeps a request until its token is covered.
    pub(super) fn wait(&mut self, token: Token, deferred: Deferred) {
        let missing = (Member(0), Seq::ZERO);
        self.waiters.push(Waiter { token: token.version, missing, deferred });
    }

    /// Removes the first request from `position` on whose token is covered, and leaves `position` there: requests
    /// before it are not compared again.
    pub(super) fn release(&mut self, position: &mut usize, visible: &Version) -> Option<Deferred> {
        while let Some(waiter) = self.waiters.get_mut(*position) {
            let (member, seq) = waiter.missing;
            if visible.of(member) >= seq {
                let Some(next) = visible.first_missing(&waiter.token) else {
                    return Some(self.waiters.swap_remove(*position).deferred);
                };
                waiter.missing = (next, waiter.token.of(next));
            }
            *position += 1;
        }
        None
    }

    /// Removes a request whose deadline has passed, from `position` on as in [`Self::release`].
    pub(super) fn expire(&mut self, position: &mut usize, now: Instant) -> Option<Deferred> {
        let rest = self.waiters.get(*position..)?;
        *position += rest.iter().position(|waiter| waiter.deferred.deadline() <= now)?;
        Some(self.waiters.swap_remove(*position).deferred)
    }

    /// Removes a request that its customer has abandoned.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Deferred> {
        let is_it = |waiter: &Waiter| waiter.deferred.ticket() == ticket;
        let position = self.waiters.iter().position(is_it)?;
        Some(self.waiters.swap_remove(position).deferred)
    }

    pub(super) fn write_mut(&mut self, ticket: Ticket) -> Option<&mut PendingWrite> {
        let mut writes = self.waiters.iter_mut().filter_map(|waiter| match &mut waiter.deferred {
            Deferred::Write(pending) => Some(pending),
            Deferred::Acknowledgement(..) | Deferred::Query(_) => None,
        });
        writes.find(|pending| pending.ticket == ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClusterId;
    use bank::Read;
    use std::time::Duration;

    fn version(seqs: [u64; 2]) -> Version {
        seqs.map(Seq).into_iter().collect()
    }

    fn token(seqs: [u64; 2]) -> Token {
        Token { cluster: ClusterId(9), version: version(seqs) }
    }

    fn query(ticket: u64) -> Deferred {
        let deadline = Instant(Duration::from_secs(ticket));
        Deferred::Query(PendingQuery { ticket: Ticket(ticket), read: Read::Session, deadline })
    }

    /// A gate at which these tickets wait for these tokens.
    fn gate(waiting: &[(u64, [u64; 2])]) -> TokenGate {
        let mut gate = TokenGate::default();
        for (ticket, seqs) in waiting {
            gate.wait(token(*seqs), query(*ticket));
        }
        gate
    }

    fn released(gate: &mut TokenGate, visible: [u64; 2]) -> Vec<u64> {
        let mut position = 0;
        let deferred = std::iter::from_fn(|| gate.release(&mut position, &version(visible)));
        deferred.map(|deferred| deferred.ticket().0).collect()
    }

    #[test]
    fn request_waits_until_its_whole_token_is_visible() {
        let mut gate = gate(&[(1, [1, 1]), (2, [0, 1]), (3, [0, 1])]);
        assert_eq!(released(&mut gate, [0, 0]), [0_u64; 0]);
        assert_eq!(released(&mut gate, [0, 1]), [2, 3]);
        assert_eq!(released(&mut gate, [1, 1]), [1]);
        assert_eq!(gate.len(), 0);
    }

    #[test]
    fn request_passes_with_a_covered_token() {
        let ctx = Context::of_first(2, 0);
        let is_covered =
            |seqs| TokenGate::is_covered(&ctx, &version([1, 0]), &token(seqs), &query(1));
        assert!(is_covered([1, 0]));
        assert!(!is_covered([1, 1]));
    }

    #[test]
    fn waiting_request_expires_at_its_deadline() {
        let mut gate = gate(&[(1, [0, 1]), (3, [0, 1]), (2, [0, 1])]);
        let mut position = 0;
        let now = Instant(Duration::from_secs(2));
        let expired = std::iter::from_fn(|| gate.expire(&mut position, now));
        assert_eq!(expired.map(|deferred| deferred.ticket().0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(gate.remove(Ticket(3)).map(|deferred| deferred.ticket()), Some(Ticket(3)));
    }

    #[test]
    fn token_of_another_cluster_or_of_the_future_is_foreign() {
        let mut ctx = Context::of_first(2, 0);
        ctx.cluster = Some(ClusterId(9));
        let log = LocalLog::new(&ctx);
        let ctx = &mut ctx;
        let is_foreign = |token| TokenGate::is_foreign(ctx, &log, &token);
        assert!(!is_foreign(token([0, 5])));
        assert!(is_foreign(token([1, 0])), "there is no such entry");
        assert!(is_foreign(Token { cluster: ClusterId(8), ..token([0, 0]) }));
        assert!(is_foreign(Token { version: Version::zero(3), ..token([0, 0]) }));
    }
}
