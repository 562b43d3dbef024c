//! What is loaded: an embedded cluster, processes, or branches that run already.

pub mod clusters;
pub mod connecting;
pub mod foreign;
mod polling;
