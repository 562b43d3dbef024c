//! Collect: two rounds over all branches prove a refusal or a snapshot.
//!
//! The second round begins only after every reply of the first. So there is an instant between them, and at
//! that instant every total was no less than what the first round shows and no more than what the second
//! shows, since totals only grow. That everybody declines to grant proves nothing.
//!
//! - If opening balance + deposits of the second round − withdrawals of the first is below an amount, the balance
//!   was below it at that instant.
//! - If the deposits and withdrawals of all branches are the same in both rounds, they were so at that
//!   instant (the double collect of Afek et al., 1993).

use std::sync::Arc;

use super::prover::Asker;
use super::queries::Snapshot;
use super::{Effect, Message, Mutant, Note, Passbook, ROUNDS_MAX, Round, Step};
use crate::{Instant, Receipt, Ticket};
use bank::{Answer, Member, Money, Outcome, Rejection, Row, Version};

use super::borrow::Errand;

/// Who asks all branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// This one.
    Alone,
    /// Another does it for this one ([`super::prover`]).
    Through(Member),
}

/// A collect on its way. One serves all that wait when it starts.
#[derive(Debug)]
pub(super) struct Collect {
    pub(super) id: u64,
    pub(super) way: Way,
    round: Round,
    /// Who has not replied in this round.
    missing: Vec<Member>,
    /// The join of the first round's ledgers.
    pub(super) first: Vec<Row>,
    /// The own row of each branch in the second.
    pub(super) second: Vec<Row>,
    /// Other branches that wait for it.
    pub(super) askers: Vec<Asker>,
    repeat_at: Instant,
    /// Withdrawals that waited when it began: their clocks are no higher.
    withdrawals_upto: u64,
    snapshots: Vec<Snapshot>,
}

impl Collect {
    /// How many queries wait for it.
    pub(super) const fn waiting(&self) -> usize {
        self.snapshots.len()
    }

    /// Those that wait for it.
    pub(super) const fn snapshots(&mut self) -> &mut Vec<Snapshot> {
        &mut self.snapshots
    }
}

/// Takes in those rows that are newer.
pub(super) fn join<'a>(known: &mut [Row], shown: impl IntoIterator<Item = &'a Row>) {
    for row in shown {
        if let Some(known) = known.get_mut(row.origin.index())
            && row.seq > known.seq
        {
            known.clone_from(row);
        }
    }
}

impl Passbook {
    /// The withdrawals that wait need a proof.
    pub(super) fn prove(&mut self, step: &mut Step<'_>) {
        if !self.all_up() {
            self.give_up_on_rights(step);
        } else if self.has(Mutant::DeclinedByAllIsProof) {
            self.refuse_all(step);
        } else {
            self.start_collect(step);
        }
    }

    /// A branch that may hold the money cannot be reached: that is not the same as too little money.
    pub(super) fn give_up_on_rights(&mut self, step: &mut Step<'_>) {
        self.errand = Errand::Idle;
        while let Some((_, queued)) = self.withdrawals.pop_first() {
            self.reject(step, &queued.pending, Rejection::RightsUnavailable);
        }
    }

    fn refuse_all(&mut self, step: &mut Step<'_>) {
        self.errand = Errand::Idle;
        while let Some((_, queued)) = self.withdrawals.pop_first() {
            self.reject(step, &queued.pending, Rejection::InsufficientFunds);
        }
    }

    pub(super) fn all_up(&self) -> bool {
        self.others().all(|peer| self.peers[peer.index()].is_up())
    }

    /// Starts a collect for all that wait for one, unless one is on its way.
    pub(super) fn start_collect(&mut self, step: &mut Step<'_>) {
        if self.collect.is_some() {
            return;
        }
        let proves = matches!(self.errand, Errand::Proving);
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for snapshot in self.snapshots.drain(..) {
            if snapshot.not_before <= step.now { &mut now } else { &mut later }.push(snapshot);
        }
        self.snapshots = later;
        let askers = std::mem::take(&mut self.askers);
        if !proves && now.is_empty() && askers.is_empty() {
            return;
        }
        if !self.all_up() {
            self.disappoint(step, askers);
            for Snapshot { ticket, .. } in now {
                let outcome = Outcome::Rejected(Rejection::RightsUnavailable);
                self.reply(step, ticket, outcome, None);
            }
            return;
        }
        let withdrawals = self.withdrawals.values().filter(|_| proves);
        let waiting = withdrawals.map(|queued| queued.pending.ticket);
        let waiting = waiting.chain(now.iter().map(|snapshot| snapshot.ticket)).collect();
        step.effects.push(Effect::Note(Note::CollectBegins { waiting }));
        let mut first = self.visible.rows().to_vec();
        if self.has(Mutant::CollectWithoutOwnRow) {
            first[self.me.index()] = Row::empty(self.me);
        }
        // Who collects for others serves itself with it.
        let way = if askers.is_empty() { self.way() } else { Way::Alone };
        let collect = Collect {
            id: self.next_id(),
            way,
            round: Round::First,
            missing: Vec::new(),
            askers,
            second: first.clone(),
            first,
            repeat_at: step.now,
            withdrawals_upto: if proves { self.clock } else { 0 },
            snapshots: now,
        };
        self.collect = Some(collect);
        self.ask_round(step, Round::First);
    }

    fn ask_round(&mut self, step: &mut Step<'_>, round: Round) {
        let own = self.visible.rows()[self.me.index()].clone();
        let without_own = self.has(Mutant::CollectWithoutOwnRow);
        let others = self.others();
        if let Some(collect) = &mut self.collect {
            collect.round = round;
            collect.missing = match collect.way {
                Way::Alone => others.collect(),
                Way::Through(prover) => vec![prover],
            };
            if round == Round::Second && !without_own {
                collect.second[self.me.index()] = own;
            }
        }
        self.ask_missing(step);
        self.next_round(step);
    }

    fn ask_missing(&mut self, step: &mut Step<'_>) {
        let Some(collect) = &mut self.collect else {
            return;
        };
        collect.repeat_at = step.now.after(self.settings.timing.collect_repeat);
        let (id, round) = (collect.id, collect.round);
        let proof_from = match collect.way {
            Way::Alone => None,
            Way::Through(prover) => {
                // What the proof is added to.
                let known = collect.first.iter().map(|row| row.seq).collect();
                Some((prover, Message::Prove { id, known }))
            }
        };
        if let Some((prover, prove)) = proof_from {
            self.send(step, prover, prove);
            return;
        }
        for to in collect.missing.clone() {
            let known = self.visible.version().as_ref().clone();
            self.send(step, to, Message::Collect { id, round, known });
        }
    }

    pub(super) fn repeat_collect(&mut self, step: &mut Step<'_>) {
        if self.collect.as_ref().is_some_and(|collect| collect.repeat_at <= step.now) {
            self.ask_missing(step);
        }
    }

    /// A branch asks for the ledger: the visible one, as far as that branch does not see it already.
    pub(super) fn show_ledger(
        &mut self,
        step: &mut Step<'_>,
        to: Member,
        (id, round): (u64, Round),
        known: &Version,
    ) {
        let lacking = self.visible.rows().iter().filter(|row| row.seq > known.of(row.origin));
        let mut rows: Vec<Row> = lacking.cloned().collect();
        if self.has(Mutant::CollectShowsStaged) {
            rows.retain(|row| row.origin != self.me);
            rows.push(self.own.clone());
        }
        self.send(step, to, Message::Collected { id, round, rows });
    }

    /// A branch shows its ledger. What it shows is news as in a push; what it leaves out is visible here.
    pub(super) fn collected(
        &mut self,
        step: &mut Step<'_>,
        from: Member,
        (id, round): (u64, Round),
        rows: Vec<Row>,
    ) {
        let tied = !self.has(Mutant::CollectNotTiedToRound);
        if let Some(collect) = &mut self.collect
            && collect.way == Way::Alone
            && (!tied || (collect.id == id && collect.round == round))
            && let Some(place) = collect.missing.iter().position(|missing| *missing == from)
        {
            collect.missing.swap_remove(place);
            if collect.round == Round::First {
                join(&mut collect.first, &rows);
            }
            let shown = rows.iter().find(|row| row.origin == from);
            let row = shown.unwrap_or(&self.visible.rows()[from.index()]);
            collect.second[from.index()].clone_from(row);
        }
        self.peers[from.index()].shows(&rows);
        if self.has_no_room() || self.receive(step, from, rows).is_some() {
            self.next_round(step);
        }
    }

    /// Goes on when everybody has replied.
    fn next_round(&mut self, step: &mut Step<'_>) {
        let Some(mut collect) = self.collect.take_if(|collect| collect.missing.is_empty()) else {
            return;
        };
        if collect.round == Round::First {
            // What others were asked to leave out.
            let without = self.has(Mutant::CollectWithoutOwnRow).then_some(self.me);
            let here = self.visible.rows().iter().filter(|row| Some(row.origin) != without);
            join(&mut collect.first, here);
        }
        if collect.round == Round::First && !self.has(Mutant::OneCollect) {
            self.collect = Some(collect);
            self.ask_round(step, Round::Second);
            return;
        }
        self.tell_askers(step, &collect);
        self.judge(step, &collect);
    }

    /// Both rounds are known.
    pub(super) fn judge(&mut self, step: &mut Step<'_>, collect: &Collect) {
        step.effects.push(Effect::Note(Note::CollectEnds { complete: true }));
        self.judge_withdrawals(step, collect);
        self.judge_snapshots(step, collect);
        self.start_collect(step);
    }

    fn judge_withdrawals(&mut self, step: &mut Step<'_>, collect: &Collect) {
        if !matches!(self.errand, Errand::Proving) || collect.withdrawals_upto == 0 {
            return;
        }
        let opening = i128::from(self.settings.opening.minor_units());
        let deposited: i128 = collect.second.iter().map(|row| row.deposited.signed()).sum();
        let withdrawn: i128 = collect.first.iter().map(|row| row.withdrawn.signed()).sum();
        let balance_at_most = opening + deposited - withdrawn;
        let mut judged = Vec::new();
        for (priority, queued) in &mut self.withdrawals {
            if priority.clock > collect.withdrawals_upto {
                break;
            }
            let amount = i128::from(queued.pending.write.amount.minor_units());
            if balance_at_most < amount {
                judged.push(*priority);
            } else {
                queued.rounds += 1;
            }
        }
        // Without room the proof was not taken in, so an answer could not show it.
        let rejection =
            if self.has_no_room() { Rejection::Overloaded } else { Rejection::InsufficientFunds };
        let own_only = self.has(Mutant::ProofOfOwnRows);
        let at_most: Arc<Version> = Arc::new(collect.second.iter().map(|row| row.seq).collect());
        for priority in judged {
            let Some(queued) = self.withdrawals.remove(&priority) else { continue };
            if rejection == Rejection::Overloaded {
                self.reject(step, &queued.pending, rejection);
                continue;
            }
            if let Some(request) = queued.pending.request {
                self.sessions.rejected(request, rejection);
            }
            let from = if own_only { &collect.second } else { &collect.first };
            let (ticket, outcome) = (queued.pending.ticket, Outcome::Rejected(rejection));
            self.tell_shown(step, ticket, outcome, (from, Some(Arc::clone(&at_most))));
        }
        self.rest(step);
    }

    fn judge_snapshots(&mut self, step: &mut Step<'_>, collect: &Collect) {
        let same = collect.first.iter().zip(&collect.second).all(|(first, second)| {
            (first.deposited, first.withdrawn) == (second.deposited, second.withdrawn)
        });
        for snapshot in &collect.snapshots {
            if same || self.has(Mutant::OneCollect) {
                let shown = (&collect.first[..], None);
                self.tell_shown(step, snapshot.ticket, Outcome::Ok, shown);
            } else if snapshot.rounds + 1 >= ROUNDS_MAX {
                let outcome = Outcome::Rejected(Rejection::Contended);
                self.reply(step, snapshot.ticket, outcome, None);
            } else {
                let rounds = snapshot.rounds + 1;
                let not_before = self.jittered(step, rounds);
                self.snapshots.push(Snapshot { rounds, not_before, ..*snapshot });
            }
        }
    }

    /// Answers from these rows rather than from what is visible by now.
    fn tell_shown(
        &self,
        step: &mut Step<'_>,
        ticket: Ticket,
        outcome: Outcome,
        (rows, at_most): (&[Row], Option<Arc<Version>>),
    ) {
        let opening = i128::from(self.settings.opening.minor_units());
        let total = opening + rows.iter().map(Row::net).sum::<i128>();
        let balance = i64::try_from(total).ok().map(Money::new);
        let version: Version = rows.iter().map(|row| row.seq).collect();
        let version = version.into();
        let receipt = self.cluster.map(|cluster| Receipt {
            cluster,
            version,
            at_most,
            seq: None,
            achieved: 0,
        });
        let answer = Answer { outcome, balance };
        step.effects.push(Effect::Reply { ticket, answer, receipt });
    }

    /// A branch was lost: nothing can be proved without it.
    pub(super) fn abort_collect(&mut self, step: &mut Step<'_>) {
        if let Some(collect) = self.collect.take() {
            step.effects.push(Effect::Note(Note::CollectEnds { complete: false }));
            self.reject_snapshots(step, &collect);
            self.disappoint(step, collect.askers);
        }
        let askers = std::mem::take(&mut self.askers);
        self.disappoint(step, askers);
        if matches!(self.errand, Errand::Proving) {
            self.prove(step);
        }
    }

    pub(super) fn reject_snapshots(&mut self, step: &mut Step<'_>, collect: &Collect) {
        for Snapshot { ticket, .. } in &collect.snapshots {
            let outcome = Outcome::Rejected(Rejection::RightsUnavailable);
            self.reply(step, *ticket, outcome, None);
        }
    }
}
