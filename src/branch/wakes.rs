//! When the replica wants to be woken.

use std::collections::BTreeSet;
use std::future::pending;

use super::clock::Clock;
use replication::Instant;

/// The instants at which a replica asked for a tick and has not had one yet.
#[derive(Debug, Default)]
pub(super) struct Wakes(BTreeSet<Instant>);

impl Wakes {
    pub(super) fn add(&mut self, at: Instant) {
        self.0.insert(at);
    }

    /// Whether a tick is due by `now`. It does for all instants that have come, which are forgotten.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let asked = self.0.len();
        while self.0.first().is_some_and(|at| *at <= now) {
            self.0.pop_first();
        }
        self.0.len() < asked
    }

    /// Waits for the first of them, for ever if there is none.
    pub(super) async fn first(&self, clock: Clock) {
        match self.0.first() {
            Some(at) => tokio::time::sleep(clock.until(*at)).await,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_tick_does_for_all_that_is_due_and_later_ones_stay() {
        let at = |millis| Instant(Duration::from_millis(millis));
        let mut wakes = Wakes::default();
        for millis in [30, 10, 20, 10] {
            wakes.add(at(millis));
        }
        assert!(!wakes.take_due(at(9)));
        assert!(wakes.take_due(at(20)));
        assert!(!wakes.take_due(at(29)));
        assert!(wakes.take_due(at(30)));
        assert!(!wakes.take_due(at(1_000)));
    }
}
