//! Borrowing: rights move to where money is withdrawn, to the oldest withdrawal first.
//!
//! A withdrawal beyond the rights of its branch waits here. The branch asks those that are known to have
//! rights, the richest first, as many of them as are needed to cover what is missing. Who is asked grants
//! what it can unless an older withdrawal waits there: the oldest of all is declined by nobody, so it
//! finishes. What grants do not cover is settled by a proof ([`super::collect`]).

use std::collections::BTreeMap;

use rand::RngExt as _;

use super::writes::Pending;
use super::{Effect, Message, Mutant, Note, Passbook, Priority, ROUNDS_MAX, Step};
use crate::Instant;
use bank::{Entry, Member, Money, Rejection, Total};

/// A withdrawal that waits for rights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub(super) pending: Pending,
    /// How many proofs came to nothing.
    pub(super) rounds: u32,
}

/// Withdrawals that wait, the oldest first.
pub(super) type Withdrawals = BTreeMap<Priority, Queued>;

/// A question to another branch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    id: u64,
    of: Member,
    granted_before: Total,
    until: Instant,
}

/// What is being done for the withdrawals that wait.
#[derive(Debug, Default)]
pub(super) enum Errand {
    /// None waits.
    #[default]
    Idle,
    /// These were asked; the next step follows when none is open.
    Asking(Vec<Ask>),
    /// A collect shall show what is true.
    Proving,
    /// Others moved the money; until then they may go on with it.
    Resting(Instant),
}

impl Passbook {
    /// A withdrawal that is not covered begins to wait. Its priority is fixed until it ends.
    pub(super) fn queue(&mut self, step: &mut Step<'_>, pending: Pending) {
        self.clock += 1;
        let priority = Priority { clock: self.clock, member: self.me };
        self.withdrawals.insert(priority, Queued { pending, rounds: 0 });
        step.effects.push(Effect::Note(Note::Short { ticket: pending.ticket }));
        if matches!(self.errand, Errand::Idle) {
            self.begin_pass(step);
        }
    }

    /// Asks everybody anew.
    fn begin_pass(&mut self, step: &mut Step<'_>) {
        self.asked.fill(false);
        self.seek(step);
    }

    /// The next step for the withdrawals that wait: ask, or prove.
    pub(super) fn seek(&mut self, step: &mut Step<'_>) {
        self.errand = Errand::Idle;
        self.serve(step);
        let amounts = self.withdrawals.values().map(|queued| queued.pending.write.amount);
        let Some(least) = amounts.clone().min() else {
            return;
        };
        let wanted: i128 = amounts.map(|amount| i128::from(amount.minor_units())).sum();
        let shortage = wanted - self.rights;
        let mut richest = std::mem::take(&mut self.richest);
        richest.clear();
        for peer in self.others().filter(|peer| !self.asked[peer.index()]) {
            let rights = self.visible.rights(peer);
            if self.peers[peer.index()].is_up() && rights > 0 {
                richest.push((rights, peer));
            }
        }
        richest.sort_unstable_by(|a, b| b.cmp(a));
        let known: i128 = self.rights + richest.iter().map(|(rights, _)| rights).sum::<i128>();
        if known >= i128::from(least.minor_units()) && !richest.is_empty() {
            self.ask(step, &richest, shortage);
        } else {
            self.errand = Errand::Proving;
            self.prove(step);
        }
        self.richest = richest;
    }

    /// Asks the richest branches, as many as are known to cover what is missing together.
    fn ask(&mut self, step: &mut Step<'_>, richest: &[(i128, Member)], shortage: i128) {
        let Some((&priority, _)) = self.withdrawals.first_key_value() else {
            return;
        };
        let until = step.now.after(self.settings.timing.ask_timeout);
        let mut missing = shortage;
        let mut asks = Vec::new();
        for (place, &(rights, of)) in richest.iter().enumerate() {
            if missing <= 0 {
                break;
            }
            let is_last = place + 1 == richest.len();
            let need = if is_last { missing } else { missing.min(rights) };
            let need = Money::new(i64::try_from(need).unwrap_or(i64::MAX));
            missing -= rights;
            let granted_before = self.visible.rows()[of.index()].granted.to(self.me);
            let id = self.next_id();
            let target = granted_before.plus(need);
            self.asked[of.index()] = true;
            asks.push(Ask { id, of, granted_before, until });
            self.send(step, of, Message::Borrow { id, priority, target });
        }
        self.errand = Errand::Asking(asks);
    }

    /// The donor's side. The push is the answer to a granted question.
    pub(super) fn lend(
        &mut self,
        step: &mut Step<'_>,
        from: Member,
        (id, priority, target): (u64, Priority, Total),
    ) {
        self.clock = self.clock.max(priority.clock);
        let missing = target.signed().saturating_sub(self.own.granted.to(from).signed());
        if missing <= 0 {
            // Repeated: it is granted already, and pushed.
            return;
        }
        let older = self.withdrawals.first_key_value().is_some_and(|(own, _)| *own < priority);
        let amount = i64::try_from(missing.min(self.rights)).unwrap_or(i64::MAX);
        if older || amount <= 0 || self.has_no_room() || !self.is_ready() {
            self.send(step, from, Message::Decline { id });
        } else {
            self.stage(step, Entry::Grant { to: from, amount: Money::new(amount) }, None, None);
        }
    }

    /// A branch grants nothing.
    pub(super) fn declined(&mut self, step: &mut Step<'_>, from: Member, id: u64) {
        self.end_asks(step, |ask| ask.of == from && ask.id == id);
    }

    /// Nothing is to be expected of a branch any more.
    pub(super) fn end_ask_of(&mut self, step: &mut Step<'_>, peer: Member) {
        self.end_asks(step, |ask| ask.of == peer);
    }

    pub(super) fn time_out_asks(&mut self, step: &mut Step<'_>) {
        let now = step.now;
        self.end_asks(step, |ask| ask.until <= now);
    }

    fn end_asks(&mut self, step: &mut Step<'_>, ended: impl Fn(&Ask) -> bool) {
        if let Errand::Asking(asks) = &mut self.errand {
            asks.retain(|ask| !ended(ask));
            if asks.is_empty() {
                self.seek(step);
            }
        }
    }

    /// Rights have come: they go to the withdrawals that wait, the oldest first.
    pub(super) fn rights_arrived(&mut self, step: &mut Step<'_>) {
        self.serve(step);
        if let Errand::Asking(asks) = &self.errand {
            let (me, rows) = (self.me, self.visible.rows());
            let granted = |ask: &Ask| rows[ask.of.index()].granted.to(me) > ask.granted_before;
            let still: Vec<Ask> = asks.iter().filter(|ask| !granted(ask)).copied().collect();
            let ended = still.is_empty() || self.withdrawals.is_empty();
            self.errand = Errand::Asking(still);
            if ended {
                self.seek(step);
            }
        }
    }

    /// Pays out to those that wait, the oldest first, as far as the rights go.
    pub(super) fn serve(&mut self, step: &mut Step<'_>) {
        while let Some((&priority, queued)) = self.withdrawals.first_key_value() {
            let pending = queued.pending;
            if !self.covers(&pending) {
                return;
            }
            self.withdrawals.remove(&priority);
            if !self.is_refused(step, &pending) {
                self.write_down(step, &pending);
            }
        }
    }

    /// The proof did not come about: the money moved. Asks again after a rest, or gives up on those that
    /// have tried often enough.
    pub(super) fn rest(&mut self, step: &mut Step<'_>) {
        let mut rounds = 0;
        while let Some((&priority, queued)) =
            self.withdrawals.iter().find(|(_, queued)| queued.rounds >= ROUNDS_MAX)
        {
            let pending = queued.pending;
            self.withdrawals.remove(&priority);
            self.reject(step, &pending, Rejection::Contended);
        }
        for queued in self.withdrawals.values() {
            rounds = rounds.max(queued.rounds);
        }
        if self.withdrawals.is_empty() {
            self.errand = Errand::Idle;
        } else if rounds <= 1 {
            self.begin_pass(step);
        } else {
            self.errand = Errand::Resting(self.jittered(step, rounds));
        }
    }

    /// An instant within a rest that doubles with every round.
    pub(super) fn jittered(&mut self, step: &Step<'_>, rounds: u32) -> Instant {
        let most = self.settings.timing.rest * 2_u32.saturating_pow(rounds.min(ROUNDS_MAX));
        step.now.after(self.random.random_range(std::time::Duration::ZERO..=most))
    }

    pub(super) fn end_rest(&mut self, step: &mut Step<'_>) {
        if let Errand::Resting(until) = self.errand
            && until <= step.now
        {
            self.begin_pass(step);
        }
    }

    /// Gives up on withdrawals whose time has come.
    pub(super) fn expire_withdrawals(&mut self, step: &mut Step<'_>) {
        if self.has(Mutant::StageAfterDeadline) {
            return;
        }
        while let Some((&priority, queued)) =
            self.withdrawals.iter().find(|(_, queued)| queued.pending.deadline <= step.now)
        {
            let pending = queued.pending;
            self.withdrawals.remove(&priority);
            self.lapse(step, &pending);
        }
    }
}
