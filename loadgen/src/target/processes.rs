//! Branches in a process each, started for the run.

use bank::BranchId;
use passbook::cluster::{ProcessCluster, ProcessSpec, branch_binary};
use replication::Scheme;

use super::connection::Patience;
use super::inspected::InspectedBranches;
use super::lifecycle::{LostBranch, TargetError};
use super::membership::Requirements;
use crate::interrupt::Interrupt;

/// A cluster of one process per branch.
#[derive(Debug)]
pub struct ProcessTarget {
    cluster: ProcessCluster,
    branches: InspectedBranches,
}

impl ProcessTarget {
    pub(super) async fn start(
        required: &Requirements,
        scheme: Scheme,
        patience: &Patience,
    ) -> Result<Self, TargetError> {
        let spec = ProcessSpec {
            binary: branch_binary()?,
            branches: required.ids.clone(),
            opening: required.opening_of_own(),
            scheme,
            base_port: 0,
        };
        let cluster = ProcessCluster::start(&spec).await?;
        let addresses = cluster.addresses().into_iter().map(|(_, address)| address.to_string());
        let branches =
            InspectedBranches::connect_to_own(addresses.collect(), required, patience).await?;
        Ok(Self { cluster, branches })
    }

    pub(super) const fn branches(&self) -> &InspectedBranches {
        &self.branches
    }

    /// The branches whose process has ended.
    pub(super) fn dead_branches(&mut self) -> Vec<BranchId> {
        self.cluster.ended()
    }

    /// Closes the connections, ends the processes, and names the branches whose process ended by itself.
    pub(super) fn end(self, interrupt: &Interrupt) -> Vec<LostBranch> {
        let Self { mut cluster, branches } = self;
        drop(branches);
        let ended = cluster.end_all(|| interrupt.report().is_cancelled()).into_iter();
        ended.map(|(branch, error)| LostBranch { branch, how: error.to_string() }).collect()
    }
}
