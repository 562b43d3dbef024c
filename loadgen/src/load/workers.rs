//! The workers of a run: they begin together, and what they measured and recorded is merged.

use std::io;
use std::sync::Arc;

use futures_util::future::join_all;
use hdrhistogram::CreationError;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::measured::Measured;
use super::progress::{ProgressReader, WorkerProgress};
use super::recorder::Recorder;
use super::schedule::Schedule;
use super::silence::CallsInFlight;
use super::worker::{self, Start, WorkerRecord, WorkerSettings};
use crate::client::ConnectError;
use crate::record::OperationSpool;

/// The most workers that are chosen unless a number is given.
const DEFAULT_MAX: usize = 4;

/// How many workers a run has: those `asked` for or, by default, half of the cores where no branches run in this process.
/// Never more than `customers`.
pub fn worker_count(
    asked: Option<u8>,
    shares_process: bool,
    cores: usize,
    customers: usize,
) -> usize {
    let default = if shares_process { 1 } else { (cores / 2).clamp(1, DEFAULT_MAX) };
    asked.map_or(default, usize::from).clamp(1, customers.max(1))
}

/// Operations could not be performed.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A worker could not connect.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A worker could not be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(#[from] io::Error),
    /// Latencies could not be counted.
    #[error("cannot make a histogram of latencies: {0}")]
    Histogram(#[from] CreationError),
    /// A worker ended without a result.
    #[error("a worker thread died")]
    Died,
}

/// The workers of a run. Between two steps they are at rest.
#[derive(Debug)]
pub struct Workers {
    settings: WorkerSettings,
    records: Vec<WorkerRecord>,
    progress: ProgressReader,
    /// Nothing, until the records of all workers are merged into it.
    merged: Recorder,
}

/// What all workers of a run recorded.
#[derive(Debug)]
pub struct LoadRecord {
    /// Counts and latencies.
    pub recorder: Recorder,
    /// The operations that each worker recorded.
    pub operations: Vec<OperationSpool>,
}

impl Workers {
    /// One worker for each of `spools`, which record its operations.
    ///
    /// # Errors
    /// Latencies cannot be counted.
    pub fn new(settings: WorkerSettings, spools: Vec<OperationSpool>) -> Result<Self, LoadError> {
        let mut merged = Recorder::new()?;
        let (mut records, mut readers) = (Vec::new(), Vec::new());
        for operations in spools {
            let (progress, reader) = watch::channel(WorkerProgress::default());
            records.push(WorkerRecord { recorder: merged.clone(), operations, progress });
            readers.push(reader);
        }
        let progress = ProgressReader::new(readers, merged.take_recent());
        Ok(Self { settings, records, progress, merged })
    }

    /// Reads how far the workers are.
    pub fn progress(&self) -> ProgressReader {
        self.progress.clone()
    }

    /// Performs one step of a workload, a schedule a worker. Workers begin when all of them have connected.
    ///
    /// # Errors
    /// A worker could not be started, could not connect or died. Then what it recorded is lost.
    pub async fn perform(&mut self, schedules: Vec<Schedule>) -> Result<Measured, LoadError> {
        let (mut ready, mut starts, mut done) = (Vec::new(), Vec::new(), Vec::new());
        let resting = self.records.split_off(schedules.len().min(self.records.len()));
        let records = std::mem::replace(&mut self.records, resting);
        for (schedule, record) in schedules.into_iter().zip(records) {
            let (is_ready, becomes_ready) = oneshot::channel();
            let (start, is_started) = oneshot::channel();
            let (send_result, result) = oneshot::channel();
            let settings = self.settings.clone();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let name = format!("passbook-load-{}", done.len());
            std::thread::Builder::new().name(name).spawn(move || {
                let performing = worker::perform(settings, schedule, record, is_ready, is_started);
                // Nobody waits for it if the run was given up.
                let _ = send_result.send(LocalSet::new().block_on(&runtime, performing));
            })?;
            ready.push(becomes_ready);
            starts.push(start);
            done.push(result);
        }
        let ready = join_all(ready).await;
        let begun = Instant::now();
        let branches = self.settings.addresses.iter().map(|(branch, _)| *branch);
        let in_flight = Arc::new(CallsInFlight::new(branches, starts.len(), begun));
        // One that is not ready has failed or was interrupted: the others end without having begun.
        if ready.iter().all(Result::is_ok) {
            for (worker, start) in starts.into_iter().enumerate() {
                let _ = start.send(Start { begun, worker, in_flight: Arc::clone(&in_flight) });
            }
        } else {
            drop(starts);
        }
        let (mut all, mut performed) = (Measured::default(), Vec::new());
        for result in join_all(done).await {
            let (record, measured) = result.map_err(|_| LoadError::Died)??;
            performed.push(record);
            all = all.beside(&measured);
        }
        self.records.splice(..0, performed);
        Ok(Measured { silence: in_flight.finish(), ..all })
    }

    /// What all workers recorded.
    pub fn finish(self) -> LoadRecord {
        let mut recorder = self.merged;
        let merge = |record: WorkerRecord| {
            recorder.merge(&record.recorder);
            record.operations
        };
        let operations = self.records.into_iter().map(merge).collect();
        LoadRecord { recorder, operations }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_as_asked_or_half_of_the_free_cores() {
        for (asked, shares_process, cores, customers, expected) in [
            (None, false, 1, 500, 1),
            (None, false, 2, 500, 1),
            (None, false, 4, 500, 2),
            (None, false, 64, 500, 4),
            (None, false, 64, 3, 3),
            (None, true, 64, 500, 1),
            (Some(3), true, 1, 500, 3),
            (Some(3), false, 64, 2, 2),
            (Some(3), false, 64, 0, 1),
        ] {
            let count = worker_count(asked, shares_process, cores, customers);
            assert_eq!(count, expected, "{asked:?} {shares_process} {cores} {customers}");
        }
    }
}
