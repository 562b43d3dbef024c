//! Branches in threads of this process.

use passbook::branch::BranchHandle;
use passbook::cluster::{Cluster, ClusterError, ClusterSpec, MakeReplica};
use replication::Scheme;
use thiserror::Error;

use super::connection::Patience;
use super::inspected::InspectedBranches;
use super::lifecycle::{LostBranch, TargetError};
use super::membership::Requirements;

/// With a connection between each two of them, at about 80 KiB each, these take 8 GiB.
const BRANCHES_MAX: usize = 300;
/// Up to this many branches are less work for a core than their customers are.
const BRANCHES_PER_CORE: usize = 8;

/// The embedded cluster needs more sockets than this process may have.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum SocketsError {
    #[error(
        "{branches} branches are too many for one process; up to {BRANCHES_MAX} can be embedded"
    )]
    TooManyBranches { branches: usize },
    #[error(
        "{branches} branches need {needed} sockets, this process may have {allowed}; use fewer branches, or raise the \
         limit by ulimit -n"
    )]
    TooFewSockets { branches: usize, needed: u64, allowed: u64 },
}

/// A cluster in threads of this process.
#[derive(Debug)]
pub struct EmbeddedTarget {
    cluster: Cluster,
    branches: InspectedBranches,
}

impl EmbeddedTarget {
    pub(super) async fn start(
        required: &Requirements,
        scheme: Scheme,
        replica: Option<MakeReplica>,
        patience: &Patience,
    ) -> Result<Self, TargetError> {
        let count = required.ids.len();
        check_sockets(count, scheme)?;
        let mut spec = ClusterSpec::new(required.ids.clone(), required.opening_of_own(), scheme);
        spec.threads = branch_threads(count);
        if let Some(replica) = replica {
            spec.replica = replica;
        }
        let cluster = Cluster::start(&spec)?;
        let addresses = cluster.addresses().iter().map(|(_, address)| address.to_string());
        let branches =
            InspectedBranches::connect_to_own(addresses.collect(), required, patience).await?;
        Ok(Self { cluster, branches })
    }

    pub(super) const fn branches(&self) -> &InspectedBranches {
        &self.branches
    }

    pub(super) fn handles(&self) -> &[BranchHandle] {
        self.cluster.handles()
    }

    /// Closes the connections, ends the cluster, and names the branch that ended by itself.
    pub(super) fn end(self) -> Result<Vec<LostBranch>, ClusterError> {
        let Self { cluster, branches } = self;
        drop(branches);
        match cluster.end() {
            Err(ClusterError::Serve { branch, cause }) => {
                let how = format!("branch {branch} ended by itself: {cause}");
                Ok(vec![LostBranch { branch, how }])
            }
            ended => ended.map(|()| Vec::new()),
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
fn check_sockets(branches: usize, scheme: Scheme) -> Result<(), SocketsError> {
    let each = match scheme {
        Scheme::Passbook => 5,
        Scheme::Broadcast { .. } => 5 + 2 * branches,
    };
    let needed = u64::try_from(each * branches + 256).unwrap_or(u64::MAX);
    let allowed = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    if branches > BRANCHES_MAX {
        Err(SocketsError::TooManyBranches { branches })
    } else if needed > allowed {
        Err(SocketsError::TooFewSockets { branches, needed, allowed })
    } else {
        Ok(())
    }
}
