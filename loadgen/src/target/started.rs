//! Branches that are started for the run: in threads of this process, or in a process each.

use bank::BranchId;
use passbook::branch::BranchHandle;
use passbook::cluster::{
    Cluster, ClusterError, ClusterSpec, MakeReplica, ProcessCluster, ProcessSpec, branch_binary,
};
use replication::Scheme;

use super::membership::Requirements;
use super::{LostBranch, TargetError};
use crate::interrupt::Interrupt;

/// With a connection between each two of them, at about 80 KiB each, these take 8 GiB.
const BRANCHES_MAX: usize = 300;
/// Up to this many branches are less work for a core than their customers are.
const BRANCHES_PER_CORE: usize = 8;

/// A cluster that ends with the run.
#[derive(Debug)]
pub(super) enum StartedCluster {
    /// In threads of this process.
    Embedded(Cluster),
    /// One process per branch.
    Processes(ProcessCluster),
}

impl StartedCluster {
    pub(super) fn embedded(
        required: &Requirements,
        scheme: Scheme,
        replica: Option<MakeReplica>,
    ) -> Result<Self, TargetError> {
        let count = required.ids.len();
        check_sockets(count, scheme)?;
        let mut spec = ClusterSpec::new(required.ids.clone(), required.opening_of_own(), scheme);
        spec.threads = branch_threads(count);
        if let Some(replica) = replica {
            spec.replica = replica;
        }
        Ok(Self::Embedded(Cluster::start(&spec)?))
    }

    pub(super) async fn processes(
        required: &Requirements,
        scheme: Scheme,
    ) -> Result<Self, TargetError> {
        let spec = ProcessSpec {
            binary: branch_binary()?,
            branches: required.ids.clone(),
            opening: required.opening_of_own(),
            scheme,
            base_port: 0,
        };
        Ok(Self::Processes(ProcessCluster::start(&spec).await?))
    }

    /// Where the branches listen, in their order.
    pub(super) fn addresses(&self) -> Vec<String> {
        let addresses = match self {
            Self::Embedded(cluster) => cluster.addresses().to_vec(),
            Self::Processes(cluster) => cluster.addresses(),
        };
        addresses.iter().map(|(_, address)| address.to_string()).collect()
    }

    pub(super) fn handles(&self) -> &[BranchHandle] {
        match self {
            Self::Embedded(cluster) => cluster.handles(),
            Self::Processes(_) => &[],
        }
    }

    /// The branches whose process has ended.
    pub(super) fn dead_branches(&mut self) -> Vec<BranchId> {
        match self {
            Self::Embedded(_) => Vec::new(),
            Self::Processes(cluster) => cluster.ended(),
        }
    }

    /// Ends the cluster, and names the branches that ended by themselves.
    pub(super) fn end(self, interrupt: &Interrupt) -> Result<Vec<LostBranch>, ClusterError> {
        match self {
            Self::Embedded(cluster) => match cluster.end() {
                Err(ClusterError::Serve { branch, cause }) => {
                    let how = format!("branch {branch} ended by itself: {cause}");
                    Ok(vec![LostBranch { branch, how }])
                }
                ended => ended.map(|()| Vec::new()),
            },
            Self::Processes(mut cluster) => {
                let ended = cluster.end_all(|| interrupt.report().is_cancelled()).into_iter();
                let lost = |(branch, error): (_, passbook::cluster::ProcessError)| LostBranch {
                    branch,
                    how: error.to_string(),
                };
                Ok(ended.map(lost).collect())
            }
        }
    }
}

/// Threads for the branches of an embedded cluster. The customers have one of their own: a core each, unless there
/// are so many branches that they are most of the work.
fn branch_threads(branches: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let left = cores.saturating_sub(1).max(1);
    if branches > left * BRANCHES_PER_CORE { cores } else { left }
}

/// Checks that this process may have the sockets that so many branches need in it. A branch has a port and the
/// connections of customers and of this run, with both ends here; where each propagation is a call, it has one to
/// every other besides.
fn check_sockets(branches: usize, scheme: Scheme) -> Result<(), TargetError> {
    let each = match scheme {
        Scheme::Passbook => 5,
        Scheme::Broadcast { .. } => 5 + 2 * branches,
    };
    let needed = u64::try_from(each * branches + 256).unwrap_or(u64::MAX);
    let allowed = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    if branches > BRANCHES_MAX {
        Err(TargetError::Unusable(format!(
            "{branches} branches are too many for one process; up to {BRANCHES_MAX} can be embedded"
        )))
    } else if needed > allowed {
        Err(TargetError::Unusable(format!(
            "{branches} branches need {needed} sockets, this process may have {allowed}; use fewer branches, or raise \
             the limit by ulimit -n"
        )))
    } else {
        Ok(())
    }
}
