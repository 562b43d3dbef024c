//! A branch as a gRPC server: one task owns the replica and performs what the scheme decides.
//!
//! ```text
//! customer ─▶ services ─▶ owner (replica, waiting customers, fan-outs, statistics) ─▶ link per peer ─▶ peer
//!                           ▲                                                             │
//!                           └─────────────────── how each propagation ended ──────────────┘
//! ```
//!
//! Requests reach the owner by a queue and are answered by a one-shot channel, so nothing is shared and
//! nothing is locked.

mod clock;
mod exchange;
mod handle;
mod link;
mod methods;
mod notices;
mod owner;
mod reachability;
mod seeds;
mod server;
mod services;
mod spans;
mod statistics;
mod stream;
mod streams;
mod tap;
mod wakes;

pub use exchange::{Exchange, Lines};
pub use handle::BranchHandle;
pub use notices::Notice;
pub use owner::{Branch, BranchInfo, Peer};
pub use server::ServeError;
