//! What several properties read from a run beside its index.

mod bounds;
mod dependencies;
mod difference;
mod possible_balances;
mod sessions;

pub(crate) use bounds::{Bounds, Deposits, Range, refused_amount, until, wrong_refusal};
pub(crate) use dependencies::Dependencies;
pub(crate) use difference::{DecidedWrite, Difference};
pub(crate) use possible_balances::PossibleBalances;
pub(crate) use sessions::{
    Lack, earlier, first_missing, is_guarded, logged_as, shown, walk, writes_upon, wrote,
};
