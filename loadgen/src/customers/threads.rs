//! Customers in a thread of their own, which never shares a core's runtime with the branches.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use passbook::bank::{BranchId, CustomerId};
use passbook::files::Event;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use super::client::{Bank, ConnectError};
use super::recorder::{Live, Recorder};
use super::session::Shared;
use super::wires::Terms;
use crate::interrupt::Interrupt;
use crate::record::Calls;
use crate::scenario::{SampleRate, Stop, Synthetic, Wire};

/// How often a thread says how far it is.
const LOOK: Duration = Duration::from_millis(250);

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
    /// 50th and 99th percentile of the response times since the last look, nanoseconds.
    pub recent: (u64, u64),
}

/// What came of a thread of customers.
#[derive(Debug)]
pub struct Ran {
    /// What was measured.
    pub recorder: Recorder,
    /// What was recorded.
    pub calls: Calls,
    /// From the instant the first operation was due to the last answer.
    pub measured: Duration,
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
            return Ok(Ran { recorder, calls, measured: Duration::ZERO });
        };
        let bank = bank?;
        let begun = Instant::now();
        let (until, think, active) = match &self.crowd {
            Crowd::AtOnce { synthetic, .. } => {
                let until = match synthetic.stop {
                    Stop::Events(_) => None,
                    Stop::After(duration) => Some(begun + duration),
                };
                (until, synthetic.think, synthetic.customers)
            }
            Crowd::Lists(lists, _) => {
                (None, Duration::ZERO, u64::try_from(lists.len()).unwrap_or(u64::MAX))
            }
        };
        let shared = Rc::new(Shared {
            bank,
            recorder: RefCell::new(self.recorder),
            calls: RefCell::new(self.calls),
            active: Cell::new(active),
            trace_sample: self.trace_sample,
            think,
            until,
            interrupted: self.interrupt.drain().clone(),
        });
        let give_up = self.interrupt.report();
        let looking = tokio::task::spawn_local(look_at(Rc::clone(&shared), begun, looks.clone()));
        match self.crowd {
            Crowd::AtOnce { synthetic, branches } => {
                at_once(&shared, &synthetic, &branches, begun, give_up).await;
            }
            Crowd::Lists(lists, Order::OneAfterAnother) => {
                let one_after_another = async {
                    let mut due = begun;
                    for (customer, events) in lists {
                        shared.session(customer, events, due).await;
                        due = Instant::now();
                    }
                };
                // Given up, the session records what was under way.
                give_up.run_until_cancelled(one_after_another).await;
            }
            Crowd::Lists(lists, Order::AtOnce) => {
                let sessions = lists.into_iter().map(|(customer, events)| {
                    let shared = Rc::clone(&shared);
                    async move { shared.session(customer, events, begun).await }
                });
                all(sessions, give_up).await;
            }
        }
        let measured = begun.elapsed();
        looking.abort();
        // Nobody may be looking.
        let _ = looks.send(look_now(&shared, begun));
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
        async move { shared.session(customer, mine, begun).await }
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

/// Reports until it is aborted.
async fn look_at(shared: Rc<Shared>, begun: Instant, looks: watch::Sender<Look>) {
    let mut ticks = interval(LOOK);
    loop {
        ticks.tick().await;
        // Nobody may be looking.
        let _ = looks.send(look_now(&shared, begun));
    }
}

fn look_now(shared: &Shared, begun: Instant) -> Look {
    let mut recorder = shared.recorder.borrow_mut();
    Look {
        elapsed: begun.elapsed(),
        active: shared.active.get(),
        live: recorder.live(),
        recent: recorder.take_recent(),
    }
}
