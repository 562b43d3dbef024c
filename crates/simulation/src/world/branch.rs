//! One branch as its machine sees it: a process that comes and goes, and a disk that stays.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_pcg::Pcg64Mcg;

use super::super::agenda::Arrival;
use super::super::chance::Luck;
use super::super::disk::Disk;
use super::super::plan::{Fault, Moment, Plan};
use bank::{Member, Read};
use replication::passbook::Passbook;
use replication::{Attempt, Instant, Ticket};

/// Whether a branch without a process may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    /// When the fault that ended it is over.
    Allowed,
    /// Only when everything heals.
    AfterHealing,
    Never,
}

/// One branch.
pub(super) struct Branch {
    pub(super) member: Member,
    pub(super) random: Pcg64Mcg,
    pub(super) disk: Disk,
    process: Option<Process>,
    /// How many processes have ended here.
    pub(super) incarnation: u32,
    /// Whether it may be started when no process is there.
    pub(super) restart: Restart,
    /// It lost what others know: it has to be stopped, and nobody serves it customers meanwhile if what
    /// it lost was a part of its journal.
    pub(super) forgot: bool,
    /// A record is missing from its journal.
    pub(super) damaged: bool,
    /// It is to end when it has done that.
    pub(super) aimed: Option<(Moment, Fault)>,
}

/// A process that lives.
pub(super) struct Process {
    pub(super) replica: Box<Passbook>,
    /// Requests that were not answered.
    pub(super) open: BTreeMap<Ticket, OpenRequest>,
    /// It stands still.
    pub(super) paused: bool,
    /// It will look at what has come in a moment.
    pub(super) busy: bool,
    /// What has come while it stood still or was busy.
    pub(super) inbox: VecDeque<Arrival>,
    /// The timers that are set.
    pub(super) timers: BTreeSet<Instant>,
}

/// A request that was not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenRequest {
    pub(super) customer: usize,
    pub(super) attempt: Attempt,
    /// The mode of a query; nothing for a write.
    pub(super) read: Option<Read>,
}

impl Branch {
    pub(super) fn new(plan: &Plan, member: Member) -> Self {
        Self {
            member,
            random: Luck::Branch.of(plan.seed, u64::from(member.0)),
            disk: Disk::default(),
            process: None,
            incarnation: 0,
            restart: Restart::Allowed,
            forgot: false,
            damaged: false,
            aimed: None,
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub(super) const fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    pub(super) fn replica(&self) -> Option<&Passbook> {
        self.process.as_ref().map(|process| &*process.replica)
    }

    pub(super) fn start(&mut self, replica: Passbook) {
        self.process = Some(Process {
            replica: Box::new(replica),
            open: BTreeMap::new(),
            paused: false,
            busy: false,
            inbox: VecDeque::new(),
            timers: BTreeSet::new(),
        });
    }

    /// The process ends.
    pub(super) fn end(&mut self) {
        self.process = None;
        self.incarnation += 1;
    }
}
