//! Replication schemes as pure state machines: an input goes in, effects come out.
//!
//! A scheme never sleeps, reads a clock, opens a socket or touches a disk. The driver does that for it, and so does the
//! simulation with a seeded network and disk. Each scheme has its own `Input` and `Effect`; what all have in
//! common is [`Replication`].
//!
//! A driver guarantees:
//! - Inputs come one at a time, and time never goes back.
//! - After some inputs, at the latest before it waits for more, it calls [`Replication::settle`].
//! - It uses no ticket twice.
//!
//! A driver of [`passbook`] also guarantees:
//! - It delivers a message only while the stream that carried it is the newest one that
//!   [`passbook::Input::PeerUp`] announced at both ends.
//! - It appends records in the order of their effects. If a record of a [`passbook::Effect::Persist`] cannot be appended,
//!   it performs no later effect and ends the branch.

pub mod broadcast;
mod instant;
pub mod passbook;
mod replica;
mod request;
mod scheme;
mod settings;

pub use broadcast::Broadcast;
pub use instant::Instant;
pub use passbook::Passbook;
pub use replica::{CallReplica, LogStatus, Replica, ReplicaStats, Replication, StreamReplica};
pub use request::{Attempt, ClusterId, Receipt, Request, Ticket, Token};
pub use scheme::Scheme;
pub use settings::{Fanout, Locking};
