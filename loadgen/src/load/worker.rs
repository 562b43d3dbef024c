//! One thread of customers: its connections, its schedule and what it records. It shares no core's runtime with the
//! branches.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bank::BranchId;
use hdrhistogram::Histogram;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::customer;
use super::generator_load::{GeneratorWatch, OBSERVE_EVERY};
use super::measured::Measured;
use super::progress::WorkerProgress;
use super::recorder::Recorder;
use super::schedule::Schedule;
use super::silence::CallsInFlight;
use super::workers::LoadError;
use crate::client::Bank;
use crate::interrupt::Interrupt;
use crate::record::OperationSpool;
use crate::scenario::{Scenario, Share};

/// How often a worker publishes its progress.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);
/// Recent percentiles cover so many publications, a second in all.
const RECENT_PUBLICATIONS: u64 = 4;

/// What all workers of a run have in common.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Where the branches are.
    pub addresses: Vec<(BranchId, String)>,
    /// What the run is to do.
    pub scenario: Arc<Scenario>,
    /// Ends the run early.
    pub interrupt: Interrupt,
}

/// What a worker records during a run, whatever the number of its steps.
#[derive(Debug)]
pub(super) struct WorkerRecord {
    pub(super) recorder: Recorder,
    pub(super) operations: OperationSpool,
    pub(super) progress: watch::Sender<WorkerProgress>,
}

/// The signal by which all workers begin at once.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) begun: Instant,
    /// The index of the worker among all of them.
    pub(super) worker: usize,
    pub(super) in_flight: Arc<CallsInFlight>,
}

/// What the customers of one worker share. Only its thread touches it, but for the calls in flight.
pub(super) struct Worker {
    pub(super) bank: Bank,
    pub(super) schedule: RefCell<Schedule>,
    pub(super) record: RefCell<WorkerRecord>,
    /// Its index in [`CallsInFlight`].
    pub(super) index: usize,
    pub(super) in_flight: Arc<CallsInFlight>,
    pub(super) trace_sample: Share,
    pub(super) interrupted: CancellationToken,
    /// Customers that are not done.
    pub(super) active: Cell<u64>,
    begun: Instant,
    /// When the measured window ends. An interruption brings it forward; `None` if it lasts to the last answer.
    window_end: Cell<Option<Instant>>,
    generator: GeneratorWatch,
}

/// Performs `schedule`, from the start signal on. Reports by `ready` that it has connected.
pub(super) async fn perform(
    settings: WorkerSettings,
    schedule: Schedule,
    record: WorkerRecord,
    ready: oneshot::Sender<()>,
    start: oneshot::Receiver<Start>,
) -> Result<(WorkerRecord, Measured), LoadError> {
    let WorkerSettings { addresses, scenario, interrupt } = settings;
    let connecting = async {
        let bank = Bank::connect(&addresses, &scenario).await?;
        bank.warm_up().await;
        Ok::<_, LoadError>(bank)
    };
    let Some(bank) = interrupt.drain().run_until_cancelled(connecting).await.transpose()? else {
        return Ok((record, Measured::default()));
    };
    // Nobody waits for it if the run was given up.
    let _ = ready.send(());
    let Ok(Start { begun, worker: index, in_flight }) = start.await else {
        return Ok((record, Measured::default()));
    };
    let worker = Rc::new(Worker {
        bank,
        record: RefCell::new(record),
        index,
        in_flight,
        trace_sample: scenario.trace_sample,
        interrupted: interrupt.drain().clone(),
        active: Cell::new(u64::try_from(schedule.sessions()).unwrap_or(u64::MAX)),
        begun,
        window_end: Cell::new(schedule.window().map(|window| begun + window)),
        schedule: RefCell::new(schedule),
        generator: GeneratorWatch::begin(begun),
    });
    let mut observers = JoinSet::new();
    observers.spawn_local(publish(Rc::clone(&worker)));
    observers.spawn_local(observe(Rc::clone(&worker)));
    let measured = Rc::clone(&worker).perform(interrupt.report()).await;
    observers.shutdown().await;
    worker.active.set(0);
    worker.publish(Some(worker.take_recent()));
    let worker = Rc::into_inner(worker).ok_or(LoadError::Died)?;
    Ok((worker.record.into_inner(), measured))
}

impl Worker {
    /// The instant that is `elapsed` after the load began.
    pub(super) fn instant(&self, elapsed: Duration) -> Instant {
        self.begun + elapsed
    }

    /// The time from when the load began to `at`.
    pub(super) fn elapsed(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begun)
    }

    /// Whether `ended` lies in the measured window.
    pub(super) fn is_in_window(&self, ended: Instant) -> bool {
        self.window_end.get().is_none_or(|end| ended <= end)
    }

    /// Ends the measured window at `at`, unless it ends earlier.
    fn end_window(&self, at: Instant) {
        let end = self.window_end.get().map_or(at, |end| end.min(at));
        self.window_end.set(Some(end));
    }

    fn take_recent(&self) -> Arc<Histogram<u64>> {
        Arc::new(self.record.borrow_mut().recorder.take_recent())
    }

    fn publish(&self, recent: Option<Arc<Histogram<u64>>>) {
        let (elapsed, active, record) =
            (self.begun.elapsed(), self.active.get(), self.record.borrow());
        let live = record.recorder.live();
        record.progress.send_replace(WorkerProgress { elapsed, active, live, recent });
    }

    /// Performs the schedule. When `give_up` is cancelled, customers are dropped, and record what was in flight.
    async fn perform(self: Rc<Self>, give_up: &CancellationToken) -> Measured {
        let planned_end = self.window_end.get();
        let mut customers = JoinSet::new();
        loop {
            let next = self.schedule.borrow_mut().next(None);
            let Some(due) = next else { break };
            let worker = Rc::clone(&self);
            customers.spawn_local(async move { customer::perform(&worker, due).await });
        }
        while let Some(Some(ended)) = give_up.run_until_cancelled(customers.join_next()).await {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        customers.shutdown().await;
        let answered_last = Instant::now();
        // Customers may all be thinking beyond the end of the window: it is as long as it was asked for.
        if let Some(end) = planned_end {
            self.interrupted.run_until_cancelled(sleep_until(end)).await;
        }
        if self.interrupted.is_cancelled() {
            self.end_window(Instant::now());
        }
        let end = self.window_end.get().unwrap_or(answered_last);
        let generator = self.generator.finish(Instant::now());
        Measured { window: self.elapsed(end), silence: None, generator }
    }
}

/// Observes the worker's loop until the measured window ends, which an interruption brings forward.
async fn observe(worker: Rc<Worker>) {
    let mut ticks = interval(OBSERVE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let has_ended = || worker.window_end.get().is_some_and(|end| Instant::now() >= end);
    while !has_ended() {
        tokio::select! {
            _ = ticks.tick() => worker.generator.observe(Instant::now()),
            () = worker.interrupted.cancelled() => worker.end_window(Instant::now()),
        }
    }
    worker.generator.finish(Instant::now());
}

/// Publishes the worker's progress until it is aborted.
async fn publish(worker: Rc<Worker>) {
    let mut ticks = interval(PUBLISH_EVERY);
    let mut recent = None;
    for publication in 1_u64.. {
        ticks.tick().await;
        if publication.is_multiple_of(RECENT_PUBLICATIONS) {
            recent = Some(worker.take_recent());
        }
        worker.publish(recent.clone());
    }
}
