//! Exactly once: the state of the latest request of each session.
//!
//! For each session the branch keeps the highest number, with its content and state. Own entries in the
//! journal carry their request, so that a restarted branch knows which requests it staged. Rejections are
//! remembered. Otherwise a delayed earlier attempt could execute after the customer was told no.

use std::collections::HashMap;

use super::{Context, Mutant};
use crate::{Attempt, Instant, Ticket};
use bank::{Rejection, RequestId, Seq, SessionId, Write};

/// The state of a session's latest request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits, and this ticket gets the answer.
    Pending(Ticket),
    /// It expired before anything was staged. Its next attempt begins anew.
    Expired,
    /// It is in the log.
    Staged(Seq),
    /// The customer was told no.
    Rejected(Rejection),
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    number: u64,
    /// The highest that was seen.
    attempt: u32,
    content: Write,
    state: State,
}

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Execute it.
    New {
        /// The ticket of an older request of the session that still waits and will not be executed.
        abandoned: Option<Ticket>,
    },
    /// It waits already, and the new ticket replaces this one.
    Waits { under: Ticket },
    /// It is in the log.
    Staged(Seq),
    /// It was rejected, or is stale.
    Rejected(Rejection),
    /// A later attempt was seen, and only its answer counts.
    Superseded,
    /// There is no room for another session.
    Full,
}

/// A later request of the session was seen, or another one with the same number.
const STALE: Admission = Admission::Rejected(Rejection::Stale);

/// The latest request of each session. Sessions that were silent for a horizon are forgotten: none of their
/// attempts can still arrive.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// Sessions active since the last rotation.
    current: HashMap<SessionId, Latest>,
    /// Sessions active only before it.
    previous: HashMap<SessionId, Latest>,
    rotated: Instant,
}

impl Sessions {
    fn rotate(&mut self, ctx: &Context) {
        if ctx.now >= self.rotated.after(ctx.settings.timing.horizon) {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.clear();
            self.rotated = ctx.now;
        }
    }

    fn latest(&mut self, session: SessionId) -> Option<&mut Latest> {
        if let Some(latest) = self.previous.remove(&session) {
            self.current.insert(session, latest);
        }
        self.current.get_mut(&session)
    }

    /// Registers an attempt, and decides what to do with it.
    pub(super) fn admit(
        &mut self,
        ctx: &Context,
        attempt: Attempt,
        content: Write,
        ticket: Ticket,
    ) -> Admission {
        self.rotate(ctx);
        let Attempt { request: RequestId { session, number }, attempt } = attempt;
        let keeps_last = ctx.has(Mutant::DedupeKeepsLast);
        let full = self.current.len() + self.previous.len() >= ctx.settings.limits.sessions;
        let new = Latest { number, attempt, content, state: State::Pending(ticket) };
        let Some(latest) = self.latest(session) else {
            if full {
                return Admission::Full;
            }
            self.current.insert(session, new);
            return Admission::New { abandoned: None };
        };
        if number > latest.number || (keeps_last && number < latest.number) {
            let abandoned = match latest.state {
                State::Pending(ticket) => Some(ticket),
                State::Expired | State::Staged(_) | State::Rejected(_) => None,
            };
            *latest = new;
            return Admission::New { abandoned };
        }
        if number < latest.number || content != latest.content {
            return STALE;
        }
        if attempt < latest.attempt {
            return Admission::Superseded;
        }
        latest.attempt = attempt;
        match latest.state {
            _ if ctx.has(Mutant::ApplyRetryTwice) => Admission::New { abandoned: None },
            State::Pending(under) => {
                latest.state = State::Pending(ticket);
                Admission::Waits { under }
            }
            State::Expired => {
                latest.state = State::Pending(ticket);
                Admission::New { abandoned: None }
            }
            State::Staged(seq) => Admission::Staged(seq),
            State::Rejected(_) if ctx.has(Mutant::RejectionsNotRemembered) => {
                Admission::New { abandoned: None }
            }
            State::Rejected(rejection) => Admission::Rejected(rejection),
        }
    }

    /// Notes what became of a request, if it has a name and is the latest of its session.
    pub(super) fn set_state(&mut self, request: Option<RequestId>, state: State) {
        if let Some(request) = request
            && let Some(latest) = self.latest(request.session)
            && latest.number == request.number
        {
            latest.state = state;
        }
    }

    /// The request was found in the journal.
    pub(super) fn replayed(&mut self, ctx: &Context, request: RequestId, content: Write, seq: Seq) {
        if ctx.has(Mutant::DedupeLostAtRestart) {
            return;
        }
        let number = request.number;
        let latest = Latest { number, attempt: 0, content, state: State::Staged(seq) };
        let known = self.current.entry(request.session).or_insert(latest);
        if known.number <= number {
            *known = latest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{Money, WriteKind};
    use std::time::Duration;

    const WRITE: Write = Write { kind: WriteKind::Deposit, amount: Money::new(5) };
    const HORIZON: Duration = Duration::from_secs(100);

    fn context() -> Context {
        let mut ctx = Context::of_first(2, 0);
        ctx.settings.timing.horizon = HORIZON;
        ctx.settings.limits.sessions = 2;
        ctx
    }

    fn sessions() -> Sessions {
        Sessions::default()
    }

    fn name(session: u64, number: u64, attempt: u32) -> Attempt {
        Attempt { request: RequestId { session: SessionId(session), number }, attempt }
    }

    fn admit(sessions: &mut Sessions, attempt: Attempt, ticket: u64) -> Admission {
        admit_at(sessions, 0, attempt, ticket)
    }

    fn admit_at(
        sessions: &mut Sessions,
        horizons: u32,
        attempt: Attempt,
        ticket: u64,
    ) -> Admission {
        let mut ctx = context();
        ctx.pass(HORIZON * horizons);
        sessions.admit(&ctx, attempt, WRITE, Ticket(ticket))
    }

    const NEW: Admission = Admission::New { abandoned: None };

    #[test]
    fn pending_request_is_joined_by_its_next_attempt() {
        let mut sessions = sessions();
        assert_eq!(admit(&mut sessions, name(1, 1, 1), 10), NEW);
        let waits = Admission::Waits { under: Ticket(10) };
        assert_eq!(admit(&mut sessions, name(1, 1, 2), 11), waits);
        assert_eq!(admit(&mut sessions, name(1, 1, 1), 12), Admission::Superseded);
    }

    #[test]
    fn staged_or_rejected_request_stays_so() {
        let mut sessions = sessions();
        admit(&mut sessions, name(1, 1, 1), 10);
        sessions.set_state(Some(name(1, 1, 1).request), State::Staged(Seq(3)));
        assert_eq!(admit(&mut sessions, name(1, 1, 2), 11), Admission::Staged(Seq(3)));
        assert_eq!(admit(&mut sessions, name(1, 2, 1), 12), NEW);
        sessions.set_state(Some(name(1, 2, 1).request), State::Rejected(Rejection::Contended));
        let rejected = Admission::Rejected(Rejection::Contended);
        assert_eq!(admit(&mut sessions, name(1, 2, 2), 13), rejected);
        assert_eq!(admit(&mut sessions, name(1, 1, 3), 14), STALE);
    }

    #[test]
    fn other_content_under_a_known_number_is_stale() {
        let mut sessions = sessions();
        admit(&mut sessions, name(1, 1, 1), 10);
        let other = Write { amount: Money::new(6), ..WRITE };
        let admission = sessions.admit(&context(), name(1, 1, 2), other, Ticket(11));
        assert_eq!(admission, STALE);
    }

    #[test]
    fn higher_number_abandons_pending_and_expired_begins_anew() {
        let mut sessions = sessions();
        admit(&mut sessions, name(1, 1, 1), 10);
        let abandons = Admission::New { abandoned: Some(Ticket(10)) };
        assert_eq!(admit(&mut sessions, name(1, 2, 1), 11), abandons);
        sessions.set_state(Some(name(1, 2, 1).request), State::Expired);
        assert_eq!(admit(&mut sessions, name(1, 2, 2), 12), NEW);
        assert_eq!(admit(&mut sessions, name(1, 1, 2), 13), STALE);
    }

    #[test]
    fn silent_sessions_make_room_after_the_horizon() {
        let mut sessions = sessions();
        admit(&mut sessions, name(1, 1, 1), 1);
        admit(&mut sessions, name(2, 1, 1), 2);
        assert_eq!(admit(&mut sessions, name(3, 1, 1), 3), Admission::Full);
        assert_eq!(
            admit_at(&mut sessions, 1, name(2, 2, 1), 4),
            Admission::New { abandoned: Some(Ticket(2)) }
        );
        assert_eq!(admit_at(&mut sessions, 2, name(3, 1, 1), 5), NEW);
        assert_eq!(
            admit_at(&mut sessions, 2, name(2, 2, 2), 6),
            Admission::Waits { under: Ticket(4) },
            "it was active in between"
        );
    }

    #[test]
    fn replay_restores_the_highest_number() {
        let (mut sessions, ctx) = (sessions(), context());
        sessions.replayed(&ctx, name(1, 4, 0).request, WRITE, Seq(8));
        sessions.replayed(&ctx, name(1, 5, 0).request, WRITE, Seq(9));
        assert_eq!(admit(&mut sessions, name(1, 5, 1), 1), Admission::Staged(Seq(9)));
        assert_eq!(admit(&mut sessions, name(1, 4, 2), 2), STALE);
    }
}
