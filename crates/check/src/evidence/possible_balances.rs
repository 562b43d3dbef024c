//! The balances an account may hold when the outcome of some writes is unknown.

use std::collections::BTreeSet;

use bank::Write;

/// More possibilities than this are not followed: k unanswered writes may make 2^k balances.
const MOST: usize = 4096;

/// Every balance that the answers so far allow.
#[derive(Clone, Debug)]
pub(crate) struct PossibleBalances {
    balances: BTreeSet<i128>,
    too_many: bool,
}

impl PossibleBalances {
    pub(crate) fn exactly(balance: i128) -> Self {
        Self { balances: BTreeSet::from([balance]), too_many: false }
    }

    /// Applies a write that happened.
    pub(crate) fn apply(&mut self, write: Write) {
        self.balances = self.balances.iter().map(|balance| balance + write.delta()).collect();
    }

    /// Applies a write that may have happened.
    pub(crate) fn may_apply(&mut self, write: Write) {
        if self.balances.len() > MOST / 2 {
            self.too_many = true;
        }
        if !self.too_many {
            let applied = self.balances.iter().map(|balance| balance + write.delta());
            self.balances.extend(applied.collect::<Vec<i128>>());
        }
    }

    /// Keeps the balances that `holds` accepts. Returns `false` and keeps all if it accepts none. Beyond the bound
    /// everything counts as possible.
    pub(crate) fn narrow(&mut self, holds: impl Fn(i128) -> bool) -> bool {
        if self.too_many {
            return true;
        }
        let kept: BTreeSet<i128> = self.balances.iter().copied().filter(|b| holds(*b)).collect();
        let is_possible = !kept.is_empty();
        if is_possible {
            self.balances = kept;
        }
        is_possible
    }

    /// The possible balance that is nearest to this one, which is itself if it is possible. `None` if nothing is.
    pub(crate) fn nearest(&self, balance: i128) -> Option<i128> {
        if self.too_many {
            return Some(balance);
        }
        let below = self.balances.range(..=balance).next_back().copied();
        let above = self.balances.range(balance..).next().copied();
        below.into_iter().chain(above).min_by_key(|near| near.abs_diff(balance))
    }

    /// The balance, or the least and the greatest one.
    pub(crate) fn describe(&self) -> String {
        match (self.balances.first(), self.balances.last()) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (Some(only), _) => only.to_string(),
            (None, _) => "nothing".to_owned(),
        }
    }
}
