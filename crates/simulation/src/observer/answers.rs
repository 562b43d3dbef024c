//! What customers ask and what branches answer.

use super::acknowledged::is_durable;
use super::records::Observer;
use super::requests::Request;
use super::{Action, Violation, amnesia, durable};
use crate::customers::CustomerRequest;
use crate::plan::Step;
use bank::{Answer, Member, Operation, Outcome};
use check::Property;
use replication::{Attempt, Instant, Receipt, Ticket};

impl Observer {
    /// A customer begins an operation.
    pub(crate) fn begins(&mut self, first: &CustomerRequest) {
        let Step { branch, operation, ack, .. } = first.step;
        let request = Request { branch, operation, ack, deadline: None };
        self.requests.entry(first.attempt.request).or_insert(request);
    }

    /// An attempt arrives at the branch under a ticket, to be answered until `deadline`. Its operation has
    /// begun before.
    pub(crate) fn submitted(&mut self, ticket: Ticket, attempt: Attempt, deadline: Instant) {
        if let Some(request) = self.requests.get_mut(&attempt.request) {
            request.deadline = request.deadline.max(Some(deadline));
            self.tickets.open(request.branch, ticket, attempt);
        }
    }

    /// The branch was told that the customer of a ticket has stopped waiting. It may be answered all the
    /// same, and need not be.
    pub(crate) fn abandoned(&mut self, branch: Member, ticket: Ticket) {
        self.tickets.abandon(branch, ticket);
    }

    /// The branch answers a ticket, whether or not the customer receives it.
    pub(crate) fn replied(
        &mut self,
        branch: Member,
        ticket: Ticket,
        answer: &Answer,
        receipt: Option<&Receipt>,
    ) -> Result<(), Violation> {
        let name = self.tickets.answer(branch, ticket)?.request;
        let Some(request) = self.requests.get(&name).copied() else {
            return Ok(());
        };
        for known in receipt.iter().flat_map(|receipt| receipt.version.iter()) {
            let answers = Action::of(branch, "answers with");
            durable::may_be_seen(&self.truth, &self.journals, answers, known)?;
            self.shown.raise(known.0, known.1);
        }
        if answer.outcome != Outcome::Ok {
            return Ok(());
        }
        amnesia::may_serve(&self.truth, &self.journals[branch.index()], self.storage, branch)?;
        let is_write = matches!(request.operation, Operation::Write(_));
        match receipt {
            Some(Receipt { seq: Some(seq), achieved, .. }) if is_write => {
                is_durable(&self.journals, name, &request, *seq, *achieved)
            }
            Some(_) if !is_write => Ok(()),
            _ => {
                let detail = format!("{name} is answered without what the answer was made from");
                Err(Violation { property: Property::Acknowledged, detail })
            }
        }
    }
}
