//! The judge of recorded runs: all properties of 1,000,000 and of 2,000,000 operations at 3 branches, of a
//! thousandth of that under `cargo test --benches`.
//!
//! `judge` is from the history and the ledgers in memory to the findings; `read` is from the two files, which are
//! as long as a real run's, to memory; `write` is the history alone, into memory. Runs are from a model that is
//! right by construction, with 500 customers and 70 writes in a hundred; each bench asserts that nothing is found
//! wrong in them, and that all was read and written. The most memory that the process ever held is told at the
//! end of each length, the run in its loose form included, which only the bench needs.

use std::path::Path;
use std::time::Duration;

use bank::Read;
use check::{Judged, Verdict, judge};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use history::{Header, History, HistoryWriter, LedgerWriter, Ledgers, Run};
use history::{read_history, read_ledger};
use testkit::recorded::{Shape, record};

const LENGTHS: [usize; 2] = [1_000_000, 2_000_000];
/// Where nothing is measured, so that `cargo test --benches` tries everything and takes no time.
const SMOKE: [usize; 2] = [1_000, 2_000];

/// As criterion has it: `cargo bench` says so, and may be asked for a trial only.
fn lengths() -> [usize; 2] {
    let has = |wanted| std::env::args().any(|argument| argument == wanted);
    if has("--bench") && !has("--test") { LENGTHS } else { SMOKE }
}

fn shape(operations: usize) -> Shape {
    Shape {
        branches: 3,
        sessions: 500,
        operations,
        opening: 1_000_000,
        read: Read::Session,
        mix: (40, 30),
        unanswered: 1,
    }
}

fn history_file(header: &Header, history: &History) -> Vec<u8> {
    let mut writer = HistoryWriter::new(Vec::new(), header).expect("in memory");
    for call in history.calls() {
        writer.write(&call).expect("in memory");
    }
    writer.finish(0).expect("in memory")
}

fn ledger_file(header: &Header, ledgers: &Ledgers) -> Vec<u8> {
    let mut writer = LedgerWriter::new(Vec::new(), header).expect("in memory");
    for (branch, log) in header.branches.iter().zip(ledgers.logs()) {
        for logged in log.entries() {
            writer.write(*branch, &logged).expect("in memory");
        }
    }
    writer.finish(&header.branches).expect("in memory")
}

/// The most memory that this process ever held, where the system tells it.
fn memory_mib_max() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

#[expect(clippy::print_stderr, reason = "a bench tells what it measured")]
fn tell(operations: usize, memory_mib: u64) {
    eprintln!("checker: {operations} operations, at most {memory_mib} MiB up to here");
}

fn assert_healthy(judged: &[Judged]) {
    for Judged { finding, promised } in judged {
        // What was not examined, such as refusals where there are none, is not judged.
        assert!(!promised || finding.verdict <= Verdict::Pass, "{finding:?}");
    }
}

fn checker(criterion: &mut Criterion) {
    assert_healthy(&record(shape(1_000), 2).judge());
    let mut group = criterion.benchmark_group("checker");
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    for operations in lengths() {
        let recording = record(shape(operations), 1);
        let run = recording.run();
        drop(recording);
        let Run { header, history, ledgers, .. } = &run;
        let count = u64::try_from(history.len()).expect("64 bits");
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new("judge", operations), |bencher| {
            bencher.iter(|| assert_healthy(&judge(&run)));
        });
        group.bench_function(BenchmarkId::new("write", operations), |bencher| {
            bencher.iter(|| assert!(history_file(header, history).len() > history.len()));
        });
        let files = (history_file(header, history), ledger_file(header, ledgers));
        group.bench_function(BenchmarkId::new("read", operations), |bencher| {
            bencher.iter(|| {
                let path = Path::new("memory");
                let (_, calls) = read_history(path, files.0.as_slice()).expect("a history");
                let (_, logs, _) = read_ledger(path, files.1.as_slice()).expect("a ledger");
                assert_eq!(
                    (calls.len(), logs.logs().len()),
                    (history.len(), header.branches.len())
                );
            });
        });
        if let Some(memory) = memory_mib_max() {
            let lines = history.len();
            tell(lines, memory);
        }
    }
    group.finish();
}

criterion_group!(benches, checker);
criterion_main!(benches);
