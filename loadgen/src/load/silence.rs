//! Calls in flight per branch, and the longest time in which no branch answered.

use std::time::Duration;

use bank::BranchId;
use tokio::time::Instant;

use super::recorder::Class;

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

/// Counts calls in flight and keeps the longest silence. Nothing is allocated per call.
#[derive(Debug)]
pub(super) struct CallsInFlight {
    begun: Instant,
    /// By branch, sorted.
    branches: Vec<(BranchId, u64)>,
    total: u64,
    /// When the current silence began: with the last answer, or with the first call after a time without
    /// calls.
    silent_since: Option<Instant>,
    /// The calls in flight when the first call of the current silence was given up.
    given_up: Vec<(BranchId, u64)>,
    last_ended: Instant,
    longest: Silence,
}

impl CallsInFlight {
    /// No calls at `branches`, from the instant the measured window begins.
    pub(super) fn new(branches: impl Iterator<Item = BranchId>, begun: Instant) -> Self {
        let mut branches: Vec<_> = branches.map(|branch| (branch, 0)).collect();
        branches.sort_unstable();
        let given_up = Vec::with_capacity(branches.len());
        let longest =
            Silence { in_flight: Vec::with_capacity(branches.len()), ..Silence::default() };
        Self { begun, branches, total: 0, silent_since: None, given_up, last_ended: begun, longest }
    }

    fn calls_at(&mut self, branch: BranchId) -> Option<&mut u64> {
        let index = self.branches.binary_search_by_key(&branch, |(id, _)| *id).ok()?;
        self.branches.get_mut(index).map(|(_, calls)| calls)
    }

    /// A call was sent to `branch`.
    pub(super) fn start(&mut self, branch: BranchId, at: Instant) {
        if let Some(calls) = self.calls_at(branch) {
            *calls += 1;
        }
        self.total += 1;
        self.silent_since.get_or_insert(at);
    }

    /// A call to `branch` that had been started ended.
    pub(super) fn end(&mut self, branch: BranchId, at: Instant, class: Class) {
        if class == Class::Unanswered && self.given_up.is_empty() {
            self.given_up.extend_from_slice(&self.branches);
        }
        if let Some(calls) = self.calls_at(branch) {
            *calls = calls.saturating_sub(1);
        }
        self.total = self.total.saturating_sub(1);
        self.last_ended = at;
        match class {
            Class::Answered | Class::Failed => {
                self.end_silence(at, true);
                self.silent_since = (self.total > 0).then_some(at);
                self.given_up.clear();
            }
            Class::Unanswered => {}
        }
    }

    fn end_silence(&mut self, at: Instant, ended_by_answer: bool) {
        let Some(since) = self.silent_since else { return };
        let lasted = at.saturating_duration_since(since);
        if lasted > self.longest.lasted {
            self.longest.from = since.saturating_duration_since(self.begun);
            self.longest.lasted = lasted;
            self.longest.ended_by_answer = ended_by_answer;
            self.longest.in_flight.clone_from(&self.given_up);
        }
    }

    /// The longest silence, when all calls have ended. `None` if no call took any time.
    pub(super) fn finish(&mut self) -> Option<Silence> {
        self.end_silence(self.last_ended, false);
        let longest = std::mem::take(&mut self.longest);
        (!longest.lasted.is_zero()).then_some(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: BranchId = BranchId(1);
    const TWO: BranchId = BranchId(2);

    /// Calls at two branches with a clock that the test moves, in milliseconds.
    struct Fixture {
        begun: Instant,
        calls: CallsInFlight,
    }

    impl Fixture {
        fn new() -> Self {
            let begun = Instant::now();
            Self { begun, calls: CallsInFlight::new([TWO, ONE].into_iter(), begun) }
        }

        fn at(&self, milliseconds: u64) -> Instant {
            self.begun + Duration::from_millis(milliseconds)
        }

        fn start(&mut self, branch: BranchId, at: u64) {
            self.calls.start(branch, self.at(at));
        }

        fn end(&mut self, branch: BranchId, at: u64, class: Class) {
            self.calls.end(branch, self.at(at), class);
        }

        fn longest(mut self) -> Silence {
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
        let mut fixture = Fixture::new();
        fixture.start(ONE, 0);
        fixture.start(TWO, 0);
        fixture.end(ONE, 10, Class::Answered);
        fixture.start(ONE, 10);
        fixture.end(TWO, 15, Class::Failed);
        fixture.end(ONE, 400, Class::Answered);
        assert_eq!(fixture.longest(), silence(15, 385));
    }

    #[test]
    fn think_time_without_calls_is_no_silence() {
        let mut fixture = Fixture::new();
        fixture.start(ONE, 0);
        fixture.end(ONE, 5, Class::Answered);
        fixture.start(ONE, 10_005);
        fixture.end(ONE, 10_012, Class::Answered);
        assert_eq!(fixture.longest(), silence(10_005, 7));
    }

    #[test]
    fn stop_reports_calls_in_flight_at_every_branch() {
        let mut fixture = Fixture::new();
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

    #[test]
    fn stop_of_one_branch_is_not_everywhere() {
        let mut fixture = Fixture::new();
        fixture.start(ONE, 0);
        fixture.end(ONE, 1_000, Class::Unanswered);
        fixture.start(ONE, 1_000);
        fixture.end(ONE, 1_500, Class::Answered);
        let stop = fixture.longest();
        assert_eq!(stop.lasted, Duration::from_millis(1_500), "giving up does not end a silence");
        assert!(stop.ended_by_answer && !stop.is_everywhere());
        assert_eq!(stop.in_flight, [(ONE, 1), (TWO, 0)]);
    }

    #[test]
    fn silence_of_a_run_without_calls_is_none() {
        assert_eq!(Fixture::new().calls.finish(), None);
    }
}
