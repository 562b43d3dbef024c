//! When which entry took effect, and the true balance at every instant.
//!
//! An entry takes effect when its own branch makes it visible. Where several become visible at once they
//! take effect one after the other, in the order of the log: nobody outside can tell the difference, so an
//! answer may be true in between.

use super::truth::Truth;
use bank::{Member, Seq};

/// A point between two changes of the true balance, counted from 0.
pub(super) type Moment = usize;

/// All moments until now.
#[derive(Debug)]
pub(super) struct Timeline {
    /// The true balance at each moment; never empty.
    balances: Vec<i128>,
    /// For each branch, the moment from which each entry counts.
    effective: Vec<Vec<Moment>>,
}

impl Timeline {
    pub(super) fn new(members: usize, opening: i128) -> Self {
        Self { balances: vec![opening], effective: vec![Vec::new(); members] }
    }

    pub(super) const fn now(&self) -> Moment {
        self.balances.len() - 1
    }

    /// How many of a branch's entries count.
    pub(super) fn length(&self, branch: Member) -> Seq {
        Seq(u64::try_from(self.effective[branch.index()].len()).unwrap_or(u64::MAX))
    }

    /// A branch has made its entries up to `seq` visible.
    pub(super) fn publish(&mut self, truth: &Truth, branch: Member, seq: Seq) {
        while self.length(branch) < seq {
            let before = truth.totals(branch, self.length(branch));
            let after = truth.totals(branch, self.length(branch).next());
            let (Some(before), Some(after)) = (before, after) else {
                return;
            };
            // A grant moves no money: what held before it holds after it.
            if before.moved() != after.moved() {
                let balance = self.balances[self.now()] + after.net() - before.net();
                self.balances.push(balance);
            }
            let now = self.now();
            self.effective[branch.index()].push(now);
        }
    }

    /// The lowest true balance from `since` until now.
    pub(super) fn lowest(&self, since: Moment) -> i128 {
        let balances = self.balances.get(since..).unwrap_or_default();
        balances.iter().copied().min().unwrap_or(self.balances[self.now()])
    }

    /// The first and last moment at which a branch's deposits and withdrawals were those of its first
    /// `seq` entries; nothing if they never were.
    pub(super) fn span(&self, truth: &Truth, branch: Member, seq: Seq) -> Option<(Moment, Moment)> {
        if self.length(branch) < seq {
            return None;
        }
        let moved = truth.totals(branch, seq)?.moved();
        let (mut first, mut last) = (seq, seq);
        let same = |seq| truth.totals(branch, seq).is_some_and(|totals| totals.moved() == moved);
        while first > Seq::ZERO && same(Seq(first.0 - 1)) {
            first = Seq(first.0 - 1);
        }
        while last < self.length(branch) && same(last.next()) {
            last = last.next();
        }
        let begin = self.since(branch, first).unwrap_or(0);
        let end = self.since(branch, last.next()).map_or(self.now(), |next| next - 1);
        Some((begin, end))
    }

    /// The moment from which an entry counts.
    fn since(&self, branch: Member, seq: Seq) -> Option<Moment> {
        let place = usize::try_from(seq.0).ok()?.checked_sub(1)?;
        self.effective[branch.index()].get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::truth::tests::write;
    use super::*;
    use bank::{Entry, Money};

    #[test]
    fn the_balance_is_known_at_every_moment_and_grants_are_none() {
        let mut truth = Truth::new(2, Money::new(10));
        let mut timeline = Timeline::new(2, 10);
        write(&mut truth, 0, Entry::Withdraw(Money::new(9)), &[0, 0]);
        write(&mut truth, 0, Entry::Grant { to: Member(1), amount: Money::new(1) }, &[1, 0]);
        write(&mut truth, 0, Entry::Deposit(Money::new(5)), &[2, 0]);
        write(&mut truth, 1, Entry::Deposit(Money::new(1)), &[0, 0]);
        assert_eq!(timeline.span(&truth, Member(0), Seq(1)), None, "not visible yet");
        timeline.publish(&truth, Member(0), Seq(3));
        timeline.publish(&truth, Member(1), Seq(1));
        assert_eq!(timeline.balances, [10, 1, 6, 7]);
        assert_eq!((timeline.lowest(0), timeline.lowest(2)), (1, 6));
        assert_eq!(timeline.span(&truth, Member(0), Seq(0)), Some((0, 0)));
        assert_eq!(timeline.span(&truth, Member(0), Seq(1)), Some((1, 1)));
        assert_eq!(timeline.span(&truth, Member(0), Seq(2)), Some((1, 1)), "a grant");
        assert_eq!(timeline.span(&truth, Member(0), Seq(3)), Some((2, 3)));
        assert_eq!(timeline.span(&truth, Member(1), Seq(0)), Some((0, 2)));
    }
}
