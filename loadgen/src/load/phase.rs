//! The phases of a run.

use std::time::Duration;

/// What a run is doing. The measured window lies within [`Phase::Measure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Branches start, workers connect and query each branch once.
    WarmUp,
    /// Customers perform operations.
    Measure,
    /// No operation begins any more; those in flight end.
    Drain,
    /// Branches propagate what they have not propagated yet.
    Settle,
}

impl Phase {
    /// The phase of customers that have been at work for `elapsed` of at most `duration`.
    pub(crate) fn under_load(
        elapsed: Duration,
        duration: Option<Duration>,
        interrupted: bool,
    ) -> Self {
        if interrupted || duration.is_some_and(|duration| elapsed >= duration) {
            Self::Drain
        } else {
            Self::Measure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_drained_after_its_duration_or_an_interrupt() {
        let seconds = Duration::from_secs;
        for (elapsed, duration, interrupted, phase) in [
            (9, Some(10), false, Phase::Measure),
            (10, Some(10), false, Phase::Drain),
            (9, Some(10), true, Phase::Drain),
            (99, None, false, Phase::Measure),
            (99, None, true, Phase::Drain),
        ] {
            let duration = duration.map(seconds);
            assert_eq!(Phase::under_load(seconds(elapsed), duration, interrupted), phase);
        }
    }
}
