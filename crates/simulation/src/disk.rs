//! A branch's journal: what was written, what of it is on disk, and what a crash leaves.

use super::chance::PerMille;
use replication::passbook::{Record, Room};

/// With fewer free records than this a process is told that the disk is full: what it has begun must
/// still fit.
const RESERVE: usize = 24;

/// What a crash left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CrashRemains {
    /// How many records will be read at the next start.
    pub(super) surviving: usize,
    /// Whether a part of one more was there, and cut away.
    pub(super) torn: bool,
}

/// What became of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// So many records are on disk.
    Upto(usize),
    /// It failed; that share of what was not on disk survives.
    Failed(PerMille),
}

/// One branch's disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    records: Vec<Record>,
    synced: usize,
    /// The sync that runs covers so many records.
    syncing: Option<usize>,
    /// No more records than these fit.
    capacity: Option<usize>,
    fails: Option<PerMille>,
    told: Room,
}

impl Disk {
    /// Everything that was written.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Whether one more record fits.
    pub(super) fn has_space(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.records.len() < capacity)
    }

    /// Writes a record, which is not on disk before a sync.
    pub(super) fn append(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Begins a sync of everything that was written, if none runs and something is not on disk; or, for
    /// a process that has just read the journal, in any case. Whether it began one.
    pub(super) fn begin_sync(&mut self, just_read: bool) -> bool {
        let needed = just_read || self.synced < self.records.len();
        if self.syncing.is_some() || !needed {
            return false;
        }
        self.syncing = Some(self.records.len());
        true
    }

    /// The sync ends; nothing if none ran.
    pub(super) fn end_sync(&mut self) -> Option<Sync> {
        let upto = self.syncing.take()?;
        if let Some(keep) = self.fails.take() {
            return Some(Sync::Failed(keep));
        }
        self.synced = self.synced.max(upto);
        Some(Sync::Upto(self.synced))
    }

    /// The next sync that ends fails. Nothing: no longer.
    pub(super) const fn fail_next(&mut self, keep: Option<PerMille>) {
        self.fails = keep;
    }

    /// Room for so many more records; nothing: for any number.
    pub(super) fn limit(&mut self, free: Option<usize>) {
        self.capacity = free.map(|free| self.records.len() + free);
    }

    /// What the process must be told of the room, if it does not know yet.
    pub(super) fn news_of_room(&mut self) -> Option<Room> {
        let is_full = self.capacity.is_some_and(|capacity| capacity < self.records.len() + RESERVE);
        let room = if is_full { Room::Full } else { Room::Enough };
        (room != std::mem::replace(&mut self.told, room)).then_some(room)
    }

    /// The process ends and the machine goes on: everything written can be read.
    pub(super) fn killed(&mut self) -> CrashRemains {
        self.process_ended();
        CrashRemains { surviving: self.records.len(), torn: false }
    }

    /// The machine ends: of what was not on disk a first part survives, and of the next record perhaps a
    /// piece, which is cut away.
    pub(super) fn lost_power(&mut self, keep: PerMille, torn: bool) -> CrashRemains {
        self.process_ended();
        let unsynced = self.records.len() - self.synced;
        let kept = keep.of(unsynced);
        self.records.truncate(self.synced + kept);
        CrashRemains { surviving: self.records.len(), torn: torn && kept < unsynced }
    }

    /// An old copy is put in the journal's place.
    pub(super) fn replaced_by_copy(&mut self, records: usize) -> CrashRemains {
        self.process_ended();
        self.records.truncate(records);
        self.synced = self.synced.min(records);
        CrashRemains { surviving: self.records.len(), torn: false }
    }

    /// A record in the middle is gone.
    pub(super) fn damage(&mut self, record: usize) {
        if record < self.records.len() {
            self.records.remove(record);
            self.synced = self.synced.min(self.records.len());
        }
    }

    const fn process_ended(&mut self) {
        self.syncing = None;
        self.told = Room::Enough;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::Member;
    use replication::passbook::Incarnation;

    fn record(life: u64) -> Record {
        Record::Bound { peer: Member(1), incarnation: Incarnation(life) }
    }

    fn disk(records: u64) -> Disk {
        let mut disk = Disk::default();
        (0..records).for_each(|life| disk.append(record(life)));
        disk
    }

    #[test]
    fn a_sync_covers_what_was_there_when_it_began() {
        let mut disk = disk(2);
        assert!(disk.begin_sync(false));
        disk.append(record(9));
        assert!(!disk.begin_sync(false), "one at a time");
        assert_eq!(disk.end_sync(), Some(Sync::Upto(2)));
        assert!(disk.begin_sync(false));
        assert_eq!(disk.end_sync(), Some(Sync::Upto(3)));
        assert!(!disk.begin_sync(false), "nothing is left to sync");
        assert!(disk.begin_sync(true));
        assert_eq!(disk.end_sync(), Some(Sync::Upto(3)));
    }

    #[test]
    fn a_kill_leaves_everything_and_a_power_loss_the_first_part() {
        let mut disk = disk(4);
        disk.begin_sync(false);
        disk.end_sync();
        (4..8).for_each(|life| disk.append(record(life)));
        disk.begin_sync(false);
        assert_eq!(disk.killed(), CrashRemains { surviving: 8, torn: false });
        assert_eq!(disk.end_sync(), None, "the sync died with the process");
        assert_eq!(disk.lost_power(PerMille(500), true), CrashRemains { surviving: 6, torn: true });
        assert_eq!(
            disk.lost_power(PerMille(1000), true),
            CrashRemains { surviving: 6, torn: false }
        );
        assert_eq!(disk.lost_power(PerMille(0), false), CrashRemains { surviving: 4, torn: false });
    }

    #[test]
    fn a_failed_sync_syncs_nothing_and_only_the_next_fails() {
        let mut disk = disk(2);
        disk.fail_next(Some(PerMille(7)));
        disk.begin_sync(false);
        assert_eq!(disk.end_sync(), Some(Sync::Failed(PerMille(7))));
        assert_eq!(disk.lost_power(PerMille(0), false).surviving, 0);
        disk.append(record(1));
        disk.begin_sync(false);
        assert_eq!(disk.end_sync(), Some(Sync::Upto(1)));
    }

    #[test]
    fn a_full_disk_is_said_once_while_there_is_a_reserve() {
        let mut disk = disk(1);
        assert_eq!(disk.news_of_room(), None);
        disk.limit(Some(RESERVE));
        assert_eq!(disk.news_of_room(), None);
        disk.append(record(1));
        assert_eq!(disk.news_of_room(), Some(Room::Full));
        assert_eq!(disk.news_of_room(), None);
        disk.killed();
        assert_eq!(disk.news_of_room(), Some(Room::Full), "a new process does not know");
        for life in 1..RESERVE {
            assert!(disk.has_space(), "{life}");
            disk.append(record(1));
        }
        assert!(!disk.has_space());
        disk.limit(None);
        assert_eq!(disk.news_of_room(), Some(Room::Enough));
        assert!(disk.has_space());
    }

    #[test]
    fn copies_and_holes_shorten_the_journal() {
        let mut disk = disk(5);
        disk.begin_sync(false);
        disk.end_sync();
        disk.damage(2);
        assert_eq!(disk.records(), [0, 1, 3, 4].map(record));
        assert_eq!(disk.replaced_by_copy(1).surviving, 1);
        assert_eq!(disk.lost_power(PerMille(0), false).surviving, 1, "the copy is on disk");
    }
}
