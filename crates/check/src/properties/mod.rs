//! One file a property.

pub(crate) mod availability;
pub(crate) mod balance_bounds;
pub(crate) mod causal;
pub(crate) mod conservation;
pub(crate) mod convergence;
pub(crate) mod durability;
mod final_balance;
pub(crate) mod linearizable;
pub(crate) mod monotonic_reads;
pub(crate) mod monotonic_writes;
mod output_file;
pub(crate) mod overdraft;
pub(crate) mod read_your_writes;
mod sequential;
pub(crate) mod value;
pub(crate) mod writes_follow_reads;

pub use final_balance::final_balance;
pub use output_file::OutputFile;
pub use sequential::sequential;
