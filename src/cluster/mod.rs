//! Starting N branches together.

mod embedded;
mod signals;

pub use embedded::{Cluster, ClusterError, ClusterSpec, MakeReplica, families};
pub use signals::asked_to_end;
