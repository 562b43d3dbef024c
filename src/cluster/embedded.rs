//! A cluster in threads of this process, on free loopback ports.
//!
//! Each thread runs a `current_thread` runtime with its share of the branches: on few cores that moves
//! two to three times the calls of one multi-thread runtime. Branches of a thread share a connection to those
//! of each other thread, and one among themselves: with one for each two branches most of the time that a
//! large cluster takes to start goes into connecting.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::branch::{Branch, BranchHandle, Peer, ServeError, SharedConnections, SharedListener};
use crate::telemetry::Family;
use bank::{BranchId, Money};
use replication::{Replica, Scheme};

/// Makes the replica of a branch, given its fellow branches.
pub type MakeReplica = Arc<dyn Fn(BranchId, Vec<BranchId>) -> Replica + Send + Sync>;

/// What to start.
#[derive(Clone)]
pub struct ClusterSpec {
    /// The branches, each id once.
    pub branches: Vec<BranchId>,
    /// What each holds at the start.
    pub opening: Money,
    /// Threads to spread them over; at least one, and no more than there are branches, are started.
    pub threads: usize,
    /// How each keeps its account.
    pub replica: MakeReplica,
}

impl ClusterSpec {
    /// A cluster under `scheme`, in one thread.
    #[expect(clippy::disallowed_methods, reason = "no other incarnation has this name")]
    pub fn new(branches: Vec<BranchId>, opening: Money, scheme: Scheme) -> Self {
        let replica: MakeReplica =
            Arc::new(move |id, peers| scheme.replica(id, peers, opening, rand::random()));
        Self { branches, opening, threads: 1, replica }
    }
}

/// A cluster could not be started or did not end well.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// No port could be had.
    #[error("failed to bind a port for branch {branch}: {cause}")]
    Bind {
        /// For which branch.
        branch: BranchId,
        /// Why.
        cause: io::Error,
    },
    /// No thread could be had.
    #[error("failed to start a thread for branches: {0}")]
    Thread(io::Error),
    /// A branch failed.
    #[error("branch {branch} failed: {cause}")]
    Serve {
        /// Which branch.
        branch: BranchId,
        /// Why.
        cause: ServeError,
    },
    /// A thread could not connect its branches with the others.
    #[error("failed to connect the threads of branches: {0}")]
    Shared(ServeError),
    /// No port could be had for the streams between branches.
    #[error("failed to bind a port for a thread of branches: {0}")]
    SharedPort(io::Error),
    /// A thread or a task died.
    #[error("a thread of branches died")]
    Died,
}

/// A cluster at work. It ends when it is told to, or dropped.
#[derive(Debug)]
pub struct Cluster {
    addresses: Vec<(BranchId, SocketAddr)>,
    handles: Vec<BranchHandle>,
    shutdown: CancellationToken,
    threads: Vec<JoinHandle<Result<(), ClusterError>>>,
}

/// A branch and the port it will listen on.
type Placed = (Branch, TcpListener);

/// The address of a thread's shared listener, and the branches behind it.
type Shared = (SocketAddr, Vec<BranchId>);

/// What a thread gets.
struct Share {
    branches: Vec<Placed>,
    listener: TcpListener,
}

/// A free port of this machine.
fn bind() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Cluster {
    /// Binds a port for every branch, then starts them all.
    pub fn start(spec: &ClusterSpec) -> Result<Self, ClusterError> {
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for branch in &spec.branches {
            let (listener, address) =
                bind().map_err(|cause| ClusterError::Bind { branch: *branch, cause })?;
            listeners.push(listener);
            addresses.push((*branch, address));
        }
        let mut handles = Vec::new();
        let threads = spec.threads.clamp(1, spec.branches.len().max(1));
        let (mut shares, mut shared) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let (listener, address) = bind().map_err(ClusterError::SharedPort)?;
            shares.push(Share { branches: Vec::new(), listener });
            shared.push((address, Vec::new()));
        }
        for (index, (id, listener)) in spec.branches.iter().zip(listeners).enumerate() {
            let peers: Vec<Peer> = addresses
                .iter()
                .filter(|(peer, _)| peer != id)
                .map(|(id, address)| Peer { id: *id, address: *address })
                .collect();
            let replica = (spec.replica)(*id, peers.iter().map(|peer| peer.id).collect());
            let branch = Branch::new(*id, peers, spec.opening, replica);
            handles.push(branch.handle());
            shares[index % threads].branches.push((branch, listener));
            shared[index % threads].1.push(*id);
        }
        let shared = Arc::new(shared);
        let shutdown = CancellationToken::new();
        let mut cluster = Self { addresses, handles, shutdown, threads: Vec::new() };
        for share in shares {
            let (shared, shutdown) = (Arc::clone(&shared), cluster.shutdown.clone());
            let thread = std::thread::Builder::new()
                .name("passbook-branch".to_owned())
                .spawn(move || serve(share, &shared, &shutdown))
                .map_err(ClusterError::Thread)?;
            cluster.threads.push(thread);
        }
        Ok(cluster)
    }

    /// Where each branch listens, in the order they were given.
    pub fn addresses(&self) -> &[(BranchId, SocketAddr)] {
        &self.addresses
    }

    /// Ways to speak to the branches without the network, in the same order.
    pub fn handles(&self) -> &[BranchHandle] {
        &self.handles
    }

    /// Ends all branches in order and waits for them. Blocks.
    pub fn end(mut self) -> Result<(), ClusterError> {
        self.shutdown.cancel();
        let ended =
            self.threads.drain(..).map(|thread| thread.join().map_err(|_| ClusterError::Died)?);
        ended.collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown.cancel();
        for thread in self.threads.drain(..) {
            // Whoever wanted to know how it ended has called `end`.
            let _ = thread.join();
        }
    }
}

/// The metrics of all of these branches.
pub async fn families(handles: &[BranchHandle]) -> Vec<Family> {
    let mut families = Vec::new();
    for handle in handles {
        families.extend(handle.families().await);
    }
    families
}

fn serve(
    share: Share,
    listeners: &[Shared],
    shutdown: &CancellationToken,
) -> Result<(), ClusterError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ClusterError::Thread)?;
    runtime.block_on(async {
        let shared = SharedListener::new(share.branches.iter().map(|(branch, _)| branch));
        let listener = tokio::net::TcpListener::from_std(share.listener);
        let listener = listener.map_err(ClusterError::SharedPort)?;
        let others = listeners.iter().map(|(address, branches)| (*address, branches.as_slice()));
        let connections = SharedConnections::new(others).map_err(ClusterError::Shared)?;
        let mut branches = JoinSet::new();
        for (branch, listener) in share.branches {
            let id = branch.id();
            let listener = tokio::net::TcpListener::from_std(listener)
                .map_err(|cause| ClusterError::Bind { branch: id, cause })?;
            let (branch, shutdown) =
                (branch.with_connections(connections.clone()), shutdown.clone());
            branches.spawn(async move {
                let served = branch.serve(listener, shutdown).await;
                served.map_err(|cause| ClusterError::Serve { branch: id, cause })
            });
        }
        let all_ended = async {
            let mut result = Ok(());
            while let Some(ended) = branches.join_next().await {
                result = result.and(ended.map_err(|_| ClusterError::Died).flatten());
            }
            result
        };
        tokio::select! {
            result = all_ended => result,
            Err(error) = shared.serve(listener) => Err(ClusterError::Shared(error)),
        }
    })
}
