//! What is fixed about a branch.

use std::net::SocketAddr;

use bank::{BranchId, Money};
use serde::{Deserialize, Serialize};

/// Another branch of the cluster and the address it listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The peer's number.
    pub id: BranchId,
    /// The address of its server.
    pub address: SocketAddr,
}

/// What is fixed about a branch.
#[derive(Clone, Debug)]
pub(super) struct BranchInfo {
    pub(super) id: BranchId,
    pub(super) peers: Vec<Peer>,
    /// The balance at the start.
    pub(super) opening: Money,
    /// The name of the replication scheme.
    pub(super) replication: &'static str,
}
