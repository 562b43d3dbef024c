//! Exactly once: what became of the latest request of each session.
//!
//! For each session the branch keeps the highest number, with its content and state. Own entries in the
//! journal carry their request, so that what was staged is known again after a restart. A definite
//! rejection is remembered too: an earlier attempt may still be on its way, and would otherwise be carried out
//! after the customer was told that it was not.

use std::collections::HashMap;
use std::time::Duration;

use crate::{Attempt, Instant, Ticket};
use bank::{Rejection, RequestId, Seq, SessionId, Write};

/// What is known of a session's latest request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It waits, and this ticket is to be answered.
    Pending(Ticket),
    /// It was given up before anything was staged; asked again it begins anew.
    Lapsed,
    /// It is in the log.
    Staged(Seq),
    /// The customer was told that it is not done.
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

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is new. An older request of the session that still waits is to be given up.
    New {
        /// Its ticket.
        abandoned: Option<Ticket>,
    },
    /// It waits already, under another ticket, which is to be replaced.
    Waits {
        /// The other ticket.
        under: Ticket,
    },
    /// It is in the log.
    Staged(Seq),
    /// It was rejected.
    Rejected(Rejection),
    /// A later attempt of it was seen, whose answer is the one that counts.
    Overtaken,
    /// A later request of the session was seen, or another one with this number.
    Stale,
    /// There is no room for another session.
    Full,
}

/// The latest request of each session. Those of sessions that were silent for a horizon are forgotten: no
/// attempt of theirs can be on its way any more.
#[derive(Debug)]
pub(super) struct Sessions {
    /// Those heard of since the last turn.
    current: HashMap<SessionId, Latest>,
    /// Those heard of only before it.
    previous: HashMap<SessionId, Latest>,
    turned: Instant,
    horizon: Duration,
    most: usize,
    /// Takes the last number for the highest: a mutant.
    keeps_last: bool,
}

impl Sessions {
    pub(super) fn new(horizon: Duration, most: usize, keeps_last: bool) -> Self {
        Self {
            current: HashMap::new(),
            previous: HashMap::new(),
            turned: Instant::default(),
            horizon,
            most,
            keeps_last,
        }
    }

    fn turn(&mut self, now: Instant) {
        if now >= self.turned.after(self.horizon) {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.clear();
            self.turned = now;
        }
    }

    fn latest(&mut self, session: SessionId) -> Option<&mut Latest> {
        if let Some(latest) = self.previous.remove(&session) {
            self.current.insert(session, latest);
        }
        self.current.get_mut(&session)
    }

    /// Takes note of an attempt.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        attempt: Attempt,
        content: Write,
        ticket: Ticket,
    ) -> Admission {
        self.turn(now);
        let Attempt { request: RequestId { session, number }, attempt } = attempt;
        let keeps_last = self.keeps_last;
        let full = self.current.len() + self.previous.len() >= self.most;
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
                State::Lapsed | State::Staged(_) | State::Rejected(_) => None,
            };
            *latest = new;
            return Admission::New { abandoned };
        }
        if number < latest.number || content != latest.content {
            return Admission::Stale;
        }
        if attempt < latest.attempt {
            return Admission::Overtaken;
        }
        latest.attempt = attempt;
        match latest.state {
            State::Pending(under) => {
                latest.state = State::Pending(ticket);
                Admission::Waits { under }
            }
            State::Lapsed => {
                latest.state = State::Pending(ticket);
                Admission::New { abandoned: None }
            }
            State::Staged(seq) => Admission::Staged(seq),
            State::Rejected(rejection) => Admission::Rejected(rejection),
        }
    }

    fn become_state(&mut self, request: RequestId, state: State) {
        if let Some(latest) = self.latest(request.session)
            && latest.number == request.number
        {
            latest.state = state;
        }
    }

    /// It is in the log now.
    pub(super) fn staged(&mut self, request: RequestId, seq: Seq) {
        self.become_state(request, State::Staged(seq));
    }

    /// The customer is told that it is not done.
    pub(super) fn rejected(&mut self, request: RequestId, rejection: Rejection) {
        self.become_state(request, State::Rejected(rejection));
    }

    /// It was given up, and nothing is in the log.
    pub(super) fn lapsed(&mut self, request: RequestId) {
        self.become_state(request, State::Lapsed);
    }

    /// It was found in the journal.
    pub(super) fn replayed(&mut self, request: RequestId, content: Write, seq: Seq) {
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

    const WRITE: Write = Write { kind: WriteKind::Deposit, amount: Money::new(5) };
    const HORIZON: Duration = Duration::from_secs(100);

    fn sessions() -> Sessions {
        Sessions::new(HORIZON, 2, false)
    }

    fn name(session: u64, number: u64, attempt: u32) -> Attempt {
        Attempt { request: RequestId { session: SessionId(session), number }, attempt }
    }

    fn admit(sessions: &mut Sessions, attempt: Attempt, ticket: u64) -> Admission {
        sessions.admit(Instant::default(), attempt, WRITE, Ticket(ticket))
    }

    const NEW: Admission = Admission::New { abandoned: None };

    #[test]
    fn a_request_that_waits_is_joined_by_its_next_attempt() {
        let mut sessions = sessions();
        assert_eq!(admit(&mut sessions, name(1, 1, 1), 10), NEW);
        let waits = Admission::Waits { under: Ticket(10) };
        assert_eq!(admit(&mut sessions, name(1, 1, 2), 11), waits);
        assert_eq!(admit(&mut sessions, name(1, 1, 1), 12), Admission::Overtaken);
    }

    #[test]
    fn what_is_staged_or_rejected_stays_so() {
        let mut sessions = sessions();
        admit(&mut sessions, name(1, 1, 1), 10);
        sessions.staged(name(1, 1, 1).request, Seq(3));
        assert_eq!(admit(&mut sessions, name(1, 1, 2), 11), Admission::Staged(Seq(3)));
        assert_eq!(admit(&mut sessions, name(1, 2, 1), 12), NEW);
        sessions.rejected(name(1, 2, 1).request, Rejection::Contended);
        let rejected = Admission::Rejected(Rejection::Contended);
        assert_eq!(admit(&mut sessions, name(1, 2, 2), 13), rejected);
        assert_eq!(admit(&mut sessions, name(1, 1, 3), 14), Admission::Stale);
    }

    #[test]
    fn other_content_under_a_known_number_is_refused() {
        let mut sessions = sessions();
        admit(&mut sessions, name(1, 1, 1), 10);
        let other = Write { amount: Money::new(6), ..WRITE };
        let admission = sessions.admit(Instant::default(), name(1, 1, 2), other, Ticket(11));
        assert_eq!(admission, Admission::Stale);
    }

    #[test]
    fn a_higher_number_abandons_what_waits_and_a_lapsed_one_begins_anew() {
        let mut sessions = sessions();
        admit(&mut sessions, name(1, 1, 1), 10);
        let abandons = Admission::New { abandoned: Some(Ticket(10)) };
        assert_eq!(admit(&mut sessions, name(1, 2, 1), 11), abandons);
        sessions.lapsed(name(1, 2, 1).request);
        assert_eq!(admit(&mut sessions, name(1, 2, 2), 12), NEW);
        assert_eq!(admit(&mut sessions, name(1, 1, 2), 13), Admission::Stale);
    }

    #[test]
    fn there_is_a_bound_and_silent_sessions_make_room_after_the_horizon() {
        let mut sessions = sessions();
        admit(&mut sessions, name(1, 1, 1), 1);
        admit(&mut sessions, name(2, 1, 1), 2);
        assert_eq!(admit(&mut sessions, name(3, 1, 1), 3), Admission::Full);
        let later = |horizons| Instant::default().after(HORIZON * horizons);
        assert_eq!(
            sessions.admit(later(1), name(2, 2, 1), WRITE, Ticket(4)),
            Admission::New { abandoned: Some(Ticket(2)) }
        );
        assert_eq!(sessions.admit(later(2), name(3, 1, 1), WRITE, Ticket(5)), NEW);
        assert_eq!(
            sessions.admit(later(2), name(2, 2, 2), WRITE, Ticket(6)),
            Admission::Waits { under: Ticket(4) },
            "one that was heard of in between is still known"
        );
    }

    #[test]
    fn the_journal_brings_back_the_highest_number() {
        let mut sessions = sessions();
        sessions.replayed(name(1, 4, 0).request, WRITE, Seq(8));
        sessions.replayed(name(1, 5, 0).request, WRITE, Seq(9));
        assert_eq!(admit(&mut sessions, name(1, 5, 1), 1), Admission::Staged(Seq(9)));
        assert_eq!(admit(&mut sessions, name(1, 4, 2), 2), Admission::Stale);
    }
}
