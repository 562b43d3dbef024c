//! Between the schemes' time and the machine's.

use std::time::{Duration, Instant};

use crate::replicate;

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
    pub(super) fn now(self) -> replicate::Instant {
        self.at(Instant::now())
    }

    /// The scheme's name for `instant`.
    pub(super) fn at(self, instant: Instant) -> replicate::Instant {
        replicate::Instant(instant.saturating_duration_since(self.epoch))
    }

    /// How long it is until `instant`, zero if that has passed.
    pub(super) fn until(self, instant: replicate::Instant) -> Duration {
        instant.0.saturating_sub(self.epoch.elapsed())
    }
}
