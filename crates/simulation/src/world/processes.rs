//! How processes begin and end.

use rand::RngExt as _;

use super::super::chance::{Luck, PerMille};
use super::super::counters::Counter;
use super::super::disk::CrashRemains;
use super::super::network::{Ending, branch_id};
use super::super::observer::Violation;
use super::super::transcript::words::{self, branch as name};
use super::World;
use super::branch::Restart;
use bank::Member;
use check::Property;
use replication::passbook::{Incarnation, Limits, Passbook, Settings, Stop, Storage};

/// How a process ends, and what is done to its disk then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// It is ended, and its machine goes on.
    Killed,
    /// With its machine.
    LostPower {
        /// How much of what was not on disk survives.
        keep: PerMille,
        /// Whether a part of the next record does.
        torn: bool,
    },
    /// It ends by itself: it cannot know what is on disk.
    SyncFailed {
        /// How much of what was not on disk survives.
        keep: PerMille,
    },
    /// It ends by itself: a record did not fit.
    NoSpace,
    /// It was told to stop by what its peers know.
    Stopped(Stop),
    /// It is ended, and its journal replaced by a copy with so many records.
    Copied {
        /// How many.
        records: usize,
    },
    /// It is ended, and a record is taken out of its journal.
    Damaged {
        /// Which.
        record: usize,
    },
}

impl World<'_> {
    /// Starts a process where none is, and where one may be.
    pub(super) fn start(&mut self, member: Member) -> Result<(), Violation> {
        let branch = &mut self.branches[member.index()];
        if branch.restart != Restart::Allowed || branch.is_running() {
            return Ok(());
        }
        let incarnation = branch.incarnation;
        let journal = match self.plan.storage {
            Storage::Memory => Vec::new(),
            Storage::Journal => branch.disk.records().to_vec(),
        };
        let damaged = branch.damaged;
        let records = journal.len();
        self.counters.add_many(Counter::Restarts, u64::from(records > 0));
        self.note(|| {
            let records = words::counted(records, "record", "records");
            format!("{} starts from {records}", name(member))
        });
        self.hash_time(member);
        let settings = self.settings(member, incarnation);
        match Passbook::start(settings, journal, &mut self.effects) {
            Ok(_) if damaged => Err(Violation {
                property: Property::OneWriter,
                detail: format!("{} started from a journal that lacks a record", name(member)),
            }),
            Ok(replica) => {
                self.branches[member.index()].start(replica);
                self.perform_all(member)?;
                // What was read counts as durable only when it has been synced.
                self.sync(member, true);
                self.settle(member)?;
                if self.branches[member.index()].is_running() {
                    self.network.started(member, &mut self.agenda);
                }
                Ok(())
            }
            Err(why) if damaged => {
                self.note(|| format!("{} refuses to start: {why}", name(member)));
                self.counters.add(Counter::CorruptJournals);
                self.branches[member.index()].restart = Restart::Never;
                self.effects.clear();
                Ok(())
            }
            Err(why) => Err(Violation {
                property: Property::DurableBeforeVisible,
                detail: format!("{} could not read its journal: {why}", name(member)),
            }),
        }
    }

    fn settings(&self, member: Member, incarnation: u32) -> Settings {
        let which = (u64::from(member.0) << 32) + u64::from(incarnation);
        let mut random = Luck::Incarnation.of(self.plan.seed, which);
        Settings {
            me: branch_id(member),
            branches: self.plan.members().map(branch_id).collect(),
            opening: self.plan.opening,
            storage: self.plan.storage,
            incarnation: Incarnation(random.random_range(0..=u64::MAX)),
            seed: random.random_range(0..=u64::MAX),
            timing: self.plan.timing.timing(),
            relay_from: if self.plan.prover { 0 } else { usize::MAX },
            limits: Limits::default(),
            mutant: self.mutant,
        }
    }

    /// Ends a process, if one is there.
    pub(super) fn crash(&mut self, member: Member, crash: Crash) -> Result<(), Violation> {
        if !self.branches[member.index()].is_running() {
            return Ok(());
        }
        self.count_grants_in_flight(member);
        let branch = &mut self.branches[member.index()];
        branch.end();
        let disk = &mut branch.disk;
        let left = match crash {
            Crash::Killed | Crash::NoSpace | Crash::Stopped(_) | Crash::Copied { .. } => {
                disk.killed()
            }
            Crash::LostPower { keep, torn } => disk.lost_power(keep, torn),
            Crash::SyncFailed { keep } => disk.lost_power(keep, false),
            Crash::Damaged { record } => {
                // Nobody will read it: what was there counts.
                let left = disk.killed();
                disk.damage(record);
                left
            }
        };
        let CrashRemains { surviving, torn } = left;
        let (seen, ending) = match crash {
            Crash::LostPower { .. } => (Counter::PowerLosses, Ending::Machine),
            _ => (Counter::Kills, Ending::Process),
        };
        self.counters.add(seen);
        self.counters.add_many(Counter::TornTails, u64::from(torn));
        let for_good = branch.restart == Restart::Never;
        let storage = self.plan.storage;
        self.note(|| match storage {
            Storage::Memory => {
                let back = if for_good { "; it stays dead" } else { "" };
                let (branch, how) = (name(member), crash_name(crash));
                format!("{branch} {how}, and its memory with it{back}")
            }
            Storage::Journal => words::crashed(member, crash_name(crash), left),
        });
        self.network.ended(member, ending, &mut self.agenda);
        match crash {
            Crash::Stopped(why) => self.observer.stopped(member, &why),
            Crash::Copied { records } => {
                self.observer.crashed(member, surviving)?;
                let left = self.branches[member.index()].disk.replaced_by_copy(records);
                self.observer.forgot(member, left.surviving);
                Ok(())
            }
            _ => self.observer.crashed(member, surviving),
        }
    }

    fn count_grants_in_flight(&mut self, crashed: Member) {
        for other in self.plan.members().filter(|other| *other != crashed) {
            for (donor, asker) in [(crashed, other), (other, crashed)] {
                let asker_replica = self.branches[asker.index()].replica();
                let seen = asker_replica.and_then(|asker| asker.visible().row(donor));
                let last = self.grants.get(&(donor, asker));
                let unseen = seen.zip(last).is_some_and(|(row, last)| row.seq < *last);
                self.counters.add_many(Counter::GrantsInFlightAtCrash, u64::from(unseen));
            }
        }
        // What it granted may be lost with it.
        self.grants.retain(|(donor, _), _| *donor != crashed);
    }
}

const fn crash_name(crash: Crash) -> &'static str {
    match crash {
        Crash::Killed => "is killed",
        Crash::LostPower { .. } => "loses power",
        Crash::SyncFailed { .. } => "cannot sync its journal and ends",
        Crash::NoSpace => "has no space for a record and ends",
        Crash::Stopped(_) => "ends",
        Crash::Copied { .. } => "is killed, and its journal replaced by an old copy",
        Crash::Damaged { .. } => "is killed, and its journal damaged",
    }
}
