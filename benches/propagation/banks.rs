//! Embedded banks, the customers at them, and what they are asked to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bank::{BranchId, CustomerId, Operation, Outcome, SessionId};
use exercise::Event;
use loadgen::Interrupt;
use loadgen::client::Bank;
use loadgen::load::{KindRecord, WorkerSettings, Workers, schedules};
use loadgen::record::OperationSpool;
use loadgen::scenario::{ClusterChoice, Mix, Recording, Scenario, Stop, Synthetic, Workload};
use loadgen::target::Target;
use replication::passbook::Session;
use replication::{Fanout, Locking, Scheme};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::unbounded_channel;

use crate::echo::runtime;

pub(crate) const PASSBOOK: Scheme = Scheme::Passbook;
pub(crate) const BROADCAST: Scheme = broadcast(Fanout::Parallel);
/// Customers of a bank under load, and calls of an echo in flight.
pub(crate) const CUSTOMERS: u64 = 500;

/// The seed systems' algorithm, without a lock.
pub(crate) const fn broadcast(fanout: Fanout) -> Scheme {
    Scheme::Broadcast { fanout, locking: Locking::Unlocked }
}

/// 500 customers, each of whom deposits `events` times, one after the other, at any branch.
fn deposits(branches: u32, events: u64) -> Synthetic {
    Synthetic {
        customers: CUSTOMERS,
        branches,
        stop: Stop::Events(events),
        mix: Mix { deposit: 100, withdraw: 0, query: 0 },
        ..Synthetic::default()
    }
}

/// A whole run of that in memory, acknowledged by all, not traced.
pub(crate) fn scenario(
    scheme: Scheme,
    branches: u32,
    events: u64,
    out: Option<PathBuf>,
) -> Scenario {
    let workload = Workload::Synthetic(deposits(branches, events));
    Scenario { out, ..Scenario::new(workload, ClusterChoice::Embedded(scheme)) }
}

fn amount(event: &Event) -> i64 {
    match event.operation {
        Operation::Write(write) => write.amount.minor_units(),
        Operation::Query => 0,
    }
}

/// A bank at work, and all that was deposited there.
#[derive(Debug)]
pub(crate) struct Deposits {
    runtime: Runtime,
    target: Target,
    scenario: Scenario,
    deposited: i64,
}

impl Deposits {
    /// Starts `branches` branches under `scheme` and waits until all are ready.
    pub(crate) fn start(scheme: Scheme, branches: u32) -> Self {
        let runtime = runtime();
        let scenario = scenario(scheme, branches, 0, None);
        let started = Target::start(&scenario, None, unbounded_channel().0);
        let target = runtime.block_on(started).expect("ready");
        Self { runtime, target, scenario, deposited: 0 }
    }

    /// How long 500 customers take for `events` deposits each.
    pub(crate) fn by_all(&mut self, events: u64) -> Duration {
        let ids = self.target.ids();
        let synthetic = deposits(0, events);
        let each = usize::try_from(events).expect("few");
        let drawn = (1..=CUSTOMERS)
            .map(CustomerId)
            .flat_map(|customer| synthetic.events(customer, &ids).take(each));
        let amounts: i64 = drawn.map(|event| amount(&event)).sum();
        // As in a run: everything that customers see is recorded.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let interrupt = Interrupt::default();
        let spools = OperationSpool::begin(folder.path(), Recording::All, 1, &interrupt);
        let steps = schedules(&Workload::Synthetic(synthetic), &ids, 1);
        let settings = WorkerSettings {
            addresses: self.target.addresses().to_vec(),
            scenario: Arc::new(self.scenario.clone()),
            interrupt,
        };
        let mut workers = Workers::new(settings, spools.expect("a spool")).expect("a histogram");
        let mut window = Duration::ZERO;
        for step in steps {
            let measured = self.runtime.block_on(workers.perform(step)).expect("performed");
            window += measured.window;
        }
        let KindRecord { live, .. } = workers.finish().recorder.all();
        assert_eq!((live.rejected, live.unknown), (0, 0), "a deposit was not acknowledged");
        self.deposited += amounts;
        window
    }

    /// Every branch must hold exactly what was acknowledged.
    pub(crate) fn end(self) {
        let Self { runtime, mut target, scenario: _, deposited } = self;
        let interrupt = Interrupt::default();
        let settled = runtime.block_on(target.settle(interrupt.report()));
        for state in &settled.finals {
            let held = state.balance.minor_units() - target.opening().minor_units();
            assert_eq!((held, state.settled), (deposited, true), "{state:?}");
        }
        // Branches would wait for its connections.
        drop(runtime);
        assert_eq!(target.end(&settled, &interrupt).expect("ended well"), [], "branches were lost");
    }
}

/// One customer at a bank of their own, who deposits 1 at the first branch, again and again.
#[derive(Debug)]
pub(crate) struct Alone {
    bank: Bank,
    session: Session,
    deposits: Deposits,
}

impl Alone {
    /// Starts `branches` branches under `scheme`; the customer is connected and the code warm then.
    pub(crate) fn start(scheme: Scheme, branches: u32) -> Self {
        let deposits = Deposits::start(scheme, branches);
        let addresses = deposits.target.addresses();
        let connecting = Bank::connect(addresses, &deposits.scenario);
        let bank = deposits.runtime.block_on(connecting).expect("connected");
        Self { bank, session: Session::new(SessionId(1)), deposits }
    }

    /// How long each of `calls` deposits takes.
    pub(crate) fn latencies(&mut self, calls: u64) -> Vec<Duration> {
        let Self { bank, session, deposits } = self;
        let operation = Operation::deposit(1);
        let event = Event { operation, branch: BranchId(1), names_branch: true };
        deposits.runtime.block_on(async {
            let mut took = Vec::new();
            for number in 1..=calls {
                let begun = Instant::now();
                let called = bank.call(session, CustomerId(1), number, &event, false).await;
                took.push(begun.elapsed());
                assert_eq!(called.answer.outcome, Outcome::Ok);
                deposits.deposited += 1;
            }
            took
        })
    }

    /// Every branch must hold exactly what was acknowledged.
    pub(crate) fn end(self) {
        let Self { bank, session: _, deposits } = self;
        drop(bank);
        deposits.end();
    }
}
