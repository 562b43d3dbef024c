//! Operations as their customers saw them, spooled as they end, and made into `history.jsonl` afterwards.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use bank::Version;
use history::{Header, History, HistoryWriter, OwnedRecord, Record};
use tokio::time::Instant;

use super::ledger_file::since;
use super::spool::{Spool, Spooled, merge_by_key};
use crate::interrupt::Interrupt;
use crate::scenario::Recording;

/// Records the operations of one worker's customers.
#[derive(Debug)]
pub struct OperationSpool {
    /// `None` if nothing is recorded.
    spool: Option<Spool>,
    /// How many more the workers of the run are to record together; `None` for all.
    left: Option<Arc<AtomicU64>>,
    /// Operations that were left out on purpose.
    left_out: u64,
    begun: Instant,
}

impl OperationSpool {
    /// One for each of `workers`. Together they record as much as `recording` asks for, each by way of a spool in
    /// `folder`, whose write errors go to `interrupt`.
    ///
    /// # Errors
    /// A spool cannot be begun.
    pub fn begin(
        folder: &Path,
        recording: Recording,
        workers: usize,
        interrupt: &Interrupt,
    ) -> io::Result<Vec<Self>> {
        let left = match recording {
            Recording::First(operations) => Some(Arc::new(AtomicU64::new(operations))),
            Recording::All | Recording::Nothing => None,
        };
        let begun = Instant::now();
        let begin = |_| {
            let spool = match recording {
                Recording::Nothing => None,
                Recording::All | Recording::First(_) => Some(Spool::begin(folder, interrupt)?),
            };
            Ok(Self { spool, left: left.clone(), left_out: 0, begun })
        };
        (0..workers).map(begin).collect()
    }

    /// Nanoseconds from the run's start to `at`.
    pub(crate) fn nanoseconds(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.begun);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Records an operation that has ended.
    pub(crate) fn push(&mut self, record: &Record<&Version, &str>) {
        let has_room = self.has_room();
        match &mut self.spool {
            Some(spool) if has_room => spool.push(record),
            _ => self.left_out += 1,
        }
    }

    /// Whether one more operation is to be recorded, which is counted.
    fn has_room(&self) -> bool {
        let take = |left: &Arc<AtomicU64>| {
            left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
        };
        self.left.as_ref().is_none_or(take)
    }

    /// Ends the recording of all workers.
    ///
    /// # Errors
    /// A spool could not be written.
    pub fn finish(workers: Vec<Self>) -> io::Result<RecordedOperations> {
        let mut recorded = RecordedOperations::default();
        for Self { spool, left_out, .. } in workers {
            recorded.left_out += left_out;
            if let Some(spooled) = spool.map(Spool::finish).transpose()? {
                recorded.lost += spooled.dropped;
                recorded.spools.push(spooled);
            }
        }
        Ok(recorded)
    }
}

/// What customers saw, as far as it was recorded.
#[derive(Debug, Default)]
pub struct RecordedOperations {
    /// Of each worker, in the order in which its operations ended.
    spools: Vec<Spooled<OwnedRecord>>,
    /// Operations that were left out on purpose.
    pub left_out: u64,
    /// Operations that the disk was too slow for.
    pub lost: u64,
}

impl RecordedOperations {
    /// Writes `history.jsonl` to `file`, in which entries of logs count from `base`, their length before the run.
    /// Returns what it wrote, without versions.
    ///
    /// # Errors
    /// A spool cannot be read, or the file cannot be written.
    pub fn write(
        self,
        file: impl io::Write,
        header: &Header,
        base: Option<&Version>,
    ) -> io::Result<History> {
        let mut history = History::new(header.branches.iter().copied());
        let mut writer = HistoryWriter::new(file, header)?;
        let none = Version::zero(header.branches.len());
        let base = base.unwrap_or(&none);
        // An unanswered operation has no end: it goes before what other workers saw later.
        for record in merge_by_key(self.spools, |record| record.completed.unwrap_or(0)) {
            let mut record = record?;
            record.version = record.version.and_then(|version| version_since(base, version));
            record.at_most = record.at_most.and_then(|version| version_since(base, version));
            if let (Some(seq), Some(member)) = (record.seq, history.member(record.branch)) {
                record.seq = Some(since(base, member, seq));
            }
            writer.write(&record)?;
            // Only the file has to hold what an answer was made from.
            let bare =
                OwnedRecord { version: None, at_most: None, status: None, trace: None, ..record };
            history.push(&bare).map_err(io::Error::other)?;
        }
        let missing = self.left_out + self.lost;
        if missing > 0 {
            history.cut();
        }
        writer.finish(missing)?;
        Ok(history)
    }
}

/// A version counted from the run's start; `None` if it has other branches than there are.
fn version_since(base: &Version, mut version: Vec<u64>) -> Option<Vec<u64>> {
    for (seq, (_, before)) in version.iter_mut().zip(base.iter()) {
        *seq = seq.saturating_sub(before.0);
    }
    (version.len() == base.members()).then_some(version)
}
