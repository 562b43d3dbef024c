//! What one branch has done, as totals that only grow.

use std::fmt;
use std::hash::Hasher as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::{Member, Money, Seq};

/// A sum of amounts. 128 bits hold more than 2^64 amounts of 2^63, so it cannot overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Total(pub u128);

impl Total {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// With `amount` on top; an amount is never negative.
    #[must_use]
    pub fn plus(self, amount: Money) -> Self {
        Self(self.0.saturating_add(amount.minor_units().unsigned_abs().into()))
    }

    /// For sums with a sign.
    pub fn signed(self) -> i128 {
        i128::try_from(self.0).unwrap_or(i128::MAX)
    }
}

/// A customer at work: one program, one run. Random, so that no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// One request of a session, however often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// The session that sends it.
    pub session: SessionId,
    /// Its position in the session, from 1.
    pub number: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request #{} of session {:x}", self.number, self.session.0)
    }
}

/// What an entry of a branch's log does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A customer pays in.
    Deposit(Money),
    /// A customer takes out.
    Withdraw(Money),
    /// The branch gives another the right to pay out so much.
    Grant {
        /// The branch that gets the right.
        to: Member,
        /// The amount, never negative.
        amount: Money,
    },
}

impl Entry {
    /// By how much the entry changes the balance, in minor units; a grant moves rights only.
    pub fn delta(self) -> i128 {
        match self {
            Self::Deposit(amount) => amount.minor_units().into(),
            Self::Withdraw(amount) => -i128::from(amount.minor_units()),
            Self::Grant { .. } => 0,
        }
    }
}

/// A hash over all of a branch's log, so that two logs with the same length and other content differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Chain(pub u64);

impl Chain {
    /// The chain after one more entry. `SipHash` 1-3 (Aumasson and Bernstein, 2012): it is the same in
    /// every build, and what it need not do is resist an attacker.
    #[must_use]
    pub fn after(self, seq: Seq, entry: &Entry, request: Option<RequestId>) -> Self {
        let (kind, amount, to) = match *entry {
            Entry::Deposit(amount) => (0, amount, 0),
            Entry::Withdraw(amount) => (1, amount, 0),
            Entry::Grant { to, amount } => (2, amount, to.0),
        };
        let mut hasher = SipHasher13::new();
        hasher.write_u64(self.0);
        hasher.write_u64(seq.0);
        hasher.write_u8(kind);
        hasher.write_i64(amount.minor_units());
        hasher.write_u16(to);
        if let Some(RequestId { session, number }) = request {
            hasher.write_u64(session.0);
            hasher.write_u64(number);
        }
        Self(hasher.finish())
    }
}

/// What a branch has granted to each of the others, in total. Grants are rare and rows are copied often:
/// a copy shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grants(Option<Arc<[Total]>>);

impl Grants {
    /// The total granted to `member`.
    pub fn to(&self, member: Member) -> Total {
        self.totals().get(member.index()).copied().unwrap_or_default()
    }

    /// The total granted to anybody.
    pub fn total(&self) -> Total {
        Total(self.totals().iter().fold(0, |sum, total| sum.saturating_add(total.0)))
    }

    /// The totals by member; those beyond the end are zero.
    pub fn totals(&self) -> &[Total] {
        self.0.as_deref().unwrap_or_default()
    }

    fn add(&mut self, to: Member, amount: Money) {
        let mut totals = self.totals().to_vec();
        totals.resize(totals.len().max(to.index() + 1), Total::ZERO);
        totals[to.index()] = totals[to.index()].plus(amount);
        self.0 = Some(totals.into());
    }
}

impl FromIterator<Total> for Grants {
    fn from_iter<T: IntoIterator<Item = Total>>(totals: T) -> Self {
        let totals: Vec<Total> = totals.into_iter().collect();
        Self((!totals.is_empty()).then(|| totals.into()))
    }
}

/// The cumulative totals of one branch's log. Only that branch writes it, and every field only grows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The branch that writes the log.
    pub origin: Member,
    /// How many entries.
    pub seq: Seq,
    /// The sum of deposits.
    pub deposited: Total,
    /// The sum of withdrawals.
    pub withdrawn: Total,
    /// Rights given to others.
    pub granted: Grants,
    /// The hash over the entries.
    pub chain: Chain,
}

impl Row {
    /// The row of an empty log.
    pub fn empty(origin: Member) -> Self {
        Self {
            origin,
            seq: Seq::ZERO,
            deposited: Total::ZERO,
            withdrawn: Total::ZERO,
            granted: Grants::default(),
            chain: Chain::default(),
        }
    }

    /// Adds an entry, which `request` asked for.
    pub fn append(&mut self, entry: &Entry, request: Option<RequestId>) {
        self.seq = self.seq.next();
        self.chain = self.chain.after(self.seq, entry, request);
        match *entry {
            Entry::Deposit(amount) => self.deposited = self.deposited.plus(amount),
            Entry::Withdraw(amount) => self.withdrawn = self.withdrawn.plus(amount),
            Entry::Grant { to, amount } => self.granted.add(to, amount),
        }
    }

    /// Deposits minus withdrawals.
    pub fn net(&self) -> i128 {
        self.deposited.signed().saturating_sub(self.withdrawn.signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_and_chain_follow_the_entries() {
        let mut row = Row::empty(Member(0));
        row.append(&Entry::Deposit(Money::new(70)), None);
        row.append(&Entry::Withdraw(Money::new(20)), None);
        row.append(&Entry::Grant { to: Member(2), amount: Money::new(5) }, None);
        row.append(&Entry::Grant { to: Member(2), amount: Money::new(6) }, None);
        assert_eq!((row.seq, row.net()), (Seq(4), 50));
        assert_eq!(row.granted.to(Member(2)), Total(11));
        assert_eq!(row.granted.to(Member(1)), Total::ZERO);
        assert_eq!(row.granted.to(Member(9)), Total::ZERO);
        assert_eq!(row.granted.total(), Total(11));
    }

    #[test]
    fn a_chain_tells_apart_what_totals_cannot() {
        let one = |entry| Chain::default().after(Seq(1), &entry, None);
        let asked = |number| {
            let request = Some(RequestId { session: SessionId(1), number });
            Chain::default().after(Seq(1), &Entry::Deposit(Money::new(1)), request)
        };
        assert_eq!(one(Entry::Deposit(Money::new(1))), one(Entry::Deposit(Money::new(1))));
        assert_ne!(one(Entry::Deposit(Money::new(1))), one(Entry::Withdraw(Money::new(1))));
        assert_ne!(one(Entry::Deposit(Money::new(1))), one(Entry::Deposit(Money::new(2))));
        assert_ne!(asked(1), asked(2));
        assert_ne!(asked(1), one(Entry::Deposit(Money::new(1))));
    }

    #[test]
    fn a_chain_is_the_same_in_every_build() {
        let chain = Chain(1).after(Seq(2), &Entry::Deposit(Money::new(3)), None);
        assert_eq!(chain, Chain(CHAIN_KNOWN));
    }

    /// Journals outlive builds: if this changes, old journals are refused.
    const CHAIN_KNOWN: u64 = 8_564_625_911_387_573_026;
}
