//! How far the workers of a run are.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::watch;

use super::recorder::{Live, Recent};

/// How far the customers of a run are.
#[derive(Clone, Debug, Default)]
pub struct LoadProgress {
    /// Time since the load began.
    pub elapsed: Duration,
    /// Customers that are not done.
    pub active: u64,
    /// Counts by kind, in the order of [`super::KINDS`].
    pub live: [Live; 3],
    /// Percentiles of the response times of the last whole second.
    pub recent: Recent,
}

/// How far one worker is.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkerProgress {
    pub(super) elapsed: Duration,
    pub(super) active: u64,
    pub(super) live: [Live; 3],
    /// Response times of the last whole second, once there is one.
    pub(super) recent: Option<Arc<Histogram<u64>>>,
}

/// Reads how far the workers of a run are, at any time and from any thread.
#[derive(Clone, Debug)]
pub struct ProgressReader {
    workers: Vec<watch::Receiver<WorkerProgress>>,
    empty: Histogram<u64>,
}

impl ProgressReader {
    /// Of `workers`, whose response times fit into `empty`.
    pub(super) const fn new(
        workers: Vec<watch::Receiver<WorkerProgress>>,
        empty: Histogram<u64>,
    ) -> Self {
        Self { workers, empty }
    }

    /// What all workers published last.
    pub fn read(&self) -> LoadProgress {
        let mut all = LoadProgress::default();
        let mut recent = self.empty.clone();
        for worker in &self.workers {
            let worker = worker.borrow();
            all.elapsed = all.elapsed.max(worker.elapsed);
            all.active += worker.active;
            all.live.iter_mut().zip(&worker.live).for_each(|(live, more)| live.merge(more));
            if let Some(more) = &worker.recent {
                // Both have the same range, so nothing can be out of it.
                let _ = recent.add(&**more);
            }
        }
        all.recent = Recent::of(&recent);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorder::histogram;
    use super::*;

    #[test]
    fn progress_is_that_of_all_workers() {
        let worker = |milliseconds, active, answered| {
            let mut live = Live { ok: answered, ..Live::default() };
            let mut recent = histogram().expect("valid bounds");
            let time = Duration::from_millis(milliseconds);
            for _ in 0..answered {
                live.response.record(time);
                recent.saturating_record(milliseconds * 1_000_000);
            }
            let live = [live, Live::default(), Live::default()];
            WorkerProgress { elapsed: time, active, live, recent: Some(Arc::new(recent)) }
        };
        let published = [worker(5, 2, 15), worker(7, 0, 15), WorkerProgress::default()];
        let (_senders, receivers): (Vec<_>, _) = published.map(watch::channel).into_iter().unzip();
        let all = ProgressReader::new(receivers, histogram().expect("valid bounds")).read();
        assert_eq!((all.elapsed, all.active), (Duration::from_millis(7), 2));
        assert_eq!((all.live[0].ok, all.live[0].response.count()), (30, 30));
        let p50 = all.recent.p50.expect("enough of both for it, and not of either");
        assert!((4_990..5_010).contains(&p50.as_micros()), "{p50:?}");
    }
}
