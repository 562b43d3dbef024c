//! Version vectors: how much of each log is known.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The position of a branch in its cluster: branches are ordered by their numbers, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(pub u16);

impl Member {
    /// The position as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// How many entries a branch's log has, or which of them: the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize)]
pub struct Seq(pub u64);

impl Seq {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A version vector: for each branch, how much of its log is known (Parker et al., 1983).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version(Vec<Seq>);

impl Version {
    /// Nothing is known of any of `members` branches.
    pub fn zero(members: usize) -> Self {
        Self(vec![Seq::ZERO; members])
    }

    /// How many branches it has.
    pub fn members(&self) -> usize {
        self.0.len()
    }

    /// The position of `member`. Zero if the version does not have it.
    pub fn of(&self, member: Member) -> Seq {
        self.0.get(member.index()).copied().unwrap_or_default()
    }

    /// Each branch with what is known of it.
    pub fn iter(&self) -> impl Iterator<Item = (Member, Seq)> + '_ {
        (0..).map(Member).zip(self.0.iter().copied())
    }

    /// Raises the position of `member` to `seq` if it is lower. Ignores a member that the version does not have.
    pub fn raise(&mut self, member: Member, seq: Seq) {
        if let Some(known) = self.0.get_mut(member.index()) {
            *known = seq.max(*known);
        }
    }

    /// Sets the position of `member` to `seq`, even if that is lower than before.
    pub fn set(&mut self, member: Member, seq: Seq) {
        if let Some(known) = self.0.get_mut(member.index()) {
            *known = seq;
        }
    }

    /// Raises each position to that of `other`.
    pub fn join(&mut self, other: &Self) {
        for (member, seq) in other.iter() {
            self.raise(member, seq);
        }
    }

    /// The first branch of which `other` knows more.
    pub fn first_missing(&self, other: &Self) -> Option<Member> {
        other.iter().find(|(member, seq)| self.of(*member) < *seq).map(|(member, _)| member)
    }

    /// Whether it knows everything that `other` knows.
    pub fn covers(&self, other: &Self) -> bool {
        self.first_missing(other).is_none()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<String> = self.0.iter().map(Seq::to_string).collect();
        write!(f, "[{}]", known.join(" "))
    }
}

impl FromIterator<Seq> for Version {
    fn from_iter<T: IntoIterator<Item = Seq>>(seqs: T) -> Self {
        Self(seqs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(seqs: &[u64]) -> Version {
        seqs.iter().copied().map(Seq).collect()
    }

    #[test]
    fn a_join_covers_both_and_nothing_more() {
        let (left, right) = (version(&[3, 0, 5]), version(&[1, 2, 5]));
        assert!(!left.covers(&right));
        assert!(!right.covers(&left));
        let mut joined = left.clone();
        joined.join(&right);
        assert_eq!(joined, version(&[3, 2, 5]));
        assert!(joined.covers(&left) && joined.covers(&right));
        assert_eq!(left.first_missing(&right), Some(Member(1)));
    }

    #[test]
    fn what_is_not_spoken_of_is_unknown() {
        let short = version(&[1]);
        assert_eq!(short.of(Member(7)), Seq::ZERO);
        assert_eq!(short.first_missing(&version(&[0, 0, 4])), Some(Member(2)));
        assert!(short.covers(&version(&[1, 0, 0])));
    }
}
