//! One customer: one operation at a time, in order.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use passbook::bank::{CustomerId, SessionId};
use passbook::files::Event;
use passbook::replicate::passbook::Session;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::client::{Bank, Called};
use super::generator::GeneratorWatch;
use super::recorder::{Class, Recorder};
use super::silence::CallsInFlight;
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
    pub(super) in_flight: RefCell<CallsInFlight>,
    pub(super) generator: GeneratorWatch,
    /// No operation begins after this.
    pub(super) until: Option<Instant>,
    /// When the measured window ends. An interruption brings it forward; `None` if it lasts to the last answer.
    pub(super) window_end: Cell<Option<Instant>>,
    pub(super) interrupted: CancellationToken,
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
        let mut session = Session::new(SessionId(rand::random()));
        let mut backoff = Backoff::new(customer);
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
            let traced = self.trace_sample.takes(customer, number);
            let called = self.bank.call(&mut session, customer, number, &event, traced).await;
            let ended = Instant::now();
            let Called { answer, status, attempt, receipt, trace, is_overloaded_or_gone } = called;
            let pause = backoff.after(is_overloaded_or_gone);
            self.record(Performed {
                customer,
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
            if let Some(pause) = pause {
                self.recorder.borrow_mut().record_backoff(event.branch, pause);
            }
            let think_time = think_times.next().unwrap_or_default();
            due = ended + think_time.max(pause.unwrap_or_default());
        }
        self.active.set(self.active.get().saturating_sub(1));
    }
}
