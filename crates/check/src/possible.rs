//! The balances an account may hold when the outcome of some writes is unknown.

use std::collections::BTreeSet;

use bank::{Write, WriteKind};

/// More possibilities than this are not followed: k unanswered writes may make 2^k balances.
const MOST: usize = 4096;

/// The change of a balance by a write that happened. Wide, so that sums cannot overflow.
pub(super) fn change(write: Write) -> i128 {
    let amount = i128::from(write.amount.minor_units());
    match write.kind {
        WriteKind::Deposit => amount,
        WriteKind::Withdraw => -amount,
    }
}

/// Every balance that the answers so far allow.
#[derive(Clone, Debug)]
pub(super) struct Possible {
    balances: BTreeSet<i128>,
    too_many: bool,
}

impl Possible {
    pub(super) fn exactly(balance: i128) -> Self {
        Self { balances: BTreeSet::from([balance]), too_many: false }
    }

    /// The write happened.
    pub(super) fn apply(&mut self, write: Write) {
        let change = change(write);
        self.balances = self.balances.iter().map(|balance| balance + change).collect();
    }

    /// The write may have happened.
    pub(super) fn may_apply(&mut self, write: Write) {
        if self.balances.len() > MOST / 2 {
            self.too_many = true;
        }
        if !self.too_many {
            let change = change(write);
            let after: Vec<i128> = self.balances.iter().map(|balance| balance + change).collect();
            self.balances.extend(after);
        }
    }

    /// Keeps what `holds` for; `false` if that leaves nothing (and nothing is forgotten then).
    /// Beyond the bound everything is taken for possible.
    pub(super) fn narrow(&mut self, holds: impl Fn(i128) -> bool) -> bool {
        if self.too_many {
            return true;
        }
        let kept: BTreeSet<i128> = self.balances.iter().copied().filter(|b| holds(*b)).collect();
        let possible = !kept.is_empty();
        if possible {
            self.balances = kept;
        }
        possible
    }

    /// The possible balance that is nearest to this one, which is itself if it is possible. `None` if nothing is.
    pub(super) fn nearest(&self, balance: i128) -> Option<i128> {
        if self.too_many {
            return Some(balance);
        }
        let below = self.balances.range(..=balance).next_back().copied();
        let above = self.balances.range(balance..).next().copied();
        below.into_iter().chain(above).min_by_key(|near| near.abs_diff(balance))
    }

    /// Where the account must be, or the least and the most it may hold.
    pub(super) fn describe(&self) -> String {
        match (self.balances.first(), self.balances.last()) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (Some(only), _) => only.to_string(),
            (None, _) => "nothing".to_owned(),
        }
    }
}
