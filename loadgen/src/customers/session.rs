//! One customer: one operation at a time, in order.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use passbook::bank::{Answer, CustomerId, SessionId};
use passbook::files::Event;
use passbook::replicate::passbook::Session;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::client::Bank;
use super::recorder::Recorder;
use crate::scenario::SampleRate;

/// An operation and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The how-manieth operation of the customer it is, from 1.
    pub number: u64,
    /// What was asked, and where.
    pub event: Event,
    /// What was answered.
    pub answer: Answer,
}

/// Everything one customer did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who.
    pub customer: CustomerId,
    /// What.
    pub done: Vec<Done>,
}

/// What the customers of one thread share. Only that thread touches it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bank: Bank,
    pub(super) recorder: RefCell<Recorder>,
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
    ) -> Record {
        let mut record = Record { customer, done: Vec::new() };
        let mut session = Session::new(SessionId(rand::random()));
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
            let answer = self.bank.call(&mut session, customer, number, &event, traced).await;
            let ended = Instant::now();
            self.recorder.borrow_mut().record(
                event.operation,
                answer.outcome,
                ended.saturating_duration_since(due),
                ended.saturating_duration_since(sent),
            );
            record.done.push(Done { number, event, answer });
            due = ended + self.think;
        }
        self.active.set(self.active.get().saturating_sub(1));
        record
    }
}
