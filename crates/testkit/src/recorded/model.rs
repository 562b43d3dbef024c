//! The branches of the model: rows, rights and what each knows.

use bank::{Entry, Member, Money, RequestId};

use super::{RawEntry, change, kept};

/// Rows, rights and what each branch knows.
pub(super) struct Bank {
    opening: i64,
    pub(super) logs: Vec<Vec<RawEntry>>,
    /// By log: the change by its first entries.
    sums: Vec<Vec<i64>>,
    /// By giver and taker: entry number and total granted.
    grants: Vec<Vec<Vec<(u64, i64)>>>,
    /// By branch: what it knows of each log.
    pub(super) known: Vec<Vec<u64>>,
}

impl Bank {
    pub(super) fn new(opening: i64, branches: usize) -> Self {
        Self {
            opening,
            logs: vec![Vec::new(); branches],
            sums: vec![vec![0]; branches],
            grants: vec![vec![Vec::new(); branches]; branches],
            known: vec![vec![0; branches]; branches],
        }
    }

    pub(super) fn all(&self) -> Vec<u64> {
        self.logs.iter().map(|log| kept(log.len())).collect()
    }

    pub(super) fn balance(&self, version: &[u64]) -> i64 {
        let sum = |(sums, seq): (&Vec<i64>, &u64)| sums[usize::try_from(*seq).expect("few")];
        self.opening + self.sums.iter().zip(version).map(sum).sum::<i64>()
    }

    pub(super) fn learn(&mut self, branch: usize, version: &[u64]) {
        for (known, seq) in self.known[branch].iter_mut().zip(version) {
            *known = (*known).max(*seq);
        }
    }

    pub(super) fn rights(&self, branch: usize) -> i64 {
        let branches = i64::try_from(self.logs.len()).expect("few");
        let rest = usize::try_from(self.opening % branches).expect("few");
        let share = self.opening / branches + i64::from(branch < rest);
        let given: i64 = self.grants[branch].iter().filter_map(|to| to.last()).map(|g| g.1).sum();
        let got = |giver: usize| {
            let list = &self.grants[giver][branch];
            let count = list.partition_point(|(seq, _)| *seq <= self.known[branch][giver]);
            count.checked_sub(1).map_or(0, |last| list[last].1)
        };
        let got: i64 = (0..self.logs.len()).map(got).sum();
        share + self.sums[branch].last().copied().unwrap_or_default() - given + got
    }

    pub(super) fn append(
        &mut self,
        branch: usize,
        entry: Entry,
        request: Option<RequestId>,
    ) -> u64 {
        let version = self.known[branch].clone();
        self.logs[branch].push(RawEntry { entry, request, version });
        let sum = self.sums[branch].last().copied().unwrap_or_default() + change(entry);
        self.sums[branch].push(sum);
        let seq = kept(self.logs[branch].len());
        self.known[branch][branch] = seq;
        if let Entry::Grant { to, amount } = entry {
            let list = &mut self.grants[branch][to.index()];
            let before = list.last().map_or(0, |(_, total)| *total);
            list.push((seq, before + amount.minor_units()));
        }
        seq
    }

    /// Gets the rights to `amount`, or knows that there is too little money.
    pub(super) fn obtain(&mut self, branch: usize, amount: i64) -> bool {
        if self.rights(branch) >= amount {
            return true;
        }
        let all = self.all();
        self.learn(branch, &all);
        if self.balance(&all) < amount {
            return false;
        }
        for donor in (0..self.logs.len()).filter(|donor| *donor != branch) {
            let need = amount - self.rights(branch);
            self.learn(donor, &all);
            let grant = need.min(self.rights(donor));
            if grant > 0 {
                let to = Member(u16::try_from(branch).expect("few"));
                let seq = self.append(donor, Entry::Grant { to, amount: Money::new(grant) }, None);
                self.known[branch][donor] = seq;
            }
        }
        self.rights(branch) >= amount
    }

    /// Whether `amount` was too much with all deposits by now and only the withdrawals of `version`.
    pub(super) fn is_short(&self, version: &[u64], amount: i64) -> bool {
        let since = |(log, seq): (&Vec<RawEntry>, &u64)| -> i64 {
            let later = log.iter().skip(usize::try_from(*seq).expect("few"));
            later.map(|raw| change(raw.entry).max(0)).sum()
        };
        let deposited: i64 = self.logs.iter().zip(version).map(since).sum();
        self.balance(version) + deposited < amount
    }
}
