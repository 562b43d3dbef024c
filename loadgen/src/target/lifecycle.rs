//! Start, settle and end, whatever the target.

use std::time::Duration;

use bank::{BranchId, Money};
use history::FinalState;
use passbook::branch::BranchHandle;
use passbook::cluster::{ClusterError, MakeReplica, ProcessError};
use serde::Serialize;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::connection::Patience;
use super::foreign::ForeignBranches;
use super::inspected::InspectedBranches;
use super::membership::{Membership, Requirements};
use super::running;
use super::started::StartedCluster;
use crate::client::ConnectError;
use crate::interrupt::Interrupt;
use crate::scenario::{ClusterChoice, Scenario, Wire};

/// How long propagations may take to end after the last answer.
pub const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// The target cannot be used for this run.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The embedded cluster did not start or failed.
    #[error(transparent)]
    Embedded(#[from] ClusterError),
    /// The processes of branches did not start or failed.
    #[error(transparent)]
    Processes(#[from] ProcessError),
    /// A branch cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Two addresses lead to the same server.
    #[error("--target {first} and {second} are the same address; give each branch once")]
    SameAddress {
        /// The first of the two.
        first: String,
        /// The second of the two.
        second: String,
    },
    /// The branches are there, but not fit for the run. The message says why, and what to do.
    #[error("{0}")]
    Unusable(String),
}

/// The branches of a run.
#[derive(Debug)]
#[expect(private_interfaces, reason = "a target is used by its functions only")]
pub enum Target {
    /// They were started for the run: embedded, or in a process each.
    Started {
        /// Ends with the run.
        cluster: StartedCluster,
        /// Its branches.
        branches: InspectedBranches,
    },
    /// They ran before, and report their state.
    Running(InspectedBranches),
    /// They are servers of another program, known by their answers only.
    Foreign(ForeignBranches),
}

/// The state of the branches after the last answer of the customers.
#[derive(Clone, Debug, Default)]
pub struct SettleOutcome {
    /// The state of each branch that answered, in their order.
    pub finals: Vec<FinalState>,
    /// How many messages the branches have sent each other since their start. `None` where a branch did not
    /// answer, or does not count.
    pub frames_sent: Option<u64>,
    /// Whether an interruption ended the wait before all had settled.
    pub is_cut: bool,
}

/// A branch that died, or that did not answer any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostBranch {
    /// Its id.
    pub branch: BranchId,
    /// What is known of it, in a sentence that names the branch.
    pub how: String,
}

impl Target {
    /// Starts or finds the branches of `scenario` and waits until all are ready. `replica`, if given, makes the
    /// replicas of an embedded cluster instead of the scheme. `waiting` receives the addresses of servers that
    /// `--wait` waits for.
    pub async fn start(
        scenario: &Scenario,
        replica: Option<MakeReplica>,
        waiting: UnboundedSender<String>,
    ) -> Result<Self, TargetError> {
        let required = Requirements::of(&scenario.workload);
        let patience = match &scenario.cluster {
            ClusterChoice::Running { .. } => {
                Patience::with_running(scenario.timeout, scenario.wait, waiting)
            }
            _ => Patience::with_own(required.ids.len(), waiting),
        };
        let cluster = match &scenario.cluster {
            ClusterChoice::Embedded(scheme) => {
                StartedCluster::embedded(&required, *scheme, replica)?
            }
            ClusterChoice::Processes(scheme) => {
                StartedCluster::processes(&required, *scheme).await?
            }
            ClusterChoice::Running { targets } if scenario.wire == Wire::Passbook => {
                return Ok(Self::Running(running::find(targets, &required, &patience).await?));
            }
            ClusterChoice::Running { targets } => {
                let found = ForeignBranches::find(targets, scenario, &required, &patience);
                return Ok(Self::Foreign(found.await?));
            }
        };
        let addresses = cluster.addresses();
        let branches = InspectedBranches::connect_to_own(addresses, &required, &patience).await?;
        Ok(Self::Started { cluster, branches })
    }

    const fn inspected(&self) -> Option<&InspectedBranches> {
        match self {
            Self::Started { branches, .. } | Self::Running(branches) => Some(branches),
            Self::Foreign(_) => None,
        }
    }

    const fn membership(&self) -> &Membership {
        match self {
            Self::Started { branches, .. } | Self::Running(branches) => &branches.membership,
            Self::Foreign(branches) => &branches.membership,
        }
    }

    /// Ids and addresses in the order of the branches.
    pub fn addresses(&self) -> &[(BranchId, String)] {
        &self.membership().addresses
    }

    /// The ids in the order of the branches.
    pub fn ids(&self) -> Vec<BranchId> {
        self.addresses().iter().map(|(id, _)| *id).collect()
    }

    /// The balance that every branch has at the start.
    pub fn opening(&self) -> Money {
        self.membership().opening
    }

    /// The name of the replication scheme.
    pub fn replication(&self) -> &str {
        &self.membership().replication
    }

    /// Channels to the branches that report their state, each with its id.
    pub fn channels(&self) -> &[(BranchId, Channel)] {
        self.inspected().map_or(&[], |branches| &branches.channels)
    }

    /// Handles to the metrics of an embedded cluster.
    pub fn handles(&self) -> &[BranchHandle] {
        match self {
            Self::Started { cluster, .. } => cluster.handles(),
            Self::Running(_) | Self::Foreign(_) => &[],
        }
    }

    /// Waits until no propagation is in progress anywhere, at most [`SETTLE_LIMIT`] and not after `hurry`, and returns
    /// the last state of every branch. A branch that has not answered is missing.
    pub async fn settle(&mut self, hurry: &CancellationToken) -> SettleOutcome {
        match self {
            Self::Started { cluster, branches } => {
                branches.settle(&cluster.dead_branches(), hurry).await
            }
            Self::Running(branches) => branches.settle(&[], hurry).await,
            Self::Foreign(branches) => branches.settle(hurry).await,
        }
    }

    /// How many messages branches have sent each other since their start. `None` where a branch does not answer, or
    /// does not count.
    pub async fn frames_sent(&self) -> Option<u64> {
        self.inspected()?.frames_sent().await
    }

    /// Ends what was started for the run in order, and names the lost branches: those that ended by themselves, and
    /// those that are not in `settled`. Blocks, and no longer when `interrupt` asks to report at once.
    pub fn end(
        self,
        settled: &SettleOutcome,
        interrupt: &Interrupt,
    ) -> Result<Vec<LostBranch>, TargetError> {
        let addresses = self.addresses().to_vec();
        let mut lost = match self {
            Self::Started { cluster, branches } => {
                // A cluster waits for its connections to close.
                drop(branches);
                cluster.end(interrupt)?
            }
            Self::Running(_) | Self::Foreign(_) => Vec::new(),
        };
        for (branch, address) in addresses {
            let is_known = settled.finals.iter().any(|last| last.branch == branch)
                || lost.iter().any(|lost| lost.branch == branch);
            if !is_known {
                let why = if settled.is_cut {
                    "was not waited for, because the run was to report at once"
                } else {
                    "did not answer at the end"
                };
                let how = format!("branch {branch} at {address} {why}: what it holds is unknown");
                lost.push(LostBranch { branch, how });
            }
        }
        lost.sort_by_key(|lost| lost.branch);
        Ok(lost)
    }
}
