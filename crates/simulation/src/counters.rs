//! How often what was seen: a simulation in which nothing happens proves nothing.

use std::collections::BTreeMap;
use std::fmt;

use strum::{IntoStaticStr, VariantArray};

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Counter {
    /// Runs with the timing of the branches that serve.
    ProductionTiming,
    /// Inputs that replicas took in.
    Steps,
    /// Operations that were answered "ok".
    Done,
    /// Withdrawals that came to an end, whichever.
    Withdrawals,
    /// Those of them that were answered "contended".
    ContendedWithdrawals,
    /// Operations whose last attempt was not answered, or with "unknown".
    UnknownOutcomes,
    /// Attempts after the first.
    Retries,
    /// Requests whose customers hung up.
    GivenUp,
    /// Requests that arrived once more.
    DuplicateRequests,
    /// Questions for rights.
    Borrows,
    /// Rights given away.
    Grants,
    /// Grants that the asker could not yet see when the donor or the asker crashed.
    GrantsInFlightAtCrash,
    /// Answers of "insufficient funds".
    Refusals,
    /// Answers of "contended".
    Contended,
    /// Answers of "rights unavailable".
    RightsUnavailable,
    /// Answers that too few branches are connected.
    TooFewBranches,
    /// Requests of the first or second round of a collect.
    Collects,
    /// Proofs that a branch made for another.
    Proofs,
    /// Times that a hub told a branch who holds its log.
    HoldersTold,
    /// Snapshots that were answered.
    Snapshots,
    /// Pushes of rows.
    Pushes,
    /// Streams that were opened.
    Streams,
    /// Messages that were lost.
    MessagesLost,
    /// Messages that arrived twice.
    MessagesTwice,
    /// Times that a way was cut while the way back was open.
    OneWayPartitions,
    /// Times that a branch stood still.
    Pauses,
    /// Processes that ended by themselves or were ended, their machines going on.
    Kills,
    /// Processes that ended with their machines.
    PowerLosses,
    /// Starts from a journal with something in it.
    Restarts,
    /// Last records that were there in part, and cut away.
    TornTails,
    /// Syncs that failed.
    FailedSyncs,
    /// Times that a process was told of a full disk.
    FullDisks,
    /// Branches that ended because a record did not fit at all.
    NoSpace,
    /// Journals that were replaced by old copies.
    OldCopies,
    /// Journals that were refused.
    CorruptJournals,
    /// Branches that were stopped because they had lost what others know.
    AmnesiaStops,
}

impl Counter {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// How often everything was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<Counter, u64>);

impl Counters {
    /// Once more.
    pub(super) fn add(&mut self, seen: Counter) {
        self.add_many(seen, 1);
    }

    /// So many times more.
    pub(super) fn add_many(&mut self, seen: Counter, times: u64) {
        let count = self.0.entry(seen).or_default();
        *count = count.saturating_add(times);
    }

    /// How often.
    pub fn of(&self, seen: Counter) -> u64 {
        self.0.get(&seen).copied().unwrap_or_default()
    }

    /// Takes in what was seen elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (seen, times) in &other.0 {
            self.add_many(*seen, *times);
        }
    }

    /// What was never seen.
    pub fn never(&self) -> Vec<Counter> {
        Counter::VARIANTS.iter().copied().filter(|seen| self.of(*seen) == 0).collect()
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for seen in Counter::VARIANTS {
            writeln!(f, "{:>14}  {}", self.of(*seen), seen.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_say_what_is_missing() {
        let mut one = Counters::default();
        one.add(Counter::Borrows);
        let mut other = Counters::default();
        other.add_many(Counter::Borrows, 2);
        other.add(Counter::Kills);
        one.merge(&other);
        assert_eq!((one.of(Counter::Borrows), one.of(Counter::Kills)), (3, 1));
        assert_eq!(one.never().len(), Counter::VARIANTS.len() - 2);
        assert!(one.to_string().contains("             3  borrows\n"));
    }
}
