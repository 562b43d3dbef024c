//! A write on its way to every branch over real loopback sockets, beside a raw unary echo.
//!
//! `write`: one customer, one deposit at a time, acknowledged by all: latency by scheme and branches.
//! `throughput`: 500 customers in closed loop, all that customers record included.
//! Each bench asserts that every branch holds every deposit at its end.
//!
//! `table`: no criterion, but whole runs of `loadgen` as ratios, see there. It follows the groups if nothing
//! is asked for, and is alone if it is asked for: `cargo bench --bench propagation -- table`. Its last part alone,
//! what recording costs: `-- recording`.

mod banks;
mod costs;
mod echo;
mod table;

use std::time::Duration;

use banks::{Alone, BROADCAST, CUSTOMERS, Deposits, PASSBOOK, broadcast};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use echo::{EchoCallers, EchoServer};
use replication::Fanout;

/// As in the binary: an allocator must not make the difference.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BRANCHES: [u32; 4] = [1, 3, 10, 50];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    // Any other argument is criterion's, most likely a filter.
    let is_unfiltered =
        arguments.iter().all(|argument| ["--bench", "--test"].contains(&&**argument));
    // `cargo test`, and any debug build: it only has to work.
    let smoke = !has("--bench") || has("--test") || cfg!(debug_assertions);
    // Sockets for 50 branches. If it fails, their start says what to do.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let server = EchoServer::start();
    let callers = EchoCallers::connect(&server);
    if !has("table") && !has("recording") {
        // Starting 50 branches in a debug build shows nothing that 10 do not.
        let branches = if smoke { &BRANCHES[..3] } else { &BRANCHES };
        let mut criterion = Criterion::default().configure_from_args();
        write_latency(&mut criterion, &callers, branches);
        throughput(&mut criterion, &callers, branches);
        criterion.final_summary();
    }
    if has("table") || is_unfiltered {
        table::print(&callers, smoke).expect("printed");
    } else if has("recording") {
        table::print_recorded(smoke).expect("printed");
    }
}

fn write_latency(criterion: &mut Criterion, callers: &EchoCallers, branches: &[u32]) {
    let mut group = criterion.benchmark_group("write");
    group.warm_up_time(Duration::from_secs(1));
    group.bench_function("echo", |bencher| {
        bencher.iter_custom(|calls| callers.latencies(calls).iter().sum());
    });
    let schemes = [
        ("passbook", PASSBOOK),
        ("broadcast", BROADCAST),
        ("broadcast-sequential", broadcast(Fanout::Sequential)),
    ];
    for (name, scheme) in schemes {
        for branches in branches {
            // Not started where a filter leaves it out.
            let mut alone = None;
            group.bench_function(BenchmarkId::new(name, branches), |bencher| {
                let alone = alone.get_or_insert_with(|| Alone::start(scheme, *branches));
                bencher.iter_custom(|calls| alone.latencies(calls).iter().sum());
            });
            if let Some(alone) = alone {
                alone.end();
            }
        }
    }
    group.finish();
}

fn throughput(criterion: &mut Criterion, callers: &EchoCallers, branches: &[u32]) {
    let mut group = criterion.benchmark_group("throughput");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    let events = 10;
    group.throughput(Throughput::Elements(CUSTOMERS * events));
    group.bench_function("echo", |bencher| {
        bencher.iter_custom(|rounds| callers.run(CUSTOMERS, events * rounds));
    });
    for scheme in [PASSBOOK, BROADCAST] {
        for branches in branches {
            // At 50 branches broadcast takes more than a second for one each.
            let events = if *branches < 50 { events } else { 1 };
            group.throughput(Throughput::Elements(CUSTOMERS * events));
            let mut bank = None;
            group.bench_function(BenchmarkId::new(scheme.name(), branches), |bencher| {
                let bank = bank.get_or_insert_with(|| Deposits::start(scheme, *branches));
                bencher.iter_custom(|rounds| bank.by_all(events * rounds));
            });
            if let Some(bank) = bank {
                bank.end();
            }
        }
    }
    group.finish();
}
