//! Between the schemes' time and the machine's.

use std::time::{Duration, Instant};

/// Counts the schemes' time from one instant of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    /// The scheme's name for this instant.
    pub(super) fn now(self) -> replication::Instant {
        self.at(Instant::now())
    }

    /// The scheme's name for `instant`.
    pub(super) fn at(self, instant: Instant) -> replication::Instant {
        replication::Instant(instant.saturating_duration_since(self.epoch))
    }

    /// How long it is until `instant`, zero if that has passed.
    pub(super) fn until(self, instant: replication::Instant) -> Duration {
        instant.0.saturating_sub(self.epoch.elapsed())
    }
}
