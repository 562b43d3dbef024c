//! What a workload requires of its branches, and what a run knows of them.

use bank::{BranchId, Money};

use super::TargetError;
use crate::scenario::{Synthetic, Workload};

/// What a workload requires of its branches.
#[derive(Clone, Debug)]
pub(super) struct Requirements {
    /// The ids that branches have if they are started for the run.
    pub(super) ids: Vec<BranchId>,
    /// Whether branches that run already must have these ids in this order, because events name them.
    pub(super) are_ids_fixed: bool,
    /// `None` if running branches may begin with any balance.
    pub(super) opening: Option<Money>,
}

impl Requirements {
    pub(super) fn of(workload: &Workload) -> Self {
        Self {
            ids: workload.branch_ids(),
            are_ids_fixed: matches!(workload, Workload::Replay(_)),
            opening: workload.opening(),
        }
    }

    /// The ids that running branches must have, in this order; `None` if any will do.
    pub(super) fn fixed_ids(&self) -> Option<&[BranchId]> {
        self.are_ids_fixed.then_some(self.ids.as_slice())
    }

    /// Checks that `have` running branches are as many as there must be.
    pub(super) fn check_count(&self, have: usize) -> Result<(), TargetError> {
        match self.fixed_ids().map(<[BranchId]>::len) {
            Some(want) if want != have => Err(TargetError::Unusable(format!(
                "{have} addresses for the {want} branches of the file; give {want}"
            ))),
            _ => Ok(()),
        }
    }

    /// The opening balance of branches that are started for the run.
    pub(super) fn opening_of_own(&self) -> Money {
        self.opening.unwrap_or(Money::new(Synthetic::OPENING))
    }
}

/// What a run knows of its branches before customers begin.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    /// Ids and addresses in the order of the branches.
    pub(super) addresses: Vec<(BranchId, String)>,
    /// The balance that every branch has at the start.
    pub(super) opening: Money,
    /// The name of the replication scheme.
    pub(super) replication: String,
}
