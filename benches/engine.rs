//! The passbook scheme by itself: a write through N state machines, acknowledged by all, no sockets.
//!
//! `alone`: one write, then its pushes and acknowledgements. `batch`: 100 writes that arrive together and
//! share them; the time is for all 100, and `thrpt` counts single writes. Making the requests, with the token that
//! a customer carries, is in it. Each bench asserts that every branch holds
//! every deposit, and that a push to each peer and its acknowledgement were all that it took.

use bank::Money;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use testkit::machines::Machines;

const BRANCHES: [u32; 3] = [3, 10, 50];
const BATCH: u64 = 100;

fn writes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for (name, batch) in [("alone", 1), ("batch", BATCH)] {
        group.throughput(Throughput::Elements(batch));
        for branches in BRANCHES {
            let mut machines = Machines::start(branches);
            let id = BenchmarkId::new(name, branches);
            group.bench_function(id, |bencher| bencher.iter(|| machines.deposit(batch)));
            let deposited = i64::try_from(machines.acknowledged).expect("few");
            assert!(machines.balances().iter().all(|held| *held == Money::new(deposited)));
            let messages = u64::from(branches - 1) * 2;
            assert_eq!(machines.messages() * batch, machines.acknowledged * messages);
        }
    }
    group.finish();
}

criterion_group!(benches, writes);
criterion_main!(benches);
