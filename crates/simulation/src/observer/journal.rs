//! What a branch has written down, and how much of that is really on its disk.

use bank::{Member, Seq, Version};

/// What one record of a journal adds to what its branch knows.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// Nothing.
    Other,
    /// The next entry of the own log.
    Own,
    /// So much of other logs.
    Rows(Vec<(Member, Seq)>),
}

/// The journal of one branch.
#[derive(Debug)]
pub(super) struct Journal {
    me: Member,
    marks: Vec<Mark>,
    /// How many of the journal's records are on disk.
    synced: usize,
    staged: Version,
    durable: Version,
    ever_durable: Version,
    lost: bool,
}

impl Journal {
    pub(super) fn new(me: Member, members: usize) -> Self {
        Self {
            me,
            marks: Vec::new(),
            synced: 0,
            staged: Version::zero(members),
            durable: Version::zero(members),
            ever_durable: Version::zero(members),
            lost: false,
        }
    }

    /// What is written down.
    pub(super) const fn staged(&self) -> &Version {
        &self.staged
    }

    /// What is on disk.
    pub(super) const fn durable(&self) -> &Version {
        &self.durable
    }

    /// What has been on disk, even if it was lost with the branch since.
    pub(super) const fn ever_durable(&self) -> &Version {
        &self.ever_durable
    }

    /// Whether the branch has lost what it must not come back without.
    pub(super) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// The branch has lost what it must not come back without.
    pub(super) const fn lose(&mut self) {
        self.lost = true;
    }

    /// One more record.
    pub(super) fn append(&mut self, mark: Mark) {
        apply(&mut self.staged, self.me, &mark);
        self.marks.push(mark);
    }

    /// The first `upto` records are on disk, or all if there are fewer.
    pub(super) fn sync(&mut self, upto: usize) {
        let upto = upto.min(self.marks.len());
        for mark in self.marks.get(self.synced..upto).unwrap_or_default() {
            apply(&mut self.durable, self.me, mark);
        }
        self.synced = self.synced.max(upto);
        for (member, seq) in self.durable.iter() {
            self.ever_durable.raise(member, seq);
        }
    }

    /// All that was written is on disk.
    pub(super) fn sync_all(&mut self) {
        self.sync(self.marks.len());
    }

    /// Only the first `surviving` records are left. What was on disk of them still is.
    pub(super) fn cut(&mut self, surviving: usize) {
        self.marks.truncate(surviving);
        self.synced = self.synced.min(self.marks.len());
        self.staged = self.after(self.marks.len());
        self.durable = self.after(self.synced);
    }

    /// What the first `count` records add up to.
    fn after(&self, count: usize) -> Version {
        let mut version = Version::zero(self.staged.members());
        for mark in self.marks.iter().take(count) {
            apply(&mut version, self.me, mark);
        }
        version
    }
}

fn apply(version: &mut Version, me: Member, mark: &Mark) {
    match mark {
        Mark::Other => {}
        Mark::Own => version.raise(me, version.of(me).next()),
        Mark::Rows(rows) => rows.iter().for_each(|(origin, seq)| version.raise(*origin, *seq)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::truth::tests::version;
    use super::*;

    #[test]
    fn only_what_was_synced_is_durable_and_a_cut_takes_the_rest() {
        let mut disk = Journal::new(Member(0), 2);
        let rows = Mark::Rows(vec![(Member(1), Seq(4))]);
        for mark in [Mark::Other, Mark::Own, rows, Mark::Own] {
            disk.append(mark);
        }
        assert_eq!((disk.staged(), disk.durable()), (&version(&[2, 4]), &version(&[0, 0])));
        disk.sync(2);
        assert_eq!(disk.durable(), &version(&[1, 0]));
        disk.cut(3);
        assert_eq!((disk.staged(), disk.durable()), (&version(&[1, 4]), &version(&[1, 0])));
        disk.sync_all();
        assert_eq!(disk.durable(), &version(&[1, 4]));
        disk.cut(0);
        assert_eq!((disk.staged(), disk.ever_durable()), (&version(&[0, 0]), &version(&[1, 4])));
    }
}
