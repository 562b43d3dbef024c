//! What the generator itself took and missed: CPU time of the process, and pauses of the workers' loops.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// How often the loop is observed. A pause is what an observation is late.
pub(super) const OBSERVE_EVERY: Duration = Duration::from_millis(10);

/// What the generator took and missed in the measured window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneratorLoad {
    /// How many workers performed the operations.
    pub workers: usize,
    /// CPU time of the whole process, user and system.
    pub cpu: Duration,
    /// The time in which it was taken.
    pub observed: Duration,
    /// The longest time in which a worker's loop did not run although it was due.
    pub longest_pause: Duration,
}

impl GeneratorLoad {
    /// How many cores were busy with the process, on average.
    pub fn cores(&self) -> f64 {
        let observed = self.observed.as_secs_f64();
        if observed > 0.0 { self.cpu.as_secs_f64() / observed } else { 0.0 }
    }

    /// This worker's load and that of `other`, which worked at the same time in the same process.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self {
            workers: self.workers + other.workers,
            cpu: self.cpu.max(other.cpu),
            observed: self.observed.max(other.observed),
            longest_pause: self.longest_pause.max(other.longest_pause),
        }
    }

    /// Both windows together.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            workers: self.workers.max(next.workers),
            cpu: self.cpu + next.cpu,
            observed: self.observed + next.observed,
            longest_pause: self.longest_pause.max(next.longest_pause),
        }
    }
}

fn process_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Observes a worker's loop from within, and the CPU time of the process.
#[derive(Debug)]
pub(super) struct GeneratorWatch {
    begun: Instant,
    cpu_begun: Duration,
    observed_last: Cell<Instant>,
    longest_pause: Cell<Duration>,
    finished: OnceCell<GeneratorLoad>,
}

impl GeneratorWatch {
    pub(super) fn begin(begun: Instant) -> Self {
        Self {
            begun,
            cpu_begun: process_cpu(),
            observed_last: Cell::new(begun),
            longest_pause: Cell::new(Duration::ZERO),
            finished: OnceCell::new(),
        }
    }

    /// The loop runs. To be called [`OBSERVE_EVERY`].
    pub(super) fn observe(&self, now: Instant) {
        let since = now.saturating_duration_since(self.observed_last.replace(now));
        let pause = since.saturating_sub(OBSERVE_EVERY);
        self.longest_pause.set(self.longest_pause.get().max(pause));
    }

    /// The measured window has ended. Later calls return the same.
    pub(super) fn finish(&self, now: Instant) -> GeneratorLoad {
        *self.finished.get_or_init(|| {
            self.observe(now);
            GeneratorLoad {
                workers: 1,
                cpu: process_cpu().saturating_sub(self.cpu_begun),
                observed: now.saturating_duration_since(self.begun),
                longest_pause: self.longest_pause.get(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_is_what_an_observation_is_late() {
        let begun = Instant::now();
        let watch = GeneratorWatch::begin(begun);
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        for milliseconds in [10, 20, 31, 2_031, 2_041] {
            watch.observe(at(milliseconds));
        }
        let load = watch.finish(at(2_045));
        assert_eq!(load.longest_pause, Duration::from_millis(1_990));
        assert_eq!(load.observed, Duration::from_millis(2_045));
        assert_eq!(watch.finish(at(9_000)), load, "the window ends once");
    }

    #[test]
    fn loop_that_runs_on_time_has_no_pause() {
        let begun = Instant::now();
        let watch = GeneratorWatch::begin(begun);
        (1..50).for_each(|tick| watch.observe(begun + OBSERVE_EVERY * tick));
        assert_eq!(watch.finish(begun + OBSERVE_EVERY * 50).longest_pause, Duration::ZERO);
    }

    #[test]
    fn cpu_time_grows_while_the_process_computes() {
        let watch = GeneratorWatch::begin(Instant::now());
        let before = process_cpu();
        while process_cpu() <= before + Duration::from_millis(5) {
            std::hint::black_box((0..1_000_u64).sum::<u64>());
        }
        let load = watch.finish(Instant::now());
        assert!(load.cpu >= Duration::from_millis(5) && load.cores() > 0.0, "{load:?}");
    }

    #[test]
    fn loads_add_up_over_time_and_not_over_workers() {
        let load = |cpu, observed, pause| GeneratorLoad {
            workers: 1,
            cpu: Duration::from_secs(cpu),
            observed: Duration::from_secs(observed),
            longest_pause: Duration::from_secs(pause),
        };
        assert_eq!(load(1, 4, 2).then(load(5, 4, 1)), load(6, 8, 2));
        let beside = load(1, 4, 2).beside(load(5, 4, 3));
        assert_eq!(beside, GeneratorLoad { workers: 2, ..load(5, 4, 3) });
        assert!((load(6, 8, 2).cores() - 0.75).abs() < f64::EPSILON);
        assert!(GeneratorLoad::default().cores().abs() < f64::EPSILON);
    }
}
