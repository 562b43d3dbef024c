//! What the branches logged in a run.

use super::InvalidRecord;
use super::history::{NONE, at, index};
use bank::{BranchId, Entry, Member, RequestId, Seq};

/// One entry of a branch's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged<'a> {
    /// The number that the branch gave it, from 1.
    pub seq: Seq,
    /// The change that it makes.
    pub entry: Entry,
    /// The request that it carries out, if that had a name.
    pub request: Option<RequestId>,
    /// How much of each log was in the branch's journal when it was written: everything that the branch could rely on.
    pub version: Option<&'a [u64]>,
}

/// How much of a log is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Its end may be missing.
    Cut,
    /// Nothing: the branch was killed, or keeps no log.
    Missing,
}

#[derive(Clone, Copy, Debug)]
struct Compact {
    seq: Seq,
    entry: Entry,
    request: Option<RequestId>,
    version: u32,
}

/// The log of one branch.
#[derive(Clone, Debug)]
pub struct Log {
    entries: Vec<Compact>,
    versions: Vec<u64>,
    width: usize,
    extent: Extent,
}

impl Log {
    fn new(width: usize) -> Self {
        Self { entries: Vec::new(), versions: Vec::new(), width, extent: Extent::Missing }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How much of it is recorded.
    pub const fn extent(&self) -> Extent {
        self.extent
    }

    /// The entry at `place`, which is less than [`Log::len`].
    pub fn entry(&self, place: usize) -> Logged<'_> {
        let kept = &self.entries[place];
        let slot = (kept.version != NONE)
            .then(|| &self.versions[at(kept.version) * self.width..][..self.width]);
        Logged { seq: kept.seq, entry: kept.entry, request: kept.request, version: slot }
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = Logged<'_>> {
        (0..self.entries.len()).map(|place| self.entry(place))
    }

    fn push(&mut self, member: Member, logged: &Logged<'_>) -> Result<(), InvalidRecord> {
        index(self.entries.len())?;
        let version = match logged.version {
            None => NONE,
            Some(version) if version.len() != self.width => {
                return Err(InvalidRecord::Version { found: version.len(), expected: self.width });
            }
            Some(version) => self.slot(member, logged.seq, version)?,
        };
        let Logged { seq, entry, request, .. } = *logged;
        self.entries.push(Compact { seq, entry, request, version });
        Ok(())
    }

    /// Entries upon the same of others share a slot. The own component is not kept: it is the entry's place.
    fn slot(&mut self, member: Member, seq: Seq, version: &[u64]) -> Result<u32, InvalidRecord> {
        let own = member.index();
        let begin = self.versions.len();
        self.versions.extend_from_slice(version);
        // An entry that claims to know more of its own log than is before it is kept as it is, so that a check finds it.
        if let Some(known) = self.versions[begin..].get_mut(own).filter(|known| **known < seq.0) {
            *known = 0;
        }
        let (before, added) = self.versions.split_at(begin);
        if !before.is_empty() && before.ends_with(added) {
            self.versions.truncate(begin);
        }
        index(self.versions.len() / self.width.max(1) - 1)
    }
}

/// The logs of all branches, by member.
#[derive(Clone, Debug)]
pub struct Ledgers {
    logs: Vec<Log>,
}

impl Ledgers {
    /// The logs of `members` branches, none of which is recorded.
    pub fn missing(members: usize) -> Self {
        Self { logs: vec![Log::new(members); members] }
    }

    /// Adds an entry of the log of `member`, in the order in which the branch wrote.
    pub fn push(&mut self, member: Member, logged: &Logged<'_>) -> Result<(), InvalidRecord> {
        let unknown = |member: Member| InvalidRecord::Branch(BranchId(member.0.into()));
        let log = self.logs.get_mut(member.index()).ok_or_else(|| unknown(member))?;
        if log.extent == Extent::Missing {
            log.extent = Extent::Cut;
        }
        match logged.entry {
            Entry::Grant { to, .. } if to.index() >= log.width => Err(unknown(to)),
            _ => log.push(member, logged),
        }
    }

    /// Marks the log of `member` as whole.
    pub fn whole(&mut self, member: Member) {
        if let Some(log) = self.logs.get_mut(member.index()) {
            log.extent = Extent::Whole;
        }
    }

    /// All logs, by member.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// Whether nothing of any log is recorded: the scheme keeps none, or the server is another program.
    pub fn is_missing(&self) -> bool {
        self.logs.iter().all(|log| log.extent == Extent::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::Money;

    #[test]
    fn entries_upon_the_same_share_what_they_were_made_upon() {
        let mut ledgers = Ledgers::missing(2);
        let entry = Entry::Deposit(Money::new(1));
        for (seq, version) in [(1, [4, 0]), (2, [4, 1]), (3, [5, 2]), (4, [5, 9])] {
            let logged = Logged { seq: Seq(seq), entry, request: None, version: Some(&version) };
            assert_eq!(ledgers.push(Member(1), &logged), Ok(()));
        }
        let log = &ledgers.logs()[1];
        assert_eq!(log.versions, [4, 0, 5, 0, 5, 9], "the last claims what is not before it");
        assert_eq!(log.entry(1).version, Some(&[4, 0][..]));
        assert_eq!(log.extent(), Extent::Cut);
        ledgers.whole(Member(1));
        assert_eq!(ledgers.logs()[1].extent(), Extent::Whole);
        assert!(!ledgers.is_missing());
        assert!(Ledgers::missing(2).is_missing());
    }
}
