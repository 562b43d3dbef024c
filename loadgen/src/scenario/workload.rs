//! What customers do.

use std::path::PathBuf;
use std::time::Duration;

use bank::{BranchId, Money};
use serde::Serialize;

use super::{Replay, Stop, Synthetic};

/// What customers do.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Workload {
    /// Customers drawn from a seed, all at once.
    Synthetic(Synthetic),
    /// The customers of an input file.
    Replay(Replay),
}

impl Workload {
    /// The ids the branches are to have.
    pub fn branch_ids(&self) -> Vec<BranchId> {
        match self {
            Self::Synthetic(synthetic) => (1..=synthetic.branches).map(BranchId).collect(),
            Self::Replay(replay) => replay.input.branches.clone(),
        }
    }

    /// The opening balance the branches are to have; `None` where none is given.
    pub fn opening(&self) -> Option<Money> {
        match self {
            Self::Synthetic(synthetic) => synthetic.opening.map(Money::new),
            Self::Replay(replay) => Some(replay.input.opening),
        }
    }

    /// Where `output.json` goes, apart from the run folder.
    pub fn output(&self) -> Option<&PathBuf> {
        match self {
            Self::Synthetic(_) => None,
            Self::Replay(replay) => replay.output.as_ref(),
        }
    }

    /// What the draws of synthetic customers come from.
    pub fn seed(&self) -> Option<u64> {
        match self {
            Self::Synthetic(synthetic) => Some(synthetic.seed),
            Self::Replay(_) => None,
        }
    }

    /// How many operations there will be; `None` if time decides.
    pub fn operations(&self) -> Option<u64> {
        match self {
            Self::Synthetic(Synthetic { customers, stop: Stop::Events(each), .. }) => {
                Some(customers.saturating_mul(*each))
            }
            Self::Synthetic(_) => None,
            Self::Replay(replay) => u64::try_from(replay.input.events().count()).ok(),
        }
    }

    /// How long customers work; `None` if the number of operations decides.
    pub fn duration(&self) -> Option<Duration> {
        match self {
            Self::Synthetic(Synthetic { stop: Stop::After(duration), .. }) => Some(*duration),
            Self::Synthetic(_) | Self::Replay(_) => None,
        }
    }
}
