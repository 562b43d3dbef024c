//! Between the schemes' time and the machine's.

use std::future::pending;
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

    /// The time left until `instant`, zero if that has passed.
    pub(super) fn until(self, instant: replication::Instant) -> Duration {
        instant.0.saturating_sub(self.epoch.elapsed())
    }

    /// Sleeps for ever without an instant.
    pub(super) async fn sleep_until(self, instant: Option<replication::Instant>) {
        match instant {
            Some(at) => tokio::time::sleep(self.until(at)).await,
            None => pending().await,
        }
    }
}
