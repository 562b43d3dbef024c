//! How long a customer waits after a failed call, and how often customers did.

use std::collections::BTreeMap;
use std::time::Duration;

use bank::{BranchId, CustomerId};
use serde::Serialize;

use crate::scenario::{scramble, seconds};

/// The longest pause after the first failure. Each further one doubles it.
const FIRST: Duration = Duration::from_millis(10);
/// The longest pause of all.
const MAX: Duration = Duration::from_secs(1);
/// Doublings after which the pause exceeds [`MAX`].
const DOUBLINGS_MAX: u32 = 7;

/// The exponential back-off of one customer. Pauses have jitter, so that customers do not return all at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    customer: CustomerId,
    /// Failed calls since the last one that was answered.
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(customer: CustomerId) -> Self {
        Self { customer, failures: 0 }
    }

    /// The pause before the next operation, from half of the present limit to all of it; `None` if there is no
    /// reason to wait.
    pub(crate) fn after(&mut self, is_overloaded_or_gone: bool) -> Option<Duration> {
        if !is_overloaded_or_gone {
            self.failures = 0;
            return None;
        }
        let limit = (FIRST * 2_u32.pow(self.failures.min(DOUBLINGS_MAX))).min(MAX);
        self.failures = self.failures.saturating_add(1);
        let draw = scramble(self.customer.0 ^ (u64::from(self.failures) << 32));
        let half = limit / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        Some(half + Duration::from_nanos(draw % nanos))
    }
}

/// How often customers backed off from one branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BackoffCount {
    /// The branch whose answers were missing.
    pub branch: BranchId,
    /// All pauses together.
    #[serde(rename = "paused_s", serialize_with = "seconds")]
    pub paused: Duration,
    /// Pauses, each after one failed call.
    pub pauses: u64,
}

/// How often customers backed off, by branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backoffs(BTreeMap<BranchId, BackoffCount>);

impl Backoffs {
    /// Counts a pause after a call to `branch`.
    pub(crate) fn record(&mut self, branch: BranchId, pause: Duration) {
        self.add(BackoffCount { branch, pauses: 1, paused: pause });
    }

    fn add(&mut self, more: BackoffCount) {
        let none = BackoffCount { pauses: 0, paused: Duration::ZERO, ..more };
        let count = self.0.entry(more.branch).or_insert(none);
        count.pauses += more.pauses;
        count.paused = count.paused.saturating_add(more.paused);
    }

    /// Adds all of another worker's.
    pub(crate) fn merge(&mut self, other: &Self) {
        other.counts().for_each(|count| self.add(*count));
    }

    /// By branch, ascending; only branches that customers backed off from.
    pub fn counts(&self) -> impl Iterator<Item = &BackoffCount> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_an_answer_resets_them() {
        let mut backoff = Backoff::new(CustomerId(3));
        for limit in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000] {
            let pause = backoff.after(true).expect("a pause");
            let limit = Duration::from_millis(limit);
            assert!(limit / 2 <= pause && pause <= limit, "{pause:?} of {limit:?}");
        }
        assert_eq!(backoff.after(false), None);
        assert!(backoff.after(true).expect("a pause") <= FIRST);
    }

    #[test]
    fn customers_pause_differently_and_each_the_same_in_every_run() {
        let pause = |customer| Backoff::new(CustomerId(customer)).after(true);
        let mut pauses: Vec<_> = (0..100).map(pause).collect();
        assert_eq!(pauses, (0..100).map(pause).collect::<Vec<_>>());
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 90, "{}", pauses.len());
    }

    #[test]
    fn counts_are_kept_by_branch_and_merged() {
        let (mut one, mut two) = (Backoffs::default(), Backoffs::default());
        one.record(BranchId(2), FIRST);
        two.record(BranchId(2), MAX);
        two.record(BranchId(1), FIRST);
        one.merge(&two);
        let count =
            |branch, pauses, paused| BackoffCount { branch: BranchId(branch), pauses, paused };
        let expected = [count(1, 1, FIRST), count(2, 2, FIRST + MAX)];
        assert!(one.counts().eq(&expected), "{one:?}");
    }
}
