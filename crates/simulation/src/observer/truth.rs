//! What every branch has really written down, with totals and hashes of the observer's own making.

use std::fmt;
use std::sync::Arc;

use super::{Violation, name, require, words};
use bank::{Chain, Entry, Member, Money, RequestId, Seq, Version};
use check::Property;

/// What a log adds up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) deposited: u128,
    pub(super) withdrawn: u128,
    /// By member. Grants are rare: entries share it.
    pub(super) granted: Arc<[u128]>,
}

impl Totals {
    fn nothing(members: usize) -> Self {
        Self { deposited: 0, withdrawn: 0, granted: vec![0; members].into() }
    }

    fn after(&self, entry: &Entry) -> Self {
        let mut totals = self.clone();
        match *entry {
            Entry::Deposit(amount) => totals.deposited += units(amount),
            Entry::Withdraw(amount) => totals.withdrawn += units(amount),
            Entry::Grant { to, amount } => {
                let mut granted = totals.granted.to_vec();
                if let Some(total) = granted.get_mut(to.index()) {
                    *total += units(amount);
                }
                totals.granted = granted.into();
            }
        }
        totals
    }

    /// Deposits minus withdrawals.
    pub(super) fn net(&self) -> i128 {
        signed(self.deposited) - signed(self.withdrawn)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted: u128 = self.granted.iter().sum();
        f.write_str(&words::totals(self.deposited, self.withdrawn, granted))
    }
}

fn units(amount: Money) -> u128 {
    amount.minor_units().unsigned_abs().into()
}

/// No simulation lasts long enough to move more than 127 bits.
pub(super) fn signed(total: u128) -> i128 {
    i128::try_from(total).unwrap_or(i128::MAX)
}

/// One entry, and the log up to it.
#[derive(Clone, Debug)]
pub(in super::super) struct Logged {
    pub(in super::super) entry: Entry,
    pub(in super::super) request: Option<RequestId>,
    pub(super) totals: Totals,
    pub(super) chain: Chain,
    /// What its branch had written down before it. It only grows along a log.
    pub(in super::super) dependencies: Version,
}

/// The logs of all branches.
#[derive(Debug)]
pub(super) struct Truth {
    opening: i128,
    logs: Vec<Vec<Logged>>,
    nothing: Totals,
}

impl Truth {
    pub(super) fn new(members: usize, opening: Money) -> Self {
        Self {
            opening: opening.minor_units().into(),
            logs: vec![Vec::new(); members],
            nothing: Totals::nothing(members),
        }
    }

    pub(super) const fn opening(&self) -> i128 {
        self.opening
    }

    pub(super) const fn members(&self) -> usize {
        self.logs.len()
    }

    /// How many entries a branch has written.
    pub(super) fn length(&self, member: Member) -> Seq {
        let length = self.logs.get(member.index()).map_or(0, Vec::len);
        Seq(u64::try_from(length).unwrap_or(u64::MAX))
    }

    /// The entry with this number; the first is 1.
    pub(super) fn entry(&self, member: Member, seq: Seq) -> Option<&Logged> {
        let place = usize::try_from(seq.0).ok()?.checked_sub(1)?;
        self.logs.get(member.index())?.get(place)
    }

    /// What the first `seq` entries add up to.
    pub(super) fn totals(&self, member: Member, seq: Seq) -> Option<&Totals> {
        if seq == Seq::ZERO && member.index() < self.members() {
            return Some(&self.nothing);
        }
        self.entry(member, seq).map(|logged| &logged.totals)
    }

    /// The hash over the first `seq` entries.
    pub(super) fn chain(&self, member: Member, seq: Seq) -> Option<Chain> {
        if seq == Seq::ZERO && member.index() < self.members() {
            return Some(Chain::default());
        }
        self.entry(member, seq).map(|logged| logged.chain)
    }

    /// The logs of all branches, by member.
    pub(in super::super) fn logs(&self) -> &[Vec<Logged>] {
        &self.logs
    }

    /// A branch writes its next entry, which it says is the `seq`-th and makes the hash `chain`.
    pub(super) fn append(
        &mut self,
        branch: Member,
        seq: Seq,
        chain: Chain,
        entry: &Entry,
        request: Option<RequestId>,
        dependencies: Version,
    ) -> Result<(), Violation> {
        let length = self.length(branch);
        require(Property::OneWriter, seq == length.next(), || {
            format!("{} writes entry {seq}, and its log has {length} entries", name(branch))
        })?;
        let before = self.chain(branch, length).unwrap_or_default();
        let expected = before.after(seq, entry, request);
        require(Property::OneWriter, chain == expected, || {
            format!(
                "{} writes entry {seq} with the chain {:x} instead of {:x}",
                name(branch),
                chain.0,
                expected.0
            )
        })?;
        let totals = self.totals(branch, length).unwrap_or(&self.nothing).after(entry);
        let logged = Logged { entry: *entry, request, totals, chain, dependencies };
        self.logs[branch.index()].push(logged);
        Ok(())
    }

    /// A branch has lost all entries but the first `length`.
    pub(super) fn cut(&mut self, branch: Member, length: Seq) {
        self.logs[branch.index()].truncate(usize::try_from(length.0).unwrap_or(usize::MAX));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Has a branch write an entry when it knows `dependencies`.
    pub(in super::super) fn write(
        truth: &mut Truth,
        member: u16,
        entry: Entry,
        dependencies: &[u64],
    ) {
        let branch = Member(member);
        let seq = truth.length(branch).next();
        let before = truth.chain(branch, truth.length(branch)).expect("a branch");
        let chain = before.after(seq, &entry, None);
        let dependencies = version(dependencies);
        truth.append(branch, seq, chain, &entry, None, dependencies).expect("the next entry");
    }

    pub(in super::super) fn version(seqs: &[u64]) -> Version {
        seqs.iter().copied().map(Seq).collect()
    }

    #[test]
    fn totals_add_up_and_a_cut_takes_the_rest() {
        let mut truth = Truth::new(2, Money::new(100));
        write(&mut truth, 0, Entry::Deposit(Money::new(30)), &[0, 0]);
        write(&mut truth, 0, Entry::Grant { to: Member(1), amount: Money::new(7) }, &[1, 0]);
        write(&mut truth, 1, Entry::Withdraw(Money::new(50)), &[2, 0]);
        assert_eq!(truth.totals(Member(0), Seq(2)).expect("an entry").granted[1], 7);
        assert_eq!(truth.totals(Member(1), Seq(1)).expect("an entry").net(), -50);
        assert_eq!(truth.totals(Member(0), Seq(3)), None, "never written");
        truth.cut(Member(0), Seq(1));
        assert_eq!(truth.length(Member(0)), Seq(1));
    }

    #[test]
    fn only_the_next_entry_with_the_right_chain_continues_a_log() {
        let mut truth = Truth::new(1, Money::ZERO);
        let entry = Entry::Deposit(Money::new(1));
        let chain = |seq| Chain::default().after(seq, &entry, None);
        let mut append =
            |seq, chain| truth.append(Member(0), seq, chain, &entry, None, version(&[0]));
        let property = |result: Result<(), Violation>| result.expect_err("wrong").property;
        assert_eq!(property(append(Seq(2), chain(Seq(2)))), Property::OneWriter);
        assert_eq!(property(append(Seq(1), Chain(1))), Property::OneWriter);
        append(Seq(1), chain(Seq(1))).expect("the next one");
        assert_eq!(property(append(Seq(1), chain(Seq(1)))), Property::OneWriter, "used");
    }
}
