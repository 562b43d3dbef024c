//! Kinds of runs, by what goes wrong in them.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// What goes wrong in a run, and what its customers do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
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
    /// The name used in arguments and reports.
    pub fn name(self) -> &'static str {
        self.into()
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
