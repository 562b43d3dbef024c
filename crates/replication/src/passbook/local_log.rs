//! The logs as this branch holds them: staged, durable, visible.
//!
//! *Staged* is what is in the journal, *durable* what is on disk, *visible* the own durable row and the rows
//! received. A staged entry is never pushed, shown, collected or answered. Only rights are computed from it.

use std::sync::Arc;

use super::chains::Chains;
use super::journal::Mark;
use super::{Context, Effect, Mutant, Record, Stop};
use crate::{LogStatus, ReplicaStats, Ticket};
use bank::{
    BranchId, Chain, Entry, Fork, Ledger, Member, Money, Outcome, RequestId, Row, Seq, Total,
    Version,
};

/// A peer's row that was compared with the copy held here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merge {
    pub(super) origin: Member,
    /// What the peer had granted to this branch by the copy held before.
    pub(super) granted_before: Total,
    /// What it has granted by the row.
    pub(super) granted: Total,
    /// Whether the row was newer.
    pub(super) is_new: bool,
}

/// An entry of the own log in the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnEntry {
    pub(super) seq: Seq,
    pub(super) entry: Entry,
    pub(super) request: Option<RequestId>,
    pub(super) chain: Chain,
}

#[derive(Debug)]
pub(super) struct LocalLog {
    /// The own row with everything that is staged.
    staged: Row,
    /// What customers and peers may see.
    visible: Ledger,
    chains: Chains,
    /// Something became visible since the last call of `take_change`.
    changed: bool,
    /// Customers' writes.
    accepted: u64,
    /// Entries of other branches.
    applied: u64,
    lowest: i128,
}

impl LocalLog {
    pub(super) fn new(ctx: &Context) -> Self {
        let visible = Ledger::new(ctx.settings.opening, ctx.members());
        Self {
            staged: Row::empty(ctx.me),
            lowest: visible.total(),
            visible,
            chains: Chains::new(ctx.settings.limits.chains),
            changed: false,
            accepted: 0,
            applied: 0,
        }
    }

    pub(super) const fn visible(&self) -> &Ledger {
        &self.visible
    }

    pub(super) fn version(&self) -> &Arc<Version> {
        self.visible.version()
    }

    /// The own row as customers and peers may see it.
    pub(super) fn own(&self) -> &Row {
        &self.visible.rows()[self.staged.origin.index()]
    }

    pub(super) const fn staged(&self) -> &Row {
        &self.staged
    }

    /// Whether something became visible since the last call.
    pub(super) const fn take_change(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    /// Whether the balance with everything staged and this deposit fits into 64 bits.
    pub(super) fn can_hold(&self, deposit: Money) -> bool {
        let staged = self.visible.total() - self.own().net() + self.staged.net();
        staged + i128::from(deposit.minor_units()) <= i128::from(i64::MAX)
    }

    /// Appends an entry to the own log.
    pub(super) fn stage(
        &mut self,
        ctx: &mut Context,
        entry: Entry,
        request: Option<RequestId>,
    ) -> Seq {
        self.staged.append(&entry, request);
        let Row { seq, chain, .. } = self.staged;
        let record = Record::Own { seq, entry, request, chain };
        ctx.effects.push(Effect::Persist { record });
        ctx.journal.append(|| Mark::Own(self.staged.clone()));
        self.accepted += u64::from(!matches!(entry, Entry::Grant { .. }));
        seq
    }

    /// Merges rows that arrived together, calls `merged` for each, and journals the new ones as one record:
    /// separately they might not be causally closed. Fails if the branch must stop.
    pub(super) fn receive(
        &mut self,
        ctx: &mut Context,
        from: Member,
        mut rows: Vec<Row>,
        mut merged: impl FnMut(&Context, Merge),
    ) -> Result<(), Stop> {
        let mut result = Ok(());
        rows.retain(|row| match self.merge(ctx, from, row) {
            Ok(merge) => merge.is_some_and(|merge| {
                merged(ctx, merge);
                merge.is_new
            }),
            Err(stop) => {
                result = Err(stop);
                false
            }
        });
        if result.is_err() || rows.is_empty() {
            return result;
        }
        // Between two rows of one push the ledger is no balance that anybody could see.
        self.lowest = self.lowest.min(self.visible.total());
        if ctx.has(Mutant::PushRowByRow) {
            for row in rows {
                record_received(ctx, vec![row]);
            }
        } else {
            record_received(ctx, rows);
        }
        Ok(())
    }

    fn merge(&mut self, ctx: &Context, from: Member, row: &Row) -> Result<Option<Merge>, Stop> {
        if row.origin == self.staged.origin {
            let (peer, theirs, ours) = (ctx.branch(from), row.seq, self.staged.seq);
            let is_ahead = theirs > ours;
            return if is_ahead { Err(Stop::LostEntries { peer, theirs, ours }) } else { Ok(None) };
        }
        let held = self.visible.version().of(row.origin);
        let merge = self.join(row).map_err(|fork| Stop::Fork { origin: ctx.branch(fork.0) })?;
        if merge.is_some_and(|merge| merge.is_new) {
            self.applied += row.seq.0.saturating_sub(held.0);
            self.changed = true;
        }
        Ok(merge)
    }

    /// `None` if the row is of no member.
    fn join(&mut self, row: &Row) -> Result<Option<Merge>, Fork> {
        let Some(held) = self.visible.row(row.origin) else {
            return Ok(None);
        };
        let me = self.staged.origin;
        let (granted_before, granted) = (held.granted.to(me), row.granted.to(me));
        let is_new = self.visible.join(row)?;
        Ok(Some(Merge { origin: row.origin, granted_before, granted, is_new }))
    }

    /// The first `upto` records are on disk. Returns whether the branch may send messages from now on, and
    /// could not before.
    pub(super) fn persisted(&mut self, ctx: &mut Context, upto: u64) -> bool {
        let recovered = ctx.journal.is_recovered();
        if let Some(row) = ctx.journal.persist(upto, self.visible.version(), &self.staged) {
            self.publish(ctx, &row);
        }
        !recovered && ctx.journal.is_recovered()
    }

    /// In memory everything that is staged becomes durable and visible as soon as no input is left.
    pub(super) fn settle(&mut self, ctx: &mut Context) {
        let durable = ctx.journal.persist_in_memory(self.visible.version());
        if (durable || ctx.has(Mutant::VisibleBeforeDurable)) && self.own().seq < self.staged.seq {
            let row = self.staged.clone();
            self.publish(ctx, &row);
        }
    }

    /// Makes the own log visible up to `row`.
    fn publish(&mut self, ctx: &mut Context, row: &Row) {
        ctx.journal.raise_own(row.origin, row.seq);
        // The own row is written here alone, so it cannot be a fork of itself.
        if self.visible.join(row) == Ok(true) {
            self.lowest = self.lowest.min(self.visible.total());
            self.chains.publish(row.seq, row.chain);
            self.changed = true;
        }
    }

    /// All branches hold the own log up to `seq`.
    pub(super) fn acknowledged(&mut self, seq: Seq) {
        self.chains.acknowledged(seq);
    }

    /// Why a peer's copy of the own log proves that this branch lost its memory, if it does. The copy has
    /// `theirs` entries with the hash `chain`.
    pub(super) fn amnesia(&self, peer: BranchId, theirs: Seq, chain: Chain) -> Option<Stop> {
        let ours = self.staged.seq;
        if theirs > ours {
            Some(Stop::LostEntries { peer, theirs, ours })
        } else {
            self.chains.is_other_log(theirs, chain).then_some(Stop::OtherLog { peer })
        }
    }

    /// Answers from what is visible.
    pub(super) fn reply(&self, ctx: &mut Context, ticket: Ticket, outcome: Outcome) {
        ctx.reply(ticket, outcome, &self.visible, |_| {});
    }

    /// `held` is how much of the own log every connected peer holds.
    pub(super) fn stats(&self, held: Option<Seq>) -> ReplicaStats {
        let money = |total: i128| Money::new(i64::try_from(total).unwrap_or(i64::MAX));
        let seq = self.staged.seq;
        ReplicaStats {
            balance: money(self.visible.total()),
            lowest_balance: money(self.lowest),
            accepted: self.accepted,
            applied: self.applied,
            outstanding: seq.0.saturating_sub(held.unwrap_or(seq).0),
            undelivered: 0,
        }
    }

    pub(super) fn status(&self, rights: i128) -> LogStatus {
        let shown = Arc::clone(self.visible.version());
        let mut written = Version::clone(&shown);
        written.raise(self.staged.origin, self.staged.seq);
        LogStatus { shown, written, rights }
    }

    /// Replays an entry of the own log. Returns `None` if it does not continue the entries before.
    pub(super) fn replay_own(&mut self, ctx: &Context, own: &OwnEntry) -> Option<()> {
        self.staged.append(&own.entry, own.request);
        let continues = self.staged.seq == own.seq && self.staged.chain == own.chain;
        self.staged.seq = own.seq;
        self.staged.chain = own.chain;
        self.chains.publish(own.seq, own.chain);
        (continues || ctx.has(Mutant::JournalCutInTheMiddle)).then_some(())
    }

    /// Replays a row of another branch. Returns `None` if there can be no such row in the journal.
    pub(super) fn replay_received(&mut self, row: &Row) -> Option<Merge> {
        let is_own = row.origin == self.staged.origin;
        if is_own { None } else { self.join(row).ok().flatten() }
    }

    /// This many records were replayed.
    pub(super) fn replayed(&mut self, ctx: &mut Context, records: u64) {
        ctx.journal.replayed(records);
        if ctx.has(Mutant::NoSyncAfterReplay) {
            self.persisted(ctx, records);
        }
    }
}

fn record_received(ctx: &mut Context, rows: Vec<Row>) {
    ctx.journal.append(|| Mark::Received(rows.iter().map(|r| (r.origin, r.seq)).collect()));
    ctx.effects.push(Effect::Persist { record: Record::Received { rows } });
}

#[cfg(test)]
mod tests {
    use super::super::Storage;
    use super::super::journal::Journal;
    use super::*;

    const A: Member = Member(0);
    const B: Member = Member(1);
    const DEPOSIT: Entry = Entry::Deposit(Money::new(5));

    fn row(origin: Member, entries: &[Entry]) -> Row {
        let mut row = Row::empty(origin);
        for entry in entries {
            row.append(entry, None);
        }
        row
    }

    fn log(storage: Storage) -> (Context, LocalLog) {
        let mut ctx = Context::of_first(2, 100);
        ctx.journal = Journal::new(storage, 2);
        let log = LocalLog::new(&ctx);
        (ctx, log)
    }

    #[test]
    fn staged_entry_is_visible_once_it_is_durable() {
        let (mut ctx, mut log) = log(Storage::Journal);
        assert_eq!(log.stage(&mut ctx, DEPOSIT, None), Seq(1));
        log.settle(&mut ctx);
        assert_eq!((log.own().seq, log.visible().total()), (Seq::ZERO, 100));
        log.persisted(&mut ctx, 1);
        assert_eq!((log.own().seq, log.visible().total()), (Seq(1), 105));
        assert!(log.take_change() && !log.take_change());
        assert_eq!(log.stats(None).accepted, 1);
    }

    #[test]
    fn staged_entry_in_memory_is_visible_when_it_settles() {
        let (mut ctx, mut log) = log(Storage::Memory);
        log.stage(&mut ctx, DEPOSIT, None);
        assert_eq!(log.own().seq, Seq::ZERO);
        log.settle(&mut ctx);
        assert_eq!((log.own().seq, ctx.journal.durable().of(A)), (Seq(1), Seq(1)));
    }

    #[test]
    fn rows_of_one_push_are_one_record_without_what_is_known() {
        let (mut ctx, mut log) = log(Storage::Journal);
        let grant = Entry::Grant { to: A, amount: Money::new(7) };
        let pushed = row(B, &[DEPOSIT, grant]);
        let mut merges = Vec::new();
        for _ in 0..2 {
            let rows = vec![pushed.clone(), row(A, &[])];
            log.receive(&mut ctx, B, rows, |_, merge| merges.push(merge)).expect("no fork");
        }
        assert_eq!(ctx.journal.appended(), 1, "known rows are not journaled");
        let granted = Total(7);
        let first = Merge { origin: B, granted_before: Total::ZERO, granted, is_new: true };
        let again = Merge { granted_before: granted, is_new: false, ..first };
        assert_eq!(merges, [first, again]);
        assert_eq!(log.stats(None).applied, 2);
        assert_eq!(ctx.journal.durable().of(B), Seq::ZERO, "not on disk");
    }

    #[test]
    fn longer_copy_of_the_own_log_or_a_fork_stops_the_branch() {
        let (mut ctx, mut log) = log(Storage::Memory);
        let ctx = &mut ctx;
        let ahead = log.receive(ctx, B, vec![row(A, &[DEPOSIT])], |_, _| {});
        let (peer, theirs, ours) = (BranchId(2), Seq(1), Seq::ZERO);
        assert_eq!(ahead, Err(Stop::LostEntries { peer, theirs, ours }));
        assert_eq!(log.amnesia(peer, theirs, Chain(1)), ahead.err());
        assert_eq!(log.receive(ctx, B, vec![row(B, &[DEPOSIT])], |_, _| {}), Ok(()));
        let other = row(B, &[Entry::Deposit(Money::new(6))]);
        let fork = log.receive(ctx, B, vec![other], |_, _| {});
        assert_eq!(fork, Err(Stop::Fork { origin: BranchId(2) }));
    }

    #[test]
    fn deposit_beyond_64_bits_does_not_fit_with_what_is_staged() {
        let (mut ctx, mut log) = log(Storage::Journal);
        let most = Money::new(i64::MAX - 100);
        assert!(log.can_hold(most));
        log.stage(&mut ctx, DEPOSIT, None);
        assert!(!log.can_hold(most));
    }
}
