//! How often what was seen: a simulation in which nothing happens proves nothing.

use std::collections::BTreeMap;
use std::fmt;

use super::plan::{Plan, TimingProfile};

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen {
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

impl Seen {
    /// All of it.
    pub const ALL: [Self; 36] = [
        Self::ProductionTiming,
        Self::Steps,
        Self::Done,
        Self::Withdrawals,
        Self::ContendedWithdrawals,
        Self::UnknownOutcomes,
        Self::Retries,
        Self::GivenUp,
        Self::DuplicateRequests,
        Self::Borrows,
        Self::Grants,
        Self::GrantsInFlightAtCrash,
        Self::Refusals,
        Self::Contended,
        Self::RightsUnavailable,
        Self::TooFewBranches,
        Self::Collects,
        Self::Proofs,
        Self::HoldersTold,
        Self::Snapshots,
        Self::Pushes,
        Self::Streams,
        Self::MessagesLost,
        Self::MessagesTwice,
        Self::OneWayPartitions,
        Self::Pauses,
        Self::Kills,
        Self::PowerLosses,
        Self::Restarts,
        Self::TornTails,
        Self::FailedSyncs,
        Self::FullDisks,
        Self::NoSpace,
        Self::OldCopies,
        Self::CorruptJournals,
        Self::AmnesiaStops,
    ];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProductionTiming => "runs with the production timing",
            Self::Steps => "steps",
            Self::Done => "done operations",
            Self::Withdrawals => "withdrawals",
            Self::ContendedWithdrawals => "contended withdrawals",
            Self::UnknownOutcomes => "unknown outcomes",
            Self::Retries => "retries",
            Self::GivenUp => "given up",
            Self::DuplicateRequests => "duplicate requests",
            Self::Borrows => "borrows",
            Self::Grants => "grants",
            Self::GrantsInFlightAtCrash => "grants in flight at a crash",
            Self::Refusals => "refusals",
            Self::Contended => "contended",
            Self::RightsUnavailable => "rights unavailable",
            Self::TooFewBranches => "too few branches",
            Self::Collects => "collect requests",
            Self::Proofs => "proofs made for others",
            Self::HoldersTold => "told who holds a log",
            Self::Snapshots => "snapshots answered",
            Self::Pushes => "pushes",
            Self::Streams => "streams",
            Self::MessagesLost => "messages lost",
            Self::MessagesTwice => "messages twice",
            Self::OneWayPartitions => "one-way partitions",
            Self::Pauses => "pauses",
            Self::Kills => "kills",
            Self::PowerLosses => "power losses",
            Self::Restarts => "restarts from a journal",
            Self::TornTails => "torn tails",
            Self::FailedSyncs => "failed syncs",
            Self::FullDisks => "full disks",
            Self::NoSpace => "ended without space",
            Self::OldCopies => "old copies",
            Self::CorruptJournals => "corrupt journals",
            Self::AmnesiaStops => "amnesia stops",
        }
    }
}

/// How often everything was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<Seen, u64>);

impl Counters {
    pub(super) fn of_plan(plan: &Plan) -> Self {
        let mut counters = Self::default();
        let production = plan.timing == TimingProfile::Production;
        counters.add_many(Seen::ProductionTiming, u64::from(production));
        counters
    }

    /// Once more.
    pub(super) fn add(&mut self, seen: Seen) {
        self.add_many(seen, 1);
    }

    /// So many times more.
    pub(super) fn add_many(&mut self, seen: Seen, times: u64) {
        let count = self.0.entry(seen).or_default();
        *count = count.saturating_add(times);
    }

    /// How often.
    pub fn of(&self, seen: Seen) -> u64 {
        self.0.get(&seen).copied().unwrap_or_default()
    }

    /// Takes in what was seen elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (seen, times) in &other.0 {
            self.add_many(*seen, *times);
        }
    }

    /// What was never seen.
    pub fn never(&self) -> Vec<Seen> {
        Seen::ALL.into_iter().filter(|seen| self.of(*seen) == 0).collect()
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for seen in Seen::ALL {
            writeln!(f, "{:>14}  {}", self.of(seen), seen.name())?;
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
        one.add(Seen::Borrows);
        let mut other = Counters::default();
        other.add_many(Seen::Borrows, 2);
        other.add(Seen::Kills);
        one.merge(&other);
        assert_eq!((one.of(Seen::Borrows), one.of(Seen::Kills)), (3, 1));
        assert_eq!(one.never().len(), Seen::ALL.len() - 2);
        assert!(one.to_string().contains("             3  borrows\n"));
    }
}
