//! One customer: one operation at a time, in order.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use passbook::bank::{Answer, CustomerId, Outcome, SessionId};
use passbook::files::Event;
use passbook::replicate::passbook::Session;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::client::{Bank, Called};
use super::recorder::Recorder;
use crate::record::{Calls, Performed};
use crate::scenario::SampleRate;

/// What the customers of one thread share. Only that thread touches it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bank: Bank,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) calls: RefCell<Calls>,
    pub(super) active: Cell<u64>,
    pub(super) trace_sample: SampleRate,
    pub(super) think: Duration,
    /// No operation begins after this.
    pub(super) until: Option<Instant>,
    pub(super) interrupted: CancellationToken,
}

/// A customer at work. If it is dropped before an operation was answered, the operation is recorded as unknown.
struct Customer<'a> {
    shared: &'a Shared,
    id: CustomerId,
    session: Session,
    under_way: Option<UnderWay>,
}

/// An operation that has been sent and not answered.
struct UnderWay {
    number: u64,
    event: Event,
    due: Instant,
    sent: Instant,
}

impl Customer<'_> {
    /// Records that what was under way ended at `ended` like this.
    fn record(&mut self, called: Called, ended: Instant) {
        let Some(UnderWay { number, event, due, sent }) = self.under_way.take() else { return };
        let Called { answer, attempt, receipt, trace } = called;
        let performed = Performed {
            customer: self.id,
            event: number,
            operation: event.operation,
            branch: event.branch,
            due,
            sent,
            ended,
            attempt,
            answer,
            receipt,
            trace,
        };
        self.shared.recorder.borrow_mut().record(&performed);
        self.shared.calls.borrow_mut().take(performed);
    }
}

impl Drop for Customer<'_> {
    fn drop(&mut self) {
        let answer = Answer { outcome: Outcome::Unknown, balance: None };
        let attempt = self.session.last();
        self.record(Called { answer, attempt, receipt: None, trace: None }, Instant::now());
    }
}

impl Shared {
    fn is_over(&self, due: Instant) -> bool {
        self.interrupted.is_cancelled() || self.until.is_some_and(|until| due >= until)
    }

    /// Does `events`, each with its number, one after another; the first is due at `due`.
    pub(super) async fn session(
        &self,
        customer: CustomerId,
        events: impl IntoIterator<Item = (u64, Event)>,
        mut due: Instant,
    ) {
        let session = Session::new(SessionId(rand::random()));
        let mut customer = Customer { shared: self, id: customer, session, under_way: None };
        for (number, event) in events {
            if self.is_over(due) {
                break;
            }
            if due > Instant::now() {
                tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.interrupted.cancelled() => break,
                }
            }
            let sent = Instant::now();
            let traced = self.trace_sample.takes(customer.id, number);
            customer.under_way = Some(UnderWay { number, event, due, sent });
            let (session, id) = (&mut customer.session, customer.id);
            let called = self.bank.call(session, id, number, &event, traced).await;
            let ended = Instant::now();
            customer.record(called, ended);
            due = ended + self.think;
        }
        self.active.set(self.active.get().saturating_sub(1));
    }
}
