//! The journal of a branch: which records are on disk, and what is durable with them.

use std::collections::VecDeque;

use super::{Room, Storage};
use bank::{Member, Row, Seq, Version};

/// What becomes durable with a record.
#[derive(Debug)]
pub(super) enum Mark {
    /// The own log up to this row.
    Own(Row),
    /// Other branches' logs up to these entries.
    Received(Box<[(Member, Seq)]>),
    /// Everything that was replayed.
    Replayed,
}

/// How many records there are, and how many of them are on disk.
#[derive(Debug)]
pub(super) struct Journal {
    storage: Storage,
    appended: u64,
    /// How many records are on disk.
    persisted: u64,
    /// What each record that is not on disk will make durable.
    marks: VecDeque<(u64, Mark)>,
    durable: Version,
    /// The branch serves customers once this many records are on disk: they hold the incarnations.
    serves_from: u64,
    /// The branch sends its first message once this many records are on disk: they found its incarnation, or
    /// were replayed.
    speaks_from: u64,
    room: Room,
}

impl Journal {
    pub(super) fn new(storage: Storage, members: usize) -> Self {
        Self {
            storage,
            appended: 0,
            persisted: 0,
            marks: VecDeque::new(),
            durable: Version::zero(members),
            serves_from: 0,
            speaks_from: 0,
            room: Room::Enough,
        }
    }

    pub(super) const fn durable(&self) -> &Version {
        &self.durable
    }

    /// The number of records.
    pub(super) const fn appended(&self) -> u64 {
        self.appended
    }

    /// Whether this many records are on disk.
    pub(super) const fn holds(&self, records: u64) -> bool {
        self.persisted >= records
    }

    /// Whether the branch may send messages.
    pub(super) const fn is_recovered(&self) -> bool {
        self.persisted >= self.speaks_from
    }

    /// Whether the branch may serve customers.
    pub(super) const fn is_settled(&self) -> bool {
        self.is_recovered() && self.persisted >= self.serves_from
    }

    pub(super) fn has_room(&self) -> bool {
        self.room == Room::Enough
    }

    pub(super) const fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    /// This many records were read at the start. They count as durable once they are synced, which they
    /// may never have been.
    pub(super) fn replayed(&mut self, records: u64) {
        self.appended = records;
        self.serves_from = records;
        self.speaks_from = records;
        self.marks.push_back((records, Mark::Replayed));
    }

    /// The records so far found an incarnation. If others knew of it before it is durable, a crash would turn
    /// the branch into one that lost its memory.
    pub(super) fn founded(&mut self) {
        match self.storage {
            Storage::Memory => self.persisted = self.appended,
            Storage::Journal => self.speaks_from = self.appended,
        }
    }

    /// Counts a record. `mark` runs only with a journal on disk.
    pub(super) fn append(&mut self, mark: impl FnOnce() -> Mark) {
        self.appended += 1;
        if self.storage == Storage::Journal {
            self.marks.push_back((self.appended, mark()));
        }
    }

    /// Counts a record of an incarnation: the branch does not serve before it is on disk.
    pub(super) fn append_incarnation(&mut self) {
        self.appended += 1;
        self.serves_from = self.appended;
    }

    /// The first `upto` records are on disk. Returns the own row that is durable with them, if it changed.
    /// `visible` and `staged` are what the replayed records hold.
    pub(super) fn persist(&mut self, upto: u64, visible: &Version, staged: &Row) -> Option<Row> {
        self.persisted = self.persisted.max(upto.min(self.appended));
        let mut own = None;
        while let Some((_, mark)) = self.marks.pop_front_if(|(record, _)| *record <= upto) {
            match mark {
                Mark::Own(row) => own = Some(row),
                Mark::Received(seqs) => {
                    for (member, seq) in seqs {
                        self.durable.raise(member, seq);
                    }
                }
                Mark::Replayed => {
                    self.durable.join(visible);
                    own = Some(staged.clone());
                }
            }
        }
        own
    }

    /// In memory everything that is staged is durable. Returns whether it is.
    pub(super) fn persist_in_memory(&mut self, visible: &Version) -> bool {
        let in_memory = self.storage == Storage::Memory;
        if in_memory {
            self.persisted = self.appended;
            self.durable.join(visible);
        }
        in_memory
    }

    /// The own log is durable up to `seq`.
    pub(super) fn raise_own(&mut self, own: Member, seq: Seq) {
        self.durable.raise(own, seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{Entry, Money};

    const A: Member = Member(0);

    fn row(entries: u64) -> Row {
        let mut row = Row::empty(A);
        for _ in 0..entries {
            row.append(&Entry::Deposit(Money::new(1)), None);
        }
        row
    }

    #[test]
    fn record_makes_its_entries_durable_when_it_is_on_disk() {
        let mut journal = Journal::new(Storage::Journal, 2);
        journal.append(|| Mark::Own(row(1)));
        journal.append(|| Mark::Received([(Member(1), Seq(3))].into()));
        let visible = Version::zero(2);
        assert_eq!(journal.persist(1, &visible, &row(1)), Some(row(1)));
        assert_eq!(journal.durable().of(Member(1)), Seq::ZERO);
        assert!(journal.holds(1) && !journal.holds(2));
        assert_eq!(journal.persist(2, &visible, &row(1)), None);
        assert_eq!(journal.durable().of(Member(1)), Seq(3));
    }

    #[test]
    fn branch_serves_once_all_incarnations_are_on_disk() {
        let mut journal = Journal::new(Storage::Journal, 2);
        journal.append_incarnation();
        journal.founded();
        assert!(!journal.is_recovered());
        journal.append_incarnation();
        journal.persist(1, &Version::zero(2), &row(0));
        assert!(journal.is_recovered() && !journal.is_settled());
        journal.persist(2, &Version::zero(2), &row(0));
        assert!(journal.is_settled());
    }

    #[test]
    fn replayed_records_are_durable_only_after_a_sync() {
        let mut journal = Journal::new(Storage::Journal, 2);
        journal.replayed(4);
        let visible: Version = [0, 2].map(Seq).into_iter().collect();
        assert_eq!(journal.persist(3, &visible, &row(2)), None);
        assert_eq!(journal.durable(), &Version::zero(2));
        assert_eq!(journal.persist(4, &visible, &row(2)), Some(row(2)));
        assert_eq!(journal.durable(), &visible);
    }
}
