//! The words of the bank: money, identities, operations and what became of them.
//!
//! Pure: no clock, no I/O, no runtime.

mod account;
mod money;
mod operation;

pub use account::{Account, Overflow};
pub use money::Money;
pub use operation::{
    Answer, BranchId, CustomerId, Operation, Outcome, Rejection, Write, WriteKind,
};
