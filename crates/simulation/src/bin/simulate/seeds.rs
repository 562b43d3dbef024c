//! Many seeds, on several threads.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use simulation::{Counters, Plan, Violation};

use super::Arguments;

/// How a seed failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// A property did not hold.
    Violated(Violation),
    /// The program itself failed; what it said is on standard error.
    Panicked,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violated(Violation { property, detail }) => {
                write!(f, "{}: {detail}", property.name())
            }
            Self::Panicked => f.write_str("panicked"),
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) counters: Counters,
    /// By seed.
    pub(crate) failed: BTreeMap<u64, Failure>,
}

impl Report {
    /// The seeds that failed, by what.
    pub(crate) fn by_property(&self) -> BTreeMap<&'static str, Vec<u64>> {
        let mut seeds: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for (seed, failed) in &self.failed {
            let name = match failed {
                Failure::Violated(Violation { property, .. }) => property.name(),
                Failure::Panicked => "a panic",
            };
            seeds.entry(name).or_default().push(*seed);
        }
        seeds
    }

    fn merge(&mut self, other: Self) {
        self.counters.merge(&other.counters);
        self.failed.extend(other.failed);
    }
}

/// Runs all seeds; a thread that has finished one takes the next.
pub(crate) fn run(arguments: &Arguments) -> Report {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        // This thread works too, so it does not matter if the machine has no more threads to give.
        let helper = || thread::Builder::new().spawn_scoped(scope, || work(arguments, &next)).ok();
        let workers: Vec<_> = (1..arguments.threads()).map_while(|_| helper()).collect();
        let mut all = work(arguments, &next);
        for worker in workers {
            // A run that panics is caught in the worker, so it cannot panic itself.
            all.merge(worker.join().unwrap_or_default());
        }
        all
    })
}

fn work(arguments: &Arguments, next: &AtomicU64) -> Report {
    let mut found = Report::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= arguments.seeds {
            return found;
        }
        let seed = arguments.first.saturating_add(number);
        let plan = || Plan::from_seed(seed, arguments.mix);
        let failure = match catch_unwind(|| simulation::run(&plan(), arguments.mutant())) {
            Ok(result) => {
                found.counters.merge(&result.counters);
                result.violation.map(Failure::Violated)
            }
            Err(_) => Some(Failure::Panicked),
        };
        found.failed.extend(failure.map(|failure| (seed, failure)));
    }
}
