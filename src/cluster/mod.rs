//! Starting N branches together.

mod embedded;
mod member;
mod ports;
mod processes;
mod signals;

pub use embedded::{Cluster, ClusterError, ClusterSpec, MakeReplica, families};
pub use member::{Lifeline, Said, send};
pub use ports::{PortError, port_of};
pub use processes::{ProcessCluster, ProcessError, ProcessSpec, branch_binary};
pub use signals::{EndSignals, asked_to_end};
