//! Starting N branches together.

mod embedded;

pub use embedded::{Cluster, ClusterError, ClusterSpec, MakeReplica, families};
