//! What customers ask and are told.

use std::sync::Arc;

use super::accounted::Acknowledged;
use super::steps::{Claim, Claimed};
use super::watch::Judge;
use super::{
    Asked, Deed, Property, Violation, acknowledged, amnesia, closed, durable, refusals, sessions,
    value,
};
use bank::Read;
use bank::{Answer, Member, Operation, Outcome, Rejection, RequestId, Version};
use replication::{Attempt, Instant, Receipt, Ticket};

impl Judge {
    /// A customer begins an operation.
    pub fn asked(&mut self, asked: Asked) {
        let history = self.sessions.history(asked.attempt.request.session).clone();
        self.requests.ask(asked, self.timeline.now(), history.read, history.written);
    }

    /// An attempt arrives at the branch under a ticket, to be answered until `deadline`. Its operation was
    /// asked before.
    pub fn submitted(&mut self, ticket: Ticket, attempt: Attempt, deadline: Instant) {
        if let Some(known) = self.requests.get_mut(attempt.request) {
            known.deadline = known.deadline.max(Some(deadline));
            self.tickets.open(known.asked.branch, ticket, attempt);
        }
    }

    /// The branch was told that the customer of a ticket has stopped waiting. It may be answered all the
    /// same, and need not be.
    pub fn abandoned(&mut self, branch: Member, ticket: Ticket) {
        self.tickets.abandon(branch, ticket);
    }

    /// The branch answers a ticket, whether or not the customer hears it.
    pub fn replied(
        &mut self,
        branch: Member,
        ticket: Ticket,
        answer: &Answer,
        receipt: Option<&Receipt>,
    ) -> Result<(), Violation> {
        let request = self.tickets.answer(branch, ticket)?.request;
        let Some(known) = self.requests.get(request) else {
            return Ok(());
        };
        let (operation, since) = (known.asked.operation, known.since);
        let (ack, read) = (known.asked.ack, known.asked.read);
        if let Some(receipt) = receipt {
            self.shows(branch, answer, &receipt.version)?;
        }
        match (answer.outcome, operation) {
            (Outcome::Ok, _) => {
                amnesia::may_serve(&self.truth, &self.disks[branch.index()], self.storage, branch)?;
                let Some(receipt) = receipt else {
                    let detail = format!("{request} is answered without what it was made from");
                    return Err(Property::Value.violated(detail));
                };
                if matches!(operation, Operation::Write(_)) {
                    let needed = ack.needed(self.truth.members());
                    self.acknowledge(branch, request, needed, receipt)?;
                } else if read == Read::Snapshot {
                    let what = Claimed::Snapshot(Arc::clone(&receipt.version));
                    self.claims.push(Claim { branch, request, since, what });
                }
            }
            (Outcome::Rejected(Rejection::InsufficientFunds), _) => {
                if let Some(receipt) = receipt
                    && let Some(at_most) = &receipt.at_most
                {
                    let ends = (&*receipt.version, &**at_most);
                    refusals::is_proved(&self.truth, request, operation, ends)?;
                }
                let what = Claimed::TooLittle(operation);
                self.claims.push(Claim { branch, request, since, what });
            }
            (Outcome::Rejected(_) | Outcome::Unknown, _) => {}
        }
        Ok(())
    }

    /// An answer shows a version.
    fn shows(
        &mut self,
        branch: Member,
        answer: &Answer,
        version: &Version,
    ) -> Result<(), Violation> {
        let answers = Deed::of(branch, "answers with");
        Property::Closed.unless(version.members() == self.truth.members(), || {
            format!("{answers} a version that speaks of {} branches", version.members())
        })?;
        for known in version.iter() {
            durable::may_be_seen(&self.truth, &self.disks, answers, known)?;
        }
        closed::is_closed(&self.truth, answers, version)?;
        value::is_true(&self.truth, answers, answer, version)?;
        self.shown.join(version);
        Ok(())
    }

    /// An answer says that a write is done.
    fn acknowledge(
        &mut self,
        branch: Member,
        request: RequestId,
        needed: usize,
        receipt: &Receipt,
    ) -> Result<(), Violation> {
        let Some(seq) = receipt.seq else {
            let detail = format!("{request}, a write, is answered without its place in the log");
            return Err(Property::Accounted.violated(detail));
        };
        let achieved = usize::try_from(receipt.achieved).unwrap_or(usize::MAX);
        let answer = Acknowledged { request, branch, seq, achieved };
        answer.is_logged(&self.truth)?;
        acknowledged::is_durable(&self.disks, &answer, needed)?;
        sessions::shows_itself(branch, seq, &receipt.version)?;
        self.acknowledged.push(answer);
        Ok(())
    }

    /// The customer takes an answer as final (an outcome of unknown after the last attempt included).
    pub fn took(
        &mut self,
        attempt: Attempt,
        answer: &Answer,
        receipt: Option<&Receipt>,
    ) -> Result<(), Violation> {
        let request = attempt.request;
        let Some(known) = self.requests.get_mut(request) else {
            let detail = format!("an answer is taken to {request}, which nobody asked");
            return Err(Property::Answered.violated(detail));
        };
        Property::Answered
            .unless(!known.taken, || format!("a second answer is taken to {request}"))?;
        known.taken = true;
        let branch = known.asked.branch;
        match answer.outcome {
            Outcome::Ok => self.guaranteed(request, receipt)?,
            Outcome::Rejected(_) => self.requests.refuse(request)?,
            Outcome::Unknown => {}
        }
        let history = self.sessions.history(request.session);
        if let Some(receipt) = receipt {
            history.read.join(&receipt.version);
            if let (Outcome::Ok, Some(seq)) = (answer.outcome, receipt.seq) {
                history.written.raise(branch, seq);
            }
        }
        Ok(())
    }

    /// A customer's answer keeps what was promised to them.
    fn guaranteed(&self, request: RequestId, receipt: Option<&Receipt>) -> Result<(), Violation> {
        let (Some(known), Some(receipt)) = (self.requests.get(request), receipt) else {
            let detail = format!("{request} is taken for done without what that was made from");
            return Err(Property::Value.violated(detail));
        };
        let branch = known.asked.branch;
        let logged = receipt.seq.and_then(|seq| Some((seq, self.truth.entry(branch, seq)?)));
        if let Some((seq, logged)) = logged {
            sessions::is_written_in_order(known, (branch, seq), &logged.dependencies)?;
        }
        sessions::is_no_less(known, &receipt.version)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Scene, broken, question, request};
    use super::*;
    use bank::{Money, Seq};
    use replication::passbook::Storage;

    #[test]
    fn an_answer_from_an_impossible_version_is_found() {
        let mut scene = Scene::new(Storage::Journal);
        scene.write(0, request(1, 1), Operation::deposit(5));
        scene.sync(0);
        scene.push(0, 1, 0).expect("durable");
        scene.write(1, request(2, 1), Operation::deposit(1));
        scene.sync(1);
        let versions = [
            (&[1, 1][..], 26, None),
            (&[0, 1], 21, Some(Property::Closed)),
            (&[1], 25, Some(Property::Closed)),
            (&[1, 2], 26, Some(Property::OneWriter)),
        ];
        for (number, (seqs, balance, property)) in (1..).zip(versions) {
            let ticket = scene.ask(question(request(3, number), 1, Operation::Query));
            let (mut answer, mut receipt) = scene.answer(1, None, 0);
            answer.balance = Some(Money::new(balance));
            receipt.version = Arc::new(seqs.iter().copied().map(Seq).collect());
            let found = scene.reply(1, ticket, &(answer, receipt));
            assert_eq!(broken(found), property, "{seqs:?}");
        }
    }
}
