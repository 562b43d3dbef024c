//! Calls in flight per branch, and the longest time in which no branch answered.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bank::BranchId;
use tokio::time::Instant;

use super::recorder::{Class, nanoseconds};

/// A time in which calls were in flight, or had just failed, and no branch answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// When it began, after the measured window began.
    pub from: Duration,
    /// How long it lasted.
    pub lasted: Duration,
    /// Whether an answer ended it; otherwise it lasted until the last call was given up.
    pub ended_by_answer: bool,
    /// The calls that were in flight when the first of them was given up, for every branch. Empty if none
    /// was given up.
    pub in_flight: Vec<(BranchId, u64)>,
}

impl Silence {
    /// Whether calls were given up in it that were in flight at every branch.
    pub fn is_everywhere(&self) -> bool {
        !self.in_flight.is_empty() && self.in_flight.iter().all(|(_, calls)| *calls > 0)
    }
}

/// Counts the calls in flight of all workers and keeps the longest silence. A worker writes only its own counters, and
/// reads those of others only when it has no call in flight, after a call was given up, or at an answer after a longer
/// silence than ever. So counting takes no lock, shares no cache line that changes and allocates nothing. Instants are
/// nanoseconds since the measured window began.
#[derive(Debug)]
pub(super) struct CallsInFlight {
    begun: Instant,
    /// Ascending.
    branches: Vec<BranchId>,
    workers: Vec<WorkerCalls>,
    longest: AtomicU64,
    /// Whether a call was given up since the last answer.
    has_given_up: AtomicBool,
    details: Mutex<Details>,
}

/// The counters of one worker, in cache lines of their own. No other thread writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
struct WorkerCalls {
    /// By index of the branch.
    in_flight: Vec<AtomicU64>,
    total: AtomicU64,
    /// When it had its last answer, or sent the first call after a time in which no worker had calls in flight.
    silent_since: AtomicU64,
}

impl WorkerCalls {
    /// Changes how many calls to a branch are in flight.
    fn update(&self, branch: Option<usize>, change: impl Fn(u64) -> u64) {
        let calls = branch.and_then(|index| self.in_flight.get(index));
        for count in calls.into_iter().chain([&self.total]) {
            count.store(change(count.load(Relaxed)), Relaxed);
        }
    }
}

/// What is written for a call that was given up or ends the longest silence so far, and for no other.
#[derive(Debug, Default)]
struct Details {
    /// The calls in flight when the first call of the current silence was given up.
    given_up: Vec<(BranchId, u64)>,
    last_given_up: u64,
    longest: Silence,
}

impl CallsInFlight {
    /// No calls of `workers` workers at `branches`, from the instant the measured window begins.
    pub(super) fn new(
        branches: impl Iterator<Item = BranchId>,
        workers: usize,
        begun: Instant,
    ) -> Self {
        let mut branches: Vec<_> = branches.collect();
        branches.sort_unstable();
        let in_flight = || {
            // The spare room keeps the counters of other workers out of these cache lines.
            let mut counts = Vec::with_capacity(branches.len() + 16);
            counts.resize_with(branches.len(), AtomicU64::default);
            counts
        };
        let worker = || WorkerCalls { in_flight: in_flight(), ..WorkerCalls::default() };
        Self {
            begun,
            workers: std::iter::repeat_with(worker).take(workers).collect(),
            branches,
            longest: AtomicU64::new(0),
            has_given_up: AtomicBool::new(false),
            details: Mutex::default(),
        }
    }

    fn nanoseconds(&self, at: Instant) -> u64 {
        nanoseconds(at.saturating_duration_since(self.begun))
    }

    fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker with index `worker` sent a call to `branch`.
    pub(super) fn start(&self, worker: usize, branch: BranchId, at: Instant) {
        let worker = &self.workers[worker];
        let is_idle = |worker: &WorkerCalls| worker.total.load(Relaxed) == 0;
        if is_idle(worker) && !self.has_given_up.load(Relaxed) && self.workers.iter().all(is_idle) {
            worker.silent_since.store(self.nanoseconds(at), Relaxed);
        }
        worker.update(self.branches.binary_search(&branch).ok(), |calls| calls + 1);
    }

    /// A call to `branch` that this worker had started ended.
    pub(super) fn end(&self, worker: usize, branch: BranchId, at: Instant, class: Class) {
        let (worker, at) = (&self.workers[worker], self.nanoseconds(at));
        match class {
            Class::Unanswered => self.give_up(at),
            Class::Answered | Class::Failed => {
                // Other workers may have had answers since, which can only shorten the silence.
                let lasted = at.saturating_sub(worker.silent_since.load(Relaxed));
                if lasted > self.longest.load(Relaxed) || self.has_given_up.load(Relaxed) {
                    self.end_silence(at, true);
                }
                worker.silent_since.store(at, Relaxed);
            }
        }
        worker.update(self.branches.binary_search(&branch).ok(), |calls| calls.saturating_sub(1));
    }

    fn give_up(&self, at: u64) {
        let mut details = self.details();
        if details.given_up.is_empty() {
            let calls = |index: usize| {
                let of_worker = |worker: &WorkerCalls| worker.in_flight[index].load(Relaxed);
                self.workers.iter().map(of_worker).sum()
            };
            let counts = self.branches.iter().enumerate();
            details.given_up.extend(counts.map(|(index, branch)| (*branch, calls(index))));
            self.has_given_up.store(true, Relaxed);
        }
        details.last_given_up = details.last_given_up.max(at);
    }

    fn end_silence(&self, at: u64, ended_by_answer: bool) {
        let mut details = self.details();
        let in_flight = std::mem::take(&mut details.given_up);
        self.has_given_up.store(false, Relaxed);
        let since = self.workers.iter().map(|worker| worker.silent_since.load(Relaxed));
        let since = since.max().unwrap_or(at);
        let lasted = at.saturating_sub(since);
        if lasted > self.longest.fetch_max(lasted, Relaxed) {
            let (from, lasted) = (Duration::from_nanos(since), Duration::from_nanos(lasted));
            details.longest = Silence { from, lasted, ended_by_answer, in_flight };
        }
    }

    /// The longest silence, when all calls have ended. `None` if no call took any time.
    pub(super) fn finish(&self) -> Option<Silence> {
        if self.has_given_up.load(Relaxed) {
            let last_given_up = self.details().last_given_up;
            self.end_silence(last_given_up, false);
        }
        let longest = std::mem::take(&mut self.details().longest);
        (!longest.lasted.is_zero()).then_some(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: BranchId = BranchId(1);
    const TWO: BranchId = BranchId(2);

    /// Calls at two branches, each by another worker if there are two, with a clock that the test moves, in milliseconds.
    struct Fixture {
        begun: Instant,
        calls: CallsInFlight,
    }

    impl Fixture {
        fn with_workers(workers: usize) -> Self {
            let begun = Instant::now();
            Self { begun, calls: CallsInFlight::new([TWO, ONE].into_iter(), workers, begun) }
        }

        /// With one worker and with two.
        fn each() -> [Self; 2] {
            [1, 2].map(Self::with_workers)
        }

        fn worker(&self, branch: BranchId) -> usize {
            usize::from(branch == TWO) % self.calls.workers.len()
        }

        fn at(&self, milliseconds: u64) -> Instant {
            self.begun + Duration::from_millis(milliseconds)
        }

        fn start(&self, branch: BranchId, at: u64) {
            self.calls.start(self.worker(branch), branch, self.at(at));
        }

        fn end(&self, branch: BranchId, at: u64, class: Class) {
            self.calls.end(self.worker(branch), branch, self.at(at), class);
        }

        fn longest(self) -> Silence {
            self.calls.finish().expect("calls took time")
        }
    }

    fn silence(from: u64, lasted: u64) -> Silence {
        Silence {
            from: Duration::from_millis(from),
            lasted: Duration::from_millis(lasted),
            ended_by_answer: true,
            in_flight: Vec::new(),
        }
    }

    #[test]
    fn silence_is_counted_across_branches_and_customers() {
        for fixture in Fixture::each() {
            fixture.start(ONE, 0);
            fixture.start(TWO, 0);
            fixture.end(ONE, 10, Class::Answered);
            fixture.start(ONE, 10);
            fixture.end(TWO, 15, Class::Failed);
            fixture.end(ONE, 400, Class::Answered);
            assert_eq!(fixture.longest(), silence(15, 385));
        }
    }

    #[test]
    fn think_time_without_calls_is_no_silence() {
        for fixture in Fixture::each() {
            fixture.start(ONE, 0);
            fixture.end(ONE, 5, Class::Answered);
            fixture.start(ONE, 10_005);
            fixture.end(ONE, 10_012, Class::Answered);
            assert_eq!(fixture.longest(), silence(10_005, 7));
        }
    }

    #[test]
    fn stop_reports_calls_in_flight_at_every_branch() {
        for fixture in Fixture::each() {
            fixture.start(ONE, 0);
            fixture.end(ONE, 100, Class::Answered);
            for (branch, at) in [(ONE, 100), (TWO, 101), (TWO, 102)] {
                fixture.start(branch, at);
            }
            for (branch, at) in [(ONE, 1_100), (TWO, 1_101), (TWO, 1_102)] {
                fixture.end(branch, at, Class::Unanswered);
            }
            let stop = fixture.longest();
            assert_eq!(
                (stop.from, stop.lasted),
                (Duration::from_millis(100), Duration::from_millis(1_002))
            );
            assert!(stop.is_everywhere() && !stop.ended_by_answer);
            assert_eq!(stop.in_flight, [(ONE, 1), (TWO, 2)]);
        }
    }

    #[test]
    fn stop_of_one_branch_is_not_everywhere() {
        for fixture in Fixture::each() {
            fixture.start(ONE, 0);
            fixture.end(ONE, 1_000, Class::Unanswered);
            fixture.start(ONE, 1_000);
            fixture.end(ONE, 1_500, Class::Answered);
            let stop = fixture.longest();
            assert_eq!(
                stop.lasted,
                Duration::from_millis(1_500),
                "giving up does not end a silence"
            );
            assert!(stop.ended_by_answer && !stop.is_everywhere());
            assert_eq!(stop.in_flight, [(ONE, 1), (TWO, 0)]);
        }
    }

    #[test]
    fn silence_of_a_run_without_calls_is_none() {
        for fixture in Fixture::each() {
            assert_eq!(fixture.calls.finish(), None);
        }
    }
}
