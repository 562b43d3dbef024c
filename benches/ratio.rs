//! Throughput as a ratio, in interleaved pairs on one machine: whole runs of `loadgen` with 500
//! customers depositing, against a raw unary echo with 500 calls in flight; and tracing against none.
//!
//! Everything that a run records is on. Medians are printed with the least and the most.

mod support;

use std::io::Write;
use std::time::Duration;

use loadgen::scenario::{
    ClusterChoice, Mix, SampleRate, Scenario, Stop, Synthetic, Wire, Workload,
};
use loadgen::{ExitCode, Hooks};
use passbook::replicate::{Ack, Fanout, Locking, Read, Scheme};
use passbook::telemetry::Tracing;
use support::{EchoCallers, EchoServer};
use tokio_util::sync::CancellationToken;

const CUSTOMERS: u64 = 500;

/// How much is measured: enough calls for about a second each.
struct Size {
    pairs: usize,
    echo_calls: u64,
    /// Branches, and how many deposits each customer makes.
    deposits: [(u32, u64); 3],
}

const FULL: Size = Size { pairs: 9, echo_calls: 250, deposits: [(1, 200), (3, 70), (10, 10)] };
/// Under `cargo test` the bench only has to work.
const SMOKE: Size = Size { pairs: 1, echo_calls: 2, deposits: [(1, 2), (3, 2), (10, 2)] };

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--test") || cfg!(debug_assertions);
    let size = if smoke { SMOKE } else { FULL };
    let tracing = Tracing::install(50_000, None).expect("installed once");
    let mut say = std::io::stdout().lock();
    let mut row = |name: &str, ratios: Vec<f64>| {
        let (median, least, most) = spread(ratios);
        writeln!(say, "{name:<44} {median:.3}  ({least:.3} to {most:.3})").expect("printed");
    };
    let server = EchoServer::start();
    let callers = EchoCallers::connect(&server);
    let echo = || {
        let took = callers.run(CUSTOMERS, size.echo_calls).as_secs_f64();
        rate(CUSTOMERS * size.echo_calls, took)
    };
    // Once for nothing: code, connections and allocator are warm then.
    echo();
    for (branches, events) in size.deposits {
        let pairs = (0..size.pairs).map(|_| {
            let before = echo();
            deposits(&tracing, branches, events, SampleRate::NONE) / before
        });
        row(&format!("deposits at {branches} branches / echo"), pairs.collect());
    }
    let [_, (branches, events), _] = size.deposits;
    for percent in ["1%", "100%"] {
        let sampled: SampleRate = percent.parse().expect("a rate");
        let pairs = (0..size.pairs).map(|_| {
            let without = deposits(&tracing, branches, events, SampleRate::NONE);
            deposits(&tracing, branches, events, sampled) / without
        });
        row(&format!("traced at {percent} / not traced, {branches} branches"), pairs.collect());
    }
}

/// Answered deposits per second of a whole run, which must pass.
fn deposits(tracing: &Tracing, branches: u32, events: u64, trace_sample: SampleRate) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = Scenario {
        workload: Workload::Synthetic(Synthetic {
            customers: CUSTOMERS,
            branches,
            stop: Stop::Events(events),
            mix: Mix { deposit: 100, withdraw: 0, query: 0 },
            roam: 0.2,
            opening: None,
            seed: 1,
            think: Duration::ZERO,
        }),
        cluster: ClusterChoice::Embedded(Scheme::Broadcast {
            fanout: Fanout::Parallel,
            locking: Locking::Unlocked,
        }),
        wire: Wire::Passbook,
        ack: Ack::All,
        read: Read::default(),
        timeout: Duration::from_secs(30),
        trace_sample,
        metrics_listen: None,
        out: Some(folder.path().join("run")),
    };
    let hooks = Hooks {
        progress: &mut |_| {},
        interrupted: CancellationToken::new(),
        tracing: Some(tracing),
        replica: None,
    };
    let report = loadgen::run(&scenario, hooks).expect("a run");
    assert_eq!(report.exit_code(), ExitCode::Passed, "{}", report.render());
    report.throughput_per_s()
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a rate is a float")]
fn rate(calls: u64, seconds: f64) -> f64 {
    calls as f64 / seconds
}

/// Median, least and most.
fn spread(mut ratios: Vec<f64>) -> (f64, f64, f64) {
    ratios.sort_by(f64::total_cmp);
    (ratios[ratios.len() / 2], ratios[0], ratios[ratios.len() - 1])
}
