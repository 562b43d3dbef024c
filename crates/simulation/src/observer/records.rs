//! The observer, and what it is told of records, disks and incarnations.

use std::collections::{BTreeMap, HashMap};

use super::journal::{Journal, Mark};
use super::requests::{Request, Tickets, is_in_time};
use super::truth::{Logged, Truth};
use super::views::LastView;
use super::{Action, Violation, amnesia, causal, name, require};
use bank::{Entry, Member, Money, RequestId, Row, Seq, Version};
use check::Property;
use replication::Instant;
use replication::passbook::{Record, Round, Stop, Storage};

/// Knows what really happened.
///
/// It is told of everything in the order in which it happens: the effects of a step in their order, then
/// [`Observer::look`]. Every method that returns a violation has found the first; what it reports after
/// that is not to be relied on.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(super) storage: Storage,
    pub(super) truth: Truth,
    pub(super) journals: Vec<Journal>,
    /// What each branch showed last, in its present incarnation.
    pub(super) seen: Vec<Option<LastView>>,
    /// How much of each log anybody has seen.
    pub(super) shown: Version,
    /// How much of each log its own branch has made visible.
    pub(super) effective: Version,
    pub(super) requests: BTreeMap<RequestId, Request>,
    pub(super) tickets: Tickets,
    /// What each collect asked to leave out, in each of its rounds.
    pub(super) asked: HashMap<(Member, u64, Round), Version>,
}

impl Observer {
    /// Watches a new cluster. A cluster in memory of which all branches have ended is another one when
    /// they are started again.
    pub(crate) fn new(members: usize, opening: Money, storage: Storage) -> Self {
        let all = (0..).map(Member).take(members);
        Self {
            storage,
            truth: Truth::new(members, opening),
            journals: all.map(|member| Journal::new(member, members)).collect(),
            seen: (0..members).map(|_| None).collect(),
            shown: Version::zero(members),
            effective: Version::zero(members),
            requests: BTreeMap::new(),
            tickets: Tickets::default(),
            asked: HashMap::new(),
        }
    }

    /// The log of each branch, by member: what survived of it, or, of a branch that lost its memory, all
    /// that it had written.
    pub(crate) fn logs(&self) -> &[Vec<Logged>] {
        self.truth.logs()
    }

    /// A branch has appended a record to its journal (or, in memory mode, to nothing: it is durable).
    pub(crate) fn recorded(
        &mut self,
        now: Instant,
        branch: Member,
        record: &Record,
    ) -> Result<(), Violation> {
        let mark = match record {
            Record::Founded { .. } | Record::Bound { .. } => Mark::Other,
            Record::Own { seq, entry, request, chain } => {
                let journal = &self.journals[branch.index()];
                amnesia::may_write(&self.truth, journal, branch)?;
                if let Some(request) = *request {
                    let deadline = self.requests.get(&request).and_then(|known| known.deadline);
                    is_in_time(now, request, deadline)?;
                }
                let (Entry::Deposit(amount)
                | Entry::Withdraw(amount)
                | Entry::Grant { amount, .. }) = *entry;
                require(Property::Rights, !amount.is_negative(), || {
                    format!("{} writes entry {seq} of a negative amount, {amount}", name(branch))
                })?;
                let (known, request) = (journal.staged().clone(), *request);
                self.truth.append(branch, *seq, *chain, entry, request, known)?;
                Mark::Own
            }
            Record::Received { rows } => Mark::Rows(self.received(branch, rows)?),
        };
        let received = matches!(mark, Mark::Rows(_));
        let journal = &mut self.journals[branch.index()];
        journal.append(mark);
        if self.storage == Storage::Memory {
            journal.sync_all();
        }
        if received && !amnesia::has_forgotten(&self.truth, journal, branch) {
            let holds = Action::of(branch, "has taken in rows and holds");
            causal::is_closed(&self.truth, holds, journal.staged())?;
        }
        Ok(())
    }

    fn received(&mut self, branch: Member, rows: &[Row]) -> Result<Vec<(Member, Seq)>, Violation> {
        let takes = Action::of(branch, "takes in");
        for row in rows {
            require(Property::OneWriter, row.origin != branch, || {
                format!("{} takes in {} entries of its own log", name(branch), row.seq)
            })?;
            self.row(takes, row)?;
        }
        Ok(rows.iter().map(|row| (row.origin, row.seq)).collect())
    }

    /// The first `upto` records of a branch's journal are on its disk now. Said before the branch knows.
    pub(crate) fn synced(&mut self, branch: Member, upto: usize) {
        self.journals[branch.index()].sync(upto);
    }

    /// An old copy is put in the place of a branch's journal, or nothing at all: the next start will read only
    /// `surviving` records, though more were synced. Said after [`Observer::crashed`]. If entries of its
    /// own are missing the branch must have stopped before the run ends, and must have no customers until
    /// then: it can recognize its loss only when it meets the others.
    pub(crate) fn forgot(&mut self, branch: Member, surviving: usize) {
        let journal = &mut self.journals[branch.index()];
        journal.cut(surviving);
        journal.lose();
    }

    /// A branch has stopped itself, by an effect of the step that it is in. It is not among the living from
    /// now on; [`Observer::crashed`] need not be said as well.
    pub(crate) fn stopped(&mut self, branch: Member, why: &Stop) -> Result<(), Violation> {
        amnesia::may_stop(&self.journals[branch.index()], branch, why)?;
        self.close(branch);
        Ok(())
    }
}
