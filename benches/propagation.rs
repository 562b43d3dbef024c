//! A write on its way to every branch over real loopback sockets, beside a raw unary echo.
//!
//! `write`: one customer, one deposit at a time, acknowledged by all: latency by fan-out and branches.
//! `throughput`: 500 customers in closed loop, all that a run records included.
//! Each bench asserts that every branch holds every deposit at its end.

mod support;

use std::time::Duration;

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use loadgen::customers::{Bank, Crowd, Plan, Recorder, Terms};
use loadgen::scenario::{Mix, SampleRate, Stop, Synthetic, Wire};
use passbook::bank::{BranchId, CustomerId, Money, Operation, Outcome, SessionId};
use passbook::cluster::{Cluster, ClusterSpec};
use passbook::files::Event;
use passbook::replicate::passbook::Session;
use passbook::replicate::{Fanout, Locking};
use support::{EchoCallers, EchoServer, runtime};
use tokio_util::sync::CancellationToken;

const BRANCHES: [u32; 3] = [1, 3, 10];
const CUSTOMERS: u64 = 500;
const EVENTS: u64 = 10;
const TIMEOUT: Duration = Duration::from_secs(10);

fn start(branches: u32, fanout: Fanout) -> (Cluster, Vec<(BranchId, String)>) {
    let ids = (1..=branches).map(BranchId).collect();
    let mut spec = ClusterSpec::broadcast(ids, Money::ZERO, fanout, Locking::Unlocked);
    spec.threads = loadgen::run::branch_threads();
    let cluster = Cluster::start(&spec).expect("started");
    let addresses = cluster.addresses().iter().map(|(id, address)| (*id, address.to_string()));
    let addresses = addresses.collect();
    (cluster, addresses)
}

/// Every branch holds exactly the deposits that were acknowledged.
fn assert_balances(cluster: &Cluster, deposited: i64) {
    for handle in cluster.handles() {
        let audit = runtime().block_on(handle.audit()).expect("answered");
        assert_eq!((audit.balance, audit.outstanding), (Money::new(deposited), 0));
    }
}

fn write_latency(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    group.warm_up_time(Duration::from_secs(1));
    let server = EchoServer::start();
    let callers = EchoCallers::connect(&server);
    group.bench_function("echo", |bencher| bencher.iter_custom(|calls| callers.run(1, calls)));
    for fanout in Fanout::ALL {
        for branches in BRANCHES {
            let (cluster, addresses) = start(branches, fanout);
            let runtime = runtime();
            let bank = runtime
                .block_on(Bank::connect(&addresses, Wire::Passbook, Terms::default(), TIMEOUT))
                .expect("connected");
            let mut session = Session::new(SessionId(1));
            let mut deposited = 0;
            let event =
                Event { operation: Operation::deposit(1), branch: BranchId(1), names_branch: true };
            group.bench_function(BenchmarkId::new(fanout.name(), branches), |bencher| {
                bencher.iter(|| {
                    let call = bank.call(&mut session, CustomerId(1), 1, &event, false);
                    let answer = runtime.block_on(call);
                    assert_eq!(answer.outcome, Outcome::Ok);
                    deposited += 1;
                });
            });
            assert_balances(&cluster, deposited);
            drop((bank, runtime));
            cluster.end().expect("ended well");
        }
    }
    group.finish();
}

fn throughput(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("throughput");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(CUSTOMERS * EVENTS));
    let server = EchoServer::start();
    let callers = EchoCallers::connect(&server);
    group.bench_function("echo", |bencher| {
        bencher.iter_custom(|rounds| callers.run(CUSTOMERS, EVENTS * rounds));
    });
    for fanout in Fanout::ALL {
        for branches in BRANCHES {
            let (cluster, addresses) = start(branches, fanout);
            let mut deposited = 0;
            group.bench_function(BenchmarkId::new(fanout.name(), branches), |bencher| {
                bencher.iter_custom(|rounds| {
                    let (took, more) = five_hundred(&addresses, EVENTS * rounds);
                    deposited += more;
                    took
                });
            });
            assert_balances(&cluster, deposited);
            cluster.end().expect("ended well");
        }
    }
    group.finish();
}

/// How long 500 customers take for `events` deposits each, and what they deposited.
fn five_hundred(addresses: &[(BranchId, String)], events: u64) -> (Duration, i64) {
    let synthetic = Synthetic {
        customers: CUSTOMERS,
        branches: 0,
        stop: Stop::Events(events),
        mix: Mix { deposit: 1, withdraw: 0, query: 0 },
        roam: 0.2,
        opening: None,
        seed: 1,
        think: Duration::ZERO,
    };
    let branches = addresses.iter().map(|(id, _)| *id).collect();
    let plan = Plan {
        addresses: addresses.to_vec(),
        wire: Wire::Passbook,
        terms: Terms::default(),
        timeout: TIMEOUT,
        trace_sample: SampleRate::NONE,
        crowd: Crowd::AtOnce { synthetic, branches },
        recorder: Recorder::new(),
        interrupted: CancellationToken::new(),
    };
    let at_work = plan.start(tokio::sync::watch::Sender::default()).expect("a thread");
    let ran = at_work.ran.blocking_recv().expect("not died").expect("connected");
    let done = ran.records.iter().flat_map(|record| &record.done);
    let deposited = done.map(|done| match (done.event.operation, done.answer.outcome) {
        (Operation::Write(write), Outcome::Ok) => write.amount.minor_units(),
        other => panic!("a deposit was not acknowledged: {other:?}"),
    });
    (ran.measured, deposited.sum())
}

criterion_group!(benches, write_latency, throughput);
criterion_main!(benches);
