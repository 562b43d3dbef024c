//! Every request is answered, once, and nothing is written down for it after its deadline.

use std::collections::BTreeMap;

use super::{Violation, millis, name, or_nothing, require};
use bank::{Ack, Member, Operation, RequestId};
use check::Property;
use replication::{Attempt, Instant, Ticket};

/// What has become of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It must be answered.
    Open,
    /// Its customer stopped waiting: it may be answered.
    Abandoned,
    /// It was answered.
    Answered,
    /// Its branch has ended: it cannot be answered any more.
    Gone,
}

/// An operation of a customer, whatever became of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) branch: Member,
    pub(super) operation: Operation,
    pub(super) ack: Ack,
    /// The latest instant until which any attempt was to be answered. `None` before the first arrives.
    pub(super) deadline: Option<Instant>,
}

/// All tickets of all branches.
#[derive(Debug, Default)]
pub(super) struct Tickets(BTreeMap<(Member, Ticket), (Attempt, State)>);

impl Tickets {
    pub(super) fn open(&mut self, branch: Member, ticket: Ticket, attempt: Attempt) {
        self.0.insert((branch, ticket), (attempt, State::Open));
    }

    pub(super) fn abandon(&mut self, branch: Member, ticket: Ticket) {
        if let Some((_, state @ State::Open)) = self.0.get_mut(&(branch, ticket)) {
            *state = State::Abandoned;
        }
    }

    /// A branch answers. Returns the attempt that the answer is for.
    pub(super) fn answer(&mut self, branch: Member, ticket: Ticket) -> Result<Attempt, Violation> {
        let reason = match self.0.get_mut(&(branch, ticket)) {
            Some((attempt, state @ (State::Open | State::Abandoned))) => {
                *state = State::Answered;
                return Ok(*attempt);
            }
            Some((_, State::Answered)) => "for the second time",
            Some((_, State::Gone)) => "which it had in an earlier incarnation",
            None => "which it never had",
        };
        let detail = format!("{} answers ticket {}, {reason}", name(branch), ticket.0);
        Err(Violation { property: Property::Answered, detail })
    }

    /// A branch has ended, and what it had not answered with it.
    pub(super) fn end(&mut self, branch: Member) {
        let all = (branch, Ticket(0))..=(branch, Ticket(u64::MAX));
        for (_, (_, state)) in self.0.range_mut(all) {
            if matches!(state, State::Open | State::Abandoned) {
                *state = State::Gone;
            }
        }
    }

    /// No customer waits any more.
    pub(super) fn are_answered(&self) -> Result<(), Violation> {
        let open = self.0.iter().find(|(_, (_, state))| *state == State::Open);
        open.map_or(Ok(()), |((branch, ticket), (attempt, _))| {
            let detail =
                format!("{} never answers ticket {} of {attempt}", name(*branch), ticket.0);
            Err(Violation { property: Property::Answered, detail })
        })
    }
}

/// A branch says itself that it has answered everything.
pub(super) fn none_is_open(branch: Member, open: usize) -> Result<(), Violation> {
    require(Property::Answered, open == 0, || {
        format!("in the end {} holds {open} requests that it has not answered", name(branch))
    })
}

/// A request is written down until its latest deadline.
pub(super) fn is_in_time(
    now: Instant,
    request: RequestId,
    deadline: Option<Instant>,
) -> Result<(), Violation> {
    require(Property::Deadline, deadline.is_some_and(|deadline| now <= deadline), || {
        let deadline = deadline.map(|deadline| millis(deadline.0));
        let now = millis(now.0);
        format!("{request} is written down at {now}; its deadline is {}", or_nothing(deadline))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::request;
    use super::*;

    const HERE: Member = Member(1);
    const FIRST: Attempt = Attempt { request: request(1, 1), attempt: 1 };

    fn property<T: std::fmt::Debug>(result: Result<T, Violation>) -> Property {
        result.expect_err("wrong").property
    }

    #[test]
    fn a_ticket_is_answered_once_and_where_it_was_drawn() {
        let mut tickets = Tickets::default();
        tickets.open(HERE, Ticket(5), FIRST);
        assert_eq!(property(tickets.are_answered()), Property::Answered);
        assert_eq!(property(tickets.answer(Member(0), Ticket(5))), Property::Answered);
        assert_eq!(property(tickets.answer(HERE, Ticket(6))), Property::Answered);
        assert_eq!(tickets.answer(HERE, Ticket(5)), Ok(FIRST));
        tickets.are_answered().expect("all are");
        assert_eq!(property(tickets.answer(HERE, Ticket(5))), Property::Answered);
    }

    #[test]
    fn the_end_of_a_branch_is_the_end_of_its_tickets() {
        let mut tickets = Tickets::default();
        tickets.open(HERE, Ticket(5), FIRST);
        tickets.open(Member(0), Ticket(5), FIRST);
        tickets.end(HERE);
        assert_eq!(property(tickets.answer(HERE, Ticket(5))), Property::Answered);
        assert_eq!(property(tickets.are_answered()), Property::Answered, "the other is alive");
        tickets.answer(Member(0), Ticket(5)).expect("it is open");
        tickets.are_answered().expect("all that can be");
    }

    #[test]
    fn an_abandoned_ticket_may_be_answered_or_not() {
        let mut tickets = Tickets::default();
        tickets.open(HERE, Ticket(5), FIRST);
        tickets.abandon(HERE, Ticket(5));
        tickets.are_answered().expect("nobody waits");
        tickets.answer(HERE, Ticket(5)).expect("it may be");
        tickets.abandon(HERE, Ticket(5));
        assert_eq!(property(tickets.answer(HERE, Ticket(5))), Property::Answered);
    }

    #[test]
    fn a_branch_that_counts_open_requests_has_not_answered() {
        none_is_open(HERE, 0).expect("none");
        assert_eq!(property(none_is_open(HERE, 1)), Property::Answered);
    }

    #[test]
    fn what_is_written_down_too_late_is_found() {
        let at = |ms| Instant(Duration::from_millis(ms));
        is_in_time(at(5), request(1, 1), Some(at(5))).expect("in time");
        assert_eq!(property(is_in_time(at(6), request(1, 1), Some(at(5)))), Property::Deadline);
        assert_eq!(property(is_in_time(at(6), request(1, 1), None)), Property::Deadline);
    }
}
