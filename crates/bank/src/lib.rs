//! The words of the bank: money, identities, operations and what became of them, rows and ledgers.
//!
//! Pure: no clock, no I/O, no runtime.

mod account;
mod consistency;
mod ledger;
mod money;
mod operation;
mod row;
mod status_code;
mod version;

pub use account::{Account, Overflow};
pub use consistency::{Ack, Read};
pub use ledger::{Fork, Ledger};
pub use money::Money;
pub use operation::{
    Answer, BranchId, CustomerId, Operation, OperationKind, Outcome, Rejection, Write, WriteKind,
};
pub use row::{Chain, Entry, Grants, RequestId, Row, SessionId, Total};
pub use status_code::StatusCode;
pub use version::{Member, Seq, Version};
