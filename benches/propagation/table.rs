//! Speed as ratios, in interleaved pairs on one machine, so that what else the machine does meets both.
//!
//! Whole runs of `loadgen` with 500 customers depositing, against a raw unary echo with 500 calls in flight;
//! one customer alone, against the echo called alone; and tracing and recording against none (`costs`).
//! All that a run records is on, also the sample of traces that `loadgen` takes unless told otherwise, and
//! every run must pass. Medians are printed with the least and the most.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use loadgen::scenario::{Recording, Share};
use loadgen::{ExitCode, Hooks, Interrupt, RunReport, Scenario};
use passbook::telemetry::Tracing;
use replication::Scheme;

use crate::banks::{Alone, BROADCAST, CUSTOMERS, PASSBOOK, scenario};
use crate::costs;
use crate::echo::EchoCallers;

/// Calls of the echo for about a second, by each of 500.
const ECHO_CALLS: u64 = 250;
/// Writes of one customer alone, in a pair with as many calls of the echo.
const ALONE: u64 = 2_000;
const ALONE_BRANCHES: u32 = 3;
const PAIRS: usize = 9;
/// Where both sides of a pair are runs, or one run takes long.
pub(crate) const PAIRS_FEW: usize = 5;
/// As `loadgen` does.
const KEEP_SPANS: usize = 50_000;

/// One line of the table.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) scheme: Scheme,
    pub(crate) branches: u32,
    /// Deposits of each customer: enough for about a second.
    pub(crate) events: u64,
    pub(crate) pairs: usize,
    pub(crate) needed: Needed,
}

const ROWS: [Row; 8] = [
    Row { scheme: PASSBOOK, branches: 1, events: 200, pairs: PAIRS, needed: Needed::Nothing },
    Row { scheme: PASSBOOK, branches: 3, events: 180, pairs: PAIRS, needed: Needed::AtLeast(0.65) },
    Row { scheme: PASSBOOK, branches: 10, events: 100, pairs: PAIRS, needed: Needed::AtLeast(0.5) },
    Row { scheme: PASSBOOK, branches: 50, events: 10, pairs: PAIRS, needed: Needed::AtLeast(0.03) },
    Row { scheme: BROADCAST, branches: 1, events: 200, pairs: PAIRS, needed: Needed::Nothing },
    Row { scheme: BROADCAST, branches: 3, events: 60, pairs: PAIRS, needed: Needed::Nothing },
    Row { scheme: BROADCAST, branches: 10, events: 10, pairs: PAIRS, needed: Needed::Nothing },
    Row { scheme: BROADCAST, branches: 50, events: 1, pairs: PAIRS_FEW, needed: Needed::Nothing },
];

impl Row {
    /// Under `cargo test` it only has to work.
    fn smoke(self) -> Option<Self> {
        (self.branches < 50).then_some(Self { events: 2, pairs: 1, ..self })
    }

    /// A whole run of it, which must pass.
    pub(crate) fn run(
        &self,
        tracing: &Tracing,
        trace_sample: Share,
        recording: Recording,
    ) -> RunReport {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = Some(folder.path().join("run"));
        let scenario = Scenario {
            trace_sample,
            recording,
            // What is not recorded cannot be checked, and is not to be here.
            unchecked_ok: true,
            ..scenario(self.scheme, self.branches, self.events, out)
        };
        let hooks = Hooks {
            progress: &mut |_| {},
            interrupt: Interrupt::default(),
            metrics: None,
            tracing: Some(tracing),
            replica: None,
        };
        let report = loadgen::run(&scenario, hooks).expect("a run");
        assert_eq!(report.exit_code(), ExitCode::Passed, "{}", report.render());
        report
    }
}

/// What a median ratio has to be.
#[derive(Clone, Copy)]
pub(crate) enum Needed {
    Nothing,
    AtLeast(f64),
    AtMost(f64),
}

impl Needed {
    /// What was needed and whether it is met.
    fn verdict(self, ratio: f64) -> String {
        let (bound, least, met) = match self {
            Self::Nothing => return "none".to_owned(),
            Self::AtLeast(bound) => (bound, "at least", ratio >= bound),
            Self::AtMost(bound) => (bound, "at most", ratio <= bound),
        };
        let met =
            if met { "met".to_owned() } else { format!("does not hold: {ratio:.3} of {bound}") };
        format!("{least} {bound}: {met}")
    }
}

/// What was measured several times.
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
}

impl From<Vec<f64>> for Spread {
    fn from(mut measured: Vec<f64>) -> Self {
        measured.sort_by(f64::total_cmp);
        let (median, most) = (measured[measured.len() / 2], measured[measured.len() - 1]);
        Self { median, least: measured[0], most }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.3} ({:.3} to {:.3})", self.median, self.least, self.most))
    }
}

/// Measures and prints all of it.
pub(crate) fn print(callers: &EchoCallers, smoke: bool) -> io::Result<()> {
    let mut say = io::stdout().lock();
    if smoke {
        writeln!(say, "\na smoke run: the figures below mean nothing")?;
    }
    let tracing = Tracing::install(KEEP_SPANS, None).expect("installed once");
    let rows = rows(smoke);
    let echo_calls = if smoke { 2 } else { ECHO_CALLS };
    let echo = || rate(CUSTOMERS * echo_calls, callers.run(CUSTOMERS, echo_calls));
    // Once for nothing: code, connections and allocator are warm then.
    echo();
    throughput(&mut say, &rows, &tracing, &echo)?;
    let (pairs, calls) = if smoke { (1, 10) } else { (PAIRS, ALONE) };
    alone(&mut say, callers, pairs, calls)?;
    costs::traced(&mut say, &rows, &tracing)?;
    costs::recorded(&mut say, &rows, &tracing)
}

/// Prints what recording costs, and nothing else.
pub(crate) fn print_recorded(smoke: bool) -> io::Result<()> {
    let tracing = Tracing::install(KEEP_SPANS, None).expect("installed once");
    costs::recorded(&mut io::stdout().lock(), &rows(smoke), &tracing)
}

fn rows(smoke: bool) -> Vec<Row> {
    ROWS.into_iter().filter_map(|row| if smoke { row.smoke() } else { Some(row) }).collect()
}

fn throughput(
    say: &mut impl Write,
    rows: &[Row],
    tracing: &Tracing,
    echo: &dyn Fn() -> f64,
) -> io::Result<()> {
    writeln!(
        say,
        "\n{CUSTOMERS} customers depositing, closed loop, in memory, acknowledged by all, nothing traced; pairs with a raw \
         unary echo with {CUSTOMERS} calls in flight"
    )?;
    writeln!(
        say,
        "{:<10}{:>8}  {:<24}{:>9}{:>14}  ratio needed",
        "scheme", "branches", "ratio to the echo", "writes/s", "frames/write"
    )?;
    let mut echoed = Vec::new();
    for row in rows {
        let (mut ratios, mut rates, mut frames) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..row.pairs {
            let before = echo();
            let report = row.run(tracing, Share::NONE, Recording::All);
            let rate = report.throughput_per_s();
            echoed.push(before);
            ratios.push(rate / before);
            rates.push(rate);
            frames.push(report.frames_per_write().expect("embedded branches tell"));
        }
        let [ratio, rate, frames] = [ratios, rates, frames].map(Spread::from);
        writeln!(
            say,
            "{:<10}{:>8}  {ratio:<24}{:>9.0}{:>14.2}  {}",
            row.scheme.name(),
            row.branches,
            rate.median,
            frames.median,
            row.needed.verdict(ratio.median)
        )?;
    }
    let Spread { median, least, most } = echoed.into();
    writeln!(say, "the echo: {median:.0} calls/s ({least:.0} to {most:.0})")
}

/// Latency of single calls: medians of a series, as ratios.
fn alone(say: &mut impl Write, callers: &EchoCallers, pairs: usize, calls: u64) -> io::Result<()> {
    writeln!(
        say,
        "\none customer alone at {ALONE_BRANCHES} branches, acknowledged by all; pairs of {calls} deposits \
         with as many calls of the echo, one at a time"
    )?;
    writeln!(
        say,
        "{:<10}{:>15}{:>15}  {:<24}ratio needed",
        "scheme", "median write", "median echo", "ratio of medians"
    )?;
    for (scheme, needed) in [(PASSBOOK, Needed::AtMost(2.2)), (BROADCAST, Needed::Nothing)] {
        let mut customer = Alone::start(scheme, ALONE_BRANCHES);
        // Once for nothing.
        customer.latencies(calls);
        let (mut ratios, mut writes, mut echoes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..pairs {
            let echo = median_us(callers.latencies(calls));
            let write = median_us(customer.latencies(calls));
            ratios.push(write / echo);
            writes.push(write);
            echoes.push(echo);
        }
        customer.end();
        let [ratio, write, echo] = [ratios, writes, echoes].map(Spread::from);
        writeln!(
            say,
            "{:<10}{:>12.1} µs{:>12.1} µs  {ratio:<24}{}",
            scheme.name(),
            write.median,
            echo.median,
            needed.verdict(ratio.median)
        )?;
    }
    Ok(())
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a rate is a float")]
fn rate(calls: u64, took: Duration) -> f64 {
    calls as f64 / took.as_secs_f64()
}

/// The median in microseconds.
fn median_us(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    took[took.len() / 2].as_secs_f64() * 1e6
}
