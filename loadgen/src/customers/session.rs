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
            let traced = self.trace_sample.takes(customer, number);
            let called = self.bank.call(&mut session, customer, number, &event, traced).await;
            let ended = Instant::now();
            let Called { answer, status, attempt, receipt, trace, .. } = called;
            let pause = backoff.after(called.is_overloaded_or_gone);
            let performed = Performed {
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
            };
            let mut recorder = self.recorder.borrow_mut();
            recorder.record(&performed);
            if let Some(pause) = pause {
                recorder.record_backoff(event.branch, pause);
            }
            drop(recorder);
            self.calls.borrow_mut().take(performed);
            due = ended + self.think.max(pause.unwrap_or_default());
        }
        self.active.set(self.active.get().saturating_sub(1));
    }
}
