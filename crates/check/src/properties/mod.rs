//! One file a property.

mod availability;
mod balance_bounds;
mod causal;
mod conservation;
mod convergence;
mod durability;
mod final_balance;
mod linearizable;
mod monotonic_reads;
mod monotonic_writes;
mod output_file;
mod overdraft;
mod read_your_writes;
mod sequential;
mod value;
mod writes_follow_reads;

pub(crate) use availability::availability;
pub(crate) use balance_bounds::balance_bounds;
pub(crate) use causal::causal;
pub(crate) use conservation::conservation;
pub(crate) use convergence::convergence;
pub(crate) use durability::durability;
pub use final_balance::final_balance;
pub(crate) use linearizable::linearizable;
pub(crate) use monotonic_reads::monotonic_reads;
pub(crate) use monotonic_writes::monotonic_writes;
pub use output_file::OutputFile;
pub(crate) use overdraft::overdraft;
pub(crate) use read_your_writes::read_your_writes;
pub use sequential::sequential;
pub(crate) use value::value;
pub(crate) use writes_follow_reads::writes_follow_reads;
