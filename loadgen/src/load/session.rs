//! One customer: one operation at a time, in order.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bank::{Answer, CustomerId, Outcome, SessionId, StatusCode};
use exercise::Event;
use replication::passbook::Session;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::generator::GeneratorWatch;
use super::recorder::{Class, Recorder};
use super::silence::CallsInFlight;
use crate::client::Backoff;
use crate::client::{Bank, Called};
use crate::record::{CallStatus, Calls, Performed};
use crate::scenario::SampleRate;

/// What the customers of one thread share. Only that thread touches it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bank: Bank,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) calls: RefCell<Calls>,
    pub(super) active: Cell<u64>,
    pub(super) trace_sample: SampleRate,
    pub(super) in_flight: RefCell<CallsInFlight>,
    pub(super) generator: GeneratorWatch,
    /// No operation begins after this.
    pub(super) until: Option<Instant>,
    /// When the measured window ends. An interruption brings it forward; `None` if it lasts to the last answer.
    pub(super) window_end: Cell<Option<Instant>>,
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
        let Called { answer, status, attempt, receipt, trace, .. } = called;
        self.shared.record(Performed {
            customer: self.id,
            event: number,
            operation: event.operation,
            branch: event.branch,
            due,
            sent,
            ended,
            attempt,
            answer,
            status,
            receipt,
            trace,
        });
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
    }
}

impl Shared {
    fn is_over(&self, due: Instant) -> bool {
        self.interrupted.is_cancelled() || self.until.is_some_and(|until| due >= until)
    }

    /// Ends the measured window at `at`, unless it ends earlier.
    pub(super) fn end_window(&self, at: Instant) {
        let end = self.window_end.get().map_or(at, |end| end.min(at));
        self.window_end.set(Some(end));
    }

    fn record(&self, performed: Performed) {
        let Performed { branch, ended, .. } = performed;
        let in_window = self.window_end.get().is_none_or(|end| ended <= end);
        self.in_flight.borrow_mut().end(branch, ended, Class::of(&performed));
        self.recorder.borrow_mut().record(&performed, in_window);
        self.calls.borrow_mut().take(performed);
    }

    /// Does `events`, each with its number, one after another; the first is due at `due`, each later one when the
    /// answer before it has come and the next of `think_times` has passed.
    pub(super) async fn session(
        &self,
        customer: CustomerId,
        events: impl IntoIterator<Item = (u64, Event)>,
        mut due: Instant,
        mut think_times: impl Iterator<Item = Duration>,
    ) {
        #[expect(clippy::disallowed_methods, reason = "no other session has this name")]
        let session = Session::new(SessionId(rand::random()));
        let mut backoff = Backoff::new(customer);
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
            self.in_flight.borrow_mut().start(event.branch, sent);
            let traced = self.trace_sample.takes(customer.id, number);
            customer.under_way = Some(UnderWay { number, event, due, sent });
            let (session, id) = (&mut customer.session, customer.id);
            let called = self.bank.call(session, id, number, &event, traced).await;
            let ended = Instant::now();
            let pause = backoff.after(called.is_overloaded_or_gone);
            customer.record(called, ended);
            if let Some(pause) = pause {
                self.recorder.borrow_mut().record_backoff(event.branch, pause);
            }
            let think_time = think_times.next().unwrap_or_default();
            due = ended + think_time.max(pause.unwrap_or_default());
        }
        self.active.set(self.active.get().saturating_sub(1));
    }
}
