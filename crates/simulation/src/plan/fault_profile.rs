//! Kinds of runs, by what goes wrong in them.

/// A kind of run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultProfile {
    /// Nothing goes wrong.
    Healthy,
    /// Everybody withdraws, and there is little money; nothing goes wrong, and they have time.
    NearZero,
    /// Many move small sums while somebody tries to withdraw nearly everything.
    Contended,
    /// Customers are at another branch each time, and are answered early.
    Roaming,
    /// Messages are lost, doubled and overtake each other.
    Lossy,
    /// Ways between branches are cut, one or both, for long or again and again.
    Partitions,
    /// Processes end, with or without what was not synced.
    Crashes,
    /// Disks fill up and syncs fail.
    Disks,
    /// Branches in memory die, and some come back without their memory.
    Deaths,
    /// Processes stand still.
    Pauses,
    /// A branch comes back with an old copy of its journal, or with one that has a hole.
    OldCopies,
    /// All of it.
    Everything,
}

impl FaultProfile {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Healthy,
        Self::NearZero,
        Self::Contended,
        Self::Roaming,
        Self::Lossy,
        Self::Partitions,
        Self::Crashes,
        Self::Disks,
        Self::Deaths,
        Self::Pauses,
        Self::OldCopies,
        Self::Everything,
    ];

    /// The name used in arguments and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::NearZero => "near-zero",
            Self::Contended => "contended",
            Self::Roaming => "roaming",
            Self::Lossy => "lossy",
            Self::Partitions => "partitions",
            Self::Crashes => "crashes",
            Self::Disks => "disks",
            Self::Deaths => "deaths",
            Self::Pauses => "pauses",
            Self::OldCopies => "old-copies",
            Self::Everything => "everything",
        }
    }

    /// How often it is chosen, compared with the others. Contended runs are long, and seldom end in a
    /// contended answer.
    pub(super) const fn weight(self) -> u32 {
        match self {
            Self::Contended => 3,
            Self::Healthy | Self::Pauses | Self::OldCopies => 7,
            Self::NearZero | Self::Roaming | Self::Lossy | Self::Disks | Self::Deaths => 10,
            Self::Partitions => 12,
            Self::Crashes | Self::Everything => 15,
        }
    }
}
