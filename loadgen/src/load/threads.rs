//! Customers in a thread of their own, which never shares a core's runtime with the branches.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bank::{BranchId, CustomerId};
use exercise::Event;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::generator::{GeneratorWatch, OBSERVE_EVERY};
use super::measured::Measured;
use super::recorder::{Live, Recent, Recorder};
use super::session::Shared;
use super::silence::CallsInFlight;
use crate::client::Terms;
use crate::client::{Bank, ConnectError};
use crate::interrupt::Interrupt;
use crate::record::Calls;
use crate::scenario::{SampleRate, Stop, Synthetic, Wire};

/// How often a thread says how far it is.
const LOOK: Duration = Duration::from_millis(250);
/// Recent percentiles cover so many looks, a second in all.
const RECENT_LOOKS: u64 = 4;

/// What a thread's customers do.
#[derive(Clone, Debug)]
pub enum Crowd {
    /// All at once, each in its own loop.
    AtOnce {
        /// What they do.
        synthetic: Synthetic,
        /// Where.
        branches: Vec<BranchId>,
    },
    /// Lists of numbered operations.
    Lists(Vec<(CustomerId, Vec<(u64, Event)>)>, Order),
}

/// Whether customers wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The next list begins when the one before has ended.
    OneAfterAnother,
    /// All begin at once.
    AtOnce,
}

/// Everything a thread of customers is told.
#[derive(Debug)]
pub struct Plan {
    /// Where the branches are.
    pub addresses: Vec<(BranchId, String)>,
    /// By which contract they are asked.
    pub wire: Wire,
    /// What is asked for with every operation.
    pub terms: Terms,
    /// When an operation is given up.
    pub timeout: Duration,
    /// Which operations are traced.
    pub trace_sample: SampleRate,
    /// Who does what.
    pub crowd: Crowd,
    /// What was recorded so far; this goes on with it.
    pub recorder: Recorder,
    /// Where operations are recorded one by one.
    pub calls: Calls,
    /// Ends the run early.
    pub interrupt: Interrupt,
}

/// How far a thread of customers is.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Time since the first operation was due.
    pub elapsed: Duration,
    /// Customers that are not done.
    pub active: u64,
    /// Counts by kind.
    pub live: [Live; 3],
    /// Percentiles of the response times of the last whole second.
    pub recent: Recent,
}

/// What came of a thread of customers.
#[derive(Debug)]
pub struct Ran {
    /// What was measured.
    pub recorder: Recorder,
    /// What was recorded.
    pub calls: Calls,
    /// The measured window.
    pub measured: Measured,
}

/// A thread of customers at work.
#[derive(Debug)]
pub struct AtWork {
    /// What came of it. An error of receiving means that the thread died.
    pub ran: oneshot::Receiver<Result<Ran, ConnectError>>,
}

impl Plan {
    /// Starts the thread; it says by `looks` how far it is.
    pub fn start(self, looks: watch::Sender<Look>) -> io::Result<AtWork> {
        let (done, ran) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("passbook-customers".to_owned()).spawn(move || {
            let ran = LocalSet::new().block_on(&runtime, self.run(looks));
            // Nobody waits for it if the run was given up.
            let _ = done.send(ran);
        })?;
        Ok(AtWork { ran })
    }

    async fn run(self, looks: watch::Sender<Look>) -> Result<Ran, ConnectError> {
        let (wire, terms) = (self.wire, self.terms);
        let connecting = async {
            let bank = Bank::connect_to_known(&self.addresses, wire, terms, self.timeout).await?;
            bank.warm_up().await;
            Ok(bank)
        };
        let Some(bank) = self.interrupt.drain().run_until_cancelled(connecting).await else {
            let (recorder, calls) = (self.recorder, self.calls);
            return Ok(Ran { recorder, calls, measured: Measured::default() });
        };
        let bank = bank?;
        let begun = Instant::now();
        let (until, active) = match &self.crowd {
            Crowd::AtOnce { synthetic, .. } => {
                let until = match synthetic.stop {
                    Stop::Events(_) => None,
                    Stop::After(duration) => Some(begun + duration),
                };
                (until, synthetic.customers)
            }
            Crowd::Lists(lists, _) => (None, u64::try_from(lists.len()).unwrap_or(u64::MAX)),
        };
        let branches = self.addresses.iter().map(|(branch, _)| *branch);
        let shared = Rc::new(Shared {
            bank,
            recorder: RefCell::new(self.recorder),
            calls: RefCell::new(self.calls),
            active: Cell::new(active),
            trace_sample: self.trace_sample,
            in_flight: RefCell::new(CallsInFlight::new(branches, begun)),
            generator: GeneratorWatch::begin(begun),
            until,
            window_end: Cell::new(until),
            interrupted: self.interrupt.drain().clone(),
        });
        let give_up = self.interrupt.report();
        let looking = tokio::task::spawn_local(look_at(Rc::clone(&shared), begun, looks.clone()));
        let watching = tokio::task::spawn_local(watch_window(Rc::clone(&shared)));
        match self.crowd {
            Crowd::AtOnce { synthetic, branches } => {
                at_once(&shared, &synthetic, &branches, begun, give_up).await;
            }
            Crowd::Lists(lists, Order::OneAfterAnother) => {
                let one_after_another = async {
                    let mut due = begun;
                    for (customer, events) in lists {
                        shared.session(customer, events, due, std::iter::empty()).await;
                        due = Instant::now();
                    }
                };
                // Given up, the session records what was under way.
                give_up.run_until_cancelled(one_after_another).await;
            }
            Crowd::Lists(lists, Order::AtOnce) => {
                let sessions = lists.into_iter().map(|(customer, events)| {
                    let shared = Rc::clone(&shared);
                    async move { shared.session(customer, events, begun, std::iter::empty()).await }
                });
                all(sessions, give_up).await;
            }
        }
        let answered_last = Instant::now();
        // Customers may all be thinking beyond the end of the window: it is as long as it was asked for.
        if let Some(until) = until {
            tokio::select! {
                () = sleep_until(until) => {}
                () = shared.interrupted.cancelled() => {}
            }
        }
        looking.abort();
        watching.abort();
        if shared.interrupted.is_cancelled() {
            shared.end_window(Instant::now());
        }
        let window_end = shared.window_end.get().unwrap_or(answered_last);
        let measured = Measured {
            window: window_end.saturating_duration_since(begun),
            silence: shared.in_flight.borrow_mut().finish(),
            generator: shared.generator.finish(Instant::now()),
        };
        // Nobody may be looking.
        let recent = shared.recorder.borrow_mut().take_recent();
        let _ = looks.send(look_now(&shared, begun, recent));
        let (recorder, calls) = (shared.recorder.take(), shared.calls.take());
        Ok(Ran { recorder, calls, measured })
    }
}

async fn at_once(
    shared: &Rc<Shared>,
    synthetic: &Synthetic,
    branches: &[BranchId],
    begun: Instant,
    give_up: &CancellationToken,
) {
    let events = match synthetic.stop {
        Stop::Events(events) => usize::try_from(events).unwrap_or(usize::MAX),
        Stop::After(_) => usize::MAX,
    };
    let sessions = (1..=synthetic.customers).map(CustomerId).map(|customer| {
        let shared = Rc::clone(shared);
        let mine = (1..).zip(synthetic.events(customer, branches)).take(events);
        let due = begun + synthetic.start_of(customer);
        let think_times = synthetic.think_times(customer);
        async move { shared.session(customer, mine, due, think_times).await }
    });
    all(sessions, give_up).await;
}

/// All sessions at once. When `give_up` is cancelled they are dropped, and record what was under way.
async fn all<F>(sessions: impl Iterator<Item = F>, give_up: &CancellationToken)
where
    F: Future<Output = ()> + 'static,
{
    let mut tasks = JoinSet::new();
    for session in sessions {
        tasks.spawn_local(session);
    }
    while let Some(Some(ended)) = give_up.run_until_cancelled(tasks.join_next()).await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    tasks.shutdown().await;
}

/// Observes the loop until the measured window ends, which an interruption brings forward.
async fn watch_window(shared: Rc<Shared>) {
    let mut ticks = interval(OBSERVE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let window_ended = || shared.window_end.get().is_some_and(|end| Instant::now() >= end);
    while !window_ended() {
        tokio::select! {
            _ = ticks.tick() => shared.generator.observe(Instant::now()),
            () = shared.interrupted.cancelled() => shared.end_window(Instant::now()),
        }
    }
    shared.generator.finish(Instant::now());
}

/// Reports until it is aborted.
async fn look_at(shared: Rc<Shared>, begun: Instant, looks: watch::Sender<Look>) {
    let mut ticks = interval(LOOK);
    let mut recent = Recent::default();
    for look in 1_u64.. {
        ticks.tick().await;
        if look.is_multiple_of(RECENT_LOOKS) {
            recent = shared.recorder.borrow_mut().take_recent();
        }
        // Nobody may be looking.
        let _ = looks.send(look_now(&shared, begun, recent));
    }
}

fn look_now(shared: &Shared, begun: Instant, recent: Recent) -> Look {
    let live = shared.recorder.borrow().live();
    Look { elapsed: begun.elapsed(), active: shared.active.get(), live, recent }
}
