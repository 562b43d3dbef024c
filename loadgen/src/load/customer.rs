//! One customer: one operation at a time, in order.

use std::time::Duration;

use bank::{Answer, CustomerId, Outcome, SessionId, StatusCode};
use exercise::Event;
use history::Record;
use replication::passbook::Session;
use tokio::time::{Instant, sleep_until};

use super::recorder::CallDetails;
use super::schedule::{Completion, Due};
use super::worker::{Worker, WorkerRecord};
use crate::client::{Backoff, Called};
use crate::record::CallStatus;

/// A customer at work. If it is dropped before an operation was answered, the operation is recorded as unknown.
struct Customer<'a> {
    worker: &'a Worker,
    id: CustomerId,
    session: Session,
    backoff: Backoff,
    in_flight: Option<InFlight>,
}

/// An operation that has been sent and not answered.
struct InFlight {
    due: Due,
    sent: Instant,
}

/// Performs `due` and whatever the worker's schedule has next for the customer that is idle then.
pub(super) async fn perform(worker: &Worker, mut due: Due) {
    let mut customer = Customer::new(worker, due.customer);
    while customer.is_due(worker.instant(due.at)).await {
        let completion = customer.perform(due).await;
        let Some(next) = worker.schedule.borrow_mut().next(Some(completion)) else { return };
        if next.session != due.session {
            customer = Customer::new(worker, next.customer);
        }
        due = next;
    }
}

impl<'a> Customer<'a> {
    fn new(worker: &'a Worker, id: CustomerId) -> Self {
        #[expect(clippy::disallowed_methods, reason = "no other session has this name")]
        let session = Session::new(SessionId(rand::random()));
        Self { worker, id, session, backoff: Backoff::new(id), in_flight: None }
    }

    /// Waits until `due`. Returns whether the operation is to begin then.
    async fn is_due(&self, due: Instant) -> bool {
        let interrupted = &self.worker.interrupted;
        if due > Instant::now() {
            interrupted.run_until_cancelled(sleep_until(due)).await;
        }
        !interrupted.is_cancelled()
    }

    async fn perform(&mut self, due: Due) -> Completion {
        let Due { session, number, event, .. } = due;
        let sent = Instant::now();
        self.worker.in_flight.start(self.worker.index, event.branch, sent);
        self.in_flight = Some(InFlight { due, sent });
        let traced = self.worker.trace_sample.takes(self.id, number);
        let called = self.worker.bank.call(&mut self.session, self.id, number, &event, traced);
        let called = called.await;
        let ended = Instant::now();
        let pause = self.backoff.after(called.is_overloaded_or_gone);
        self.record(called, ended);
        if let Some(pause) = pause {
            self.worker.record.borrow_mut().recorder.record_backoff(event.branch, pause);
        }
        let (ended, backoff) = (self.worker.elapsed(ended), pause.unwrap_or(Duration::ZERO));
        Completion { session, ended, backoff }
    }

    /// Records that the operation in flight ended at `ended` like this.
    fn record(&mut self, called: Called, ended: Instant) {
        let Some(InFlight { due, sent }) = self.in_flight.take() else { return };
        let Due { number, event: Event { operation, branch, .. }, at, .. } = due;
        let Called { answer, status, attempt, receipt, trace, .. } = called;
        let due = self.worker.instant(at);
        let details = CallDetails { due, sent, ended, status: &status };
        let WorkerRecord { recorder, operations, .. } = &mut *self.worker.record.borrow_mut();
        let is_answered = answer.outcome != Outcome::Unknown;
        let receipt = receipt.as_ref();
        let record = Record {
            session: attempt.request.session,
            number: attempt.request.number,
            attempt: attempt.attempt,
            invoked: operations.nanoseconds(sent),
            completed: is_answered.then(|| operations.nanoseconds(ended)),
            code: status.code,
            status: status.word().map(|undefined| &*undefined.word),
            seq: receipt.and_then(|receipt| receipt.seq),
            version: receipt.map(|receipt| &*receipt.version),
            at_most: receipt.and_then(|receipt| receipt.at_most.as_deref()),
            balance: answer.balance,
            trace,
            ..Record::new(self.id, number, branch, operation, answer.outcome)
        };
        operations.push(&record);
        let class = details.class(answer.outcome);
        self.worker.in_flight.end(self.worker.index, branch, ended, class);
        recorder.record(&record, details, self.worker.is_in_window(ended));
    }
}

impl Drop for Customer<'_> {
    fn drop(&mut self) {
        let answer = Answer { outcome: Outcome::Unknown, balance: None };
        let status = CallStatus::failed(StatusCode::Cancelled, true, "the run was ended");
        let attempt = self.session.last();
        let called = Called {
            answer,
            status,
            is_overloaded_or_gone: false,
            attempt,
            receipt: None,
            trace: None,
        };
        self.record(called, Instant::now());
        self.worker.active.update(|active| active.saturating_sub(1));
    }
}
