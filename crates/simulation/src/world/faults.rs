//! What goes wrong, and how it heals.

use super::super::agenda::Event;
use super::super::chance::PerMille;
use super::super::counters::Counter;
use super::super::observer::Violation;
use super::super::plan::{Fault, Moment};
use super::super::transcript::words::{self, branch as name};
use super::World;
use super::branch::Restart;
use super::processes::Crash;
use bank::Member;
use replication::passbook::{Passbook, Record, Storage};

impl World<'_> {
    /// A fault begins.
    pub(super) fn begins(&mut self, number: usize) -> Result<(), Violation> {
        let timed = self.plan.faults[number];
        if self.healed {
            return Ok(());
        }
        self.agenda.after(timed.lasts, Event::Ends(number));
        match timed.fault {
            Fault::Cut { from, to } => self.cut(from, to),
            Fault::Split { left, right } => {
                self.cut(left, right);
                self.cut(right, left);
            }
            Fault::Reset { left, right } => {
                if self.network.reset(left, right, &mut self.agenda) {
                    self.note(|| words::reset(left, right));
                }
            }
            Fault::Kill { branch, when }
            | Fault::PowerLoss { branch, when, .. }
            | Fault::Death { branch, when } => self.aim(branch, when, timed.fault)?,
            Fault::SyncFails { branch, keep } => {
                self.branches[branch.index()].disk.fail_next(Some(keep));
            }
            Fault::Full { branch, free } => {
                self.branches[branch.index()].disk.limit(Some(free));
                self.sync(branch, false);
            }
            Fault::Pause { branch } => self.pause(branch),
            Fault::OldCopy { branch, keep } => self.take_back(branch, keep)?,
            Fault::Hole { branch, place } => self.damage(branch, place)?,
        }
        Ok(())
    }

    /// A fault is over, unless everything has healed already.
    pub(super) fn ends(&mut self, number: usize) -> Result<(), Violation> {
        if self.healed {
            return Ok(());
        }
        match self.plan.faults[number].fault {
            Fault::Cut { from, to } => self.restore(from, to),
            Fault::Split { left, right } => {
                self.restore(left, right);
                self.restore(right, left);
            }
            Fault::Reset { .. } => {}
            Fault::Death { branch, .. } => self.branches[branch.index()].aimed = None,
            Fault::Kill { branch, .. } | Fault::PowerLoss { branch, .. } => {
                self.branches[branch.index()].aimed = None;
                self.start_again(branch)?;
            }
            Fault::OldCopy { branch, .. } | Fault::Hole { branch, .. } => {
                self.start_again(branch)?;
            }
            Fault::SyncFails { branch, .. } => {
                self.branches[branch.index()].disk.fail_next(None);
                self.start_again(branch)?;
            }
            Fault::Full { branch, .. } => {
                self.branches[branch.index()].disk.limit(None);
                self.sync(branch, false);
                self.start_again(branch)?;
            }
            Fault::Pause { branch } => {
                self.note(|| format!("{} goes on", name(branch)));
                self.resume(branch)?;
            }
        }
        Ok(())
    }

    /// Everything that can heal does.
    pub(super) fn heals(&mut self) -> Result<(), Violation> {
        self.healed = true;
        let dead = self.branches.iter().filter(|branch| branch.restart == Restart::Never);
        let dead: Vec<Member> = dead.map(|branch| branch.member).collect();
        self.note(|| words::healed(&dead));
        self.network.heal(&mut self.agenda);
        self.customers.heal();
        for member in self.plan.members() {
            let branch = &mut self.branches[member.index()];
            if branch.restart == Restart::AfterHealing {
                branch.restart = Restart::Allowed;
            }
            branch.aimed = None;
            branch.disk.limit(None);
            branch.disk.fail_next(None);
            self.sync(member, false);
            self.resume(member)?;
            self.start_again(member)?;
        }
        Ok(())
    }

    /// A process ends, now or when it has done something.
    fn aim(&mut self, branch: Member, when: Moment, fault: Fault) -> Result<(), Violation> {
        if when == Moment::Now {
            return self.strike(branch, fault);
        }
        self.branches[branch.index()].aimed = Some((when, fault));
        Ok(())
    }

    /// A process has done something: that may be the moment at which it is to end.
    pub(super) fn has_done(&mut self, member: Member, what: Moment) -> Result<(), Violation> {
        let branch = &mut self.branches[member.index()];
        match branch.aimed.take_if(|(when, _)| *when == what) {
            Some((_, fault)) => self.strike(member, fault),
            None => Ok(()),
        }
    }

    /// A process is ended from outside.
    fn strike(&mut self, branch: Member, fault: Fault) -> Result<(), Violation> {
        if !self.branches[branch.index()].is_running() {
            self.spare(branch, "it does not run");
            return Ok(());
        }
        let journal = self.plan.storage == Storage::Journal;
        match fault {
            Fault::PowerLoss { keep, torn, .. } if journal => {
                self.crash(branch, Crash::LostPower { keep, torn })
            }
            Fault::Death { .. } if journal => {
                self.branches[branch.index()].restart = Restart::AfterHealing;
                self.crash(branch, Crash::Killed)
            }
            _ if journal => self.crash(branch, Crash::Killed),
            _ => self.end_in_memory(branch, !matches!(fault, Fault::Death { .. })),
        }
    }

    fn cut(&mut self, from: Member, to: Member) {
        self.network.cut(from, to, &mut self.agenda);
        let one_way = self.network.is_open(to, from);
        self.counters.add_many(Counter::OneWayPartitions, u64::from(one_way));
        self.note(|| words::cut(from, to));
    }

    fn restore(&mut self, from: Member, to: Member) {
        self.network.restore(from, to, &mut self.agenda);
        self.note(|| format!("messages get from {} to {} again", name(from), name(to)));
    }

    fn pause(&mut self, member: Member) {
        if let Some(process) = self.branches[member.index()].process() {
            process.paused = true;
            self.counters.add(Counter::Pauses);
            self.note(|| words::pause(member));
        }
    }

    fn start_again(&mut self, member: Member) -> Result<(), Violation> {
        let branch = &self.branches[member.index()];
        // One that was never started comes at its time.
        if branch.incarnation == 0 {
            return Ok(());
        }
        self.start(member)
    }

    fn spare(&mut self, member: Member, why: &str) {
        self.note(|| format!("{} is spared: {why}", name(member)));
    }

    /// In memory mode a process takes everything with it: somebody must be left who knows it, and the
    /// cluster as it was.
    fn end_in_memory(&mut self, member: Member, comes_back: bool) -> Result<(), Violation> {
        let remembers = |other: Member| {
            let other = &self.branches[other.index()];
            other.replica().is_some_and(|replica| !other.forgot && replica.is_ready())
        };
        let known = self.plan.members().any(|other| other != member && remembers(other));
        // Before it was ready, perhaps nobody has heard of it, and it lost nothing.
        let comes_back = comes_back && remembers(member);
        if !known {
            self.spare(member, "nobody else would remember the cluster");
            return Ok(());
        }
        let branch = &mut self.branches[member.index()];
        branch.forgot = true;
        branch.restart = if comes_back { Restart::Allowed } else { Restart::Never };
        self.crash(member, Crash::Killed)
    }

    /// Whether all others serve. One that does not has perhaps not met `member`, and cannot begin to serve
    /// without it.
    fn others_serve(&self, member: Member) -> bool {
        let mut others = self.branches.iter().filter(|other| other.member != member);
        others.all(|other| other.replica().is_some_and(Passbook::is_ready))
    }

    /// Puts an old copy in the place of a journal, if all others hold more of its log, on disk.
    fn take_back(&mut self, member: Member, keep: PerMille) -> Result<(), Violation> {
        let branch = &self.branches[member.index()];
        if !branch.is_running() {
            self.spare(member, "it does not run");
            return Ok(());
        }
        let others = self.branches.iter().filter(|other| other.member != member);
        let known = others.map(|other| {
            other.replica().map(|replica| replica.durable().of(member)).unwrap_or_default()
        });
        // The copy ends before the last entry that everybody knows.
        let known = known.min();
        let mut records = branch.disk.records().iter();
        let lost = records.position(|record| match record {
            Record::Own { seq, .. } => Some(*seq) == known,
            _ => false,
        });
        let Some(lost) = lost.filter(|_| !self.journal_taken && self.others_serve(member)) else {
            self.spare(member, "the others could not tell that its journal is old");
            return Ok(());
        };
        self.journal_taken = true;
        self.branches[member.index()].forgot = true;
        self.counters.add(Counter::OldCopies);
        self.crash(member, Crash::Copied { records: keep.of(lost) })
    }

    /// Takes an entry out of a journal, if another follows it: only then it can be missed.
    fn damage(&mut self, member: Member, place: PerMille) -> Result<(), Violation> {
        let branch = &self.branches[member.index()];
        let records = branch.disk.records().iter().enumerate();
        let entries = records.filter(|(_, record)| matches!(record, Record::Own { .. }));
        let places: Vec<usize> = entries.map(|(place, _)| place).collect();
        let Some(missed) = places.len().checked_sub(2) else {
            self.spare(member, "its journal has no entry that another follows");
            return Ok(());
        };
        if !branch.is_running() || self.journal_taken || !self.others_serve(member) {
            self.spare(member, "not all serve, or a journal was taken away before");
            return Ok(());
        }
        self.journal_taken = true;
        self.branches[member.index()].damaged = true;
        self.crash(member, Crash::Damaged { record: places[place.of(missed)] })
    }
}
