//! A branch as a gRPC server: one task owns the replica and performs its effects.
//!
//! ```text
//! customer ─▶ services ─▶ driver (replica, waiting requests, statistics) ─▶ unary calls or a stream per peer ─▶ peer
//!                           ▲                                                             │
//!                           └──────────── results of calls, frames of peers ──────────────┘
//! ```
//!
//! Requests reach the driver by a queue and are answered by a one-shot channel, so nothing is shared and nothing is
//! locked. [`replication::Replica`] decides which of the two drivers a branch has: `call_driver` for broadcast,
//! `stream_driver` for passbook; `driver` is what they have in common.

mod call_driver;
mod clock;
mod connecting;
mod driver;
mod exercise;
mod handle;
mod info;
mod log_tap;
mod methods;
mod outbox;
mod peer_stream;
mod reachability;
mod server;
mod services;
mod shared_connections;
mod spans;
mod statistics;
mod stream_driver;
mod unary_peer;
mod warnings;

pub use handle::BranchHandle;
pub use info::Peer;
pub use server::{Branch, ServeError};
pub use shared_connections::{SharedConnections, SharedListener};
pub use warnings::Warning;
