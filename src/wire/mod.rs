//! The contracts on the wire: generated code, conversions from it, and the one table of errors.
//!
//! [`v1`] is ours. [`exercise`] holds the contracts of other programs of the exercise, unchanged.

mod cause;
mod convert;
mod deadline;
pub mod exercise;
mod failure;
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::clone_on_ref_ptr,
    clippy::allow_attributes_without_reason,
    reason = "generated code is not ours to change"
)]
mod generated;
mod log;
mod peer_codec;
mod received;

pub use cause::root_cause;
pub use convert::{
    from_ack, from_attempt, from_read, from_token, receipt_of, to_ack, to_answer, to_query_reply,
    to_query_request, to_read, to_receipt, to_state, to_write, to_write_reply, to_write_request,
};
pub use deadline::timeout;
pub use failure::{Failure, outcome_of, status_code};
pub use generated::v1;
pub use log::{LogBegun, LogEncoder, LogEntry, LogError, to_log_entries};
pub use peer_codec::{from_message, from_version, to_message};
pub use received::{MarkingBody, MarkingChannel, is_sent_by_server};

/// How much may be under way on a connection before its receiver must have read it. h2 closes a connection
/// on which more small messages wait unread than half of this pays for, at about 250 bytes each: it takes
/// them for an attack. This is room for twice as many as there may be calls.
pub const CONNECTION_WINDOW_BYTES: u32 = 1 << 24;

/// All contracts in `proto/` as an encoded descriptor set, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
