//! Collects: this branch, or the prover for it, asks all branches twice and proves a refusal or a snapshot.
//!
//! One collect at a time serves all withdrawals and queries that wait when it begins. In a large cluster each
//! branch that needs a proof asks the prover: a collect costs four messages for every other branch, and the
//! slower it is, the more money moves meanwhile, and the less it proves. The prover's collect serves all
//! branches that had asked when it began. So the instant that it proves something of lies between their question
//! and its answer, as if they had collected themselves.

use super::escrow::ProofRequest;
use super::proof::Proof;
use super::requests::PendingQuery;
use super::{Context, LocalLog, Message, Mutant, Note, ROUNDS_MAX, Round};
use crate::{Instant, Ticket};
use bank::{Member, Outcome, Rejection, Row, Version};

/// A query for a balance that was true everywhere at one instant.
#[derive(Clone, Copy, Debug)]
struct Snapshot {
    ticket: Ticket,
    deadline: Instant,
    /// How many collects came to nothing.
    rounds: u32,
    /// It rests until then.
    not_before: Instant,
}

/// Another branch that waits for a proof.
#[derive(Clone, Debug)]
struct Asker {
    member: Member,
    /// The identifier of its question.
    id: u64,
    /// What it sees already.
    known: Version,
}

/// One round of one collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CollectKey {
    pub(super) id: u64,
    pub(super) round: Round,
}

#[derive(Debug)]
pub(super) struct Collect {
    key: CollectKey,
    /// The branch that collects. `None` if this one does.
    prover: Option<Member>,
    /// The branches that have not replied in this round.
    missing: Vec<Member>,
    pub(super) proof: Proof,
    askers: Vec<Asker>,
    repeat_at: Instant,
    /// The Lamport clock of the youngest withdrawal that it serves. `None` if it serves none.
    pub(super) withdrawals_upto: Option<u64>,
    snapshots: Vec<Snapshot>,
}

impl Collect {
    fn is_through(&self, prover: Member, id: u64) -> bool {
        self.key.id == id && self.prover == Some(prover)
    }
}

/// The collect on its way, and what waits for the next one.
#[derive(Debug, Default)]
pub(super) struct Collects {
    current: Option<Collect>,
    snapshots: Vec<Snapshot>,
    askers: Vec<Asker>,
}

impl Collects {
    /// How many queries wait for the next collect.
    pub(super) fn waiting(&self) -> usize {
        self.snapshots.len()
    }

    /// How many queries wait.
    pub(super) fn queries(&self) -> usize {
        self.snapshots.len() + self.current.as_ref().map_or(0, |collect| collect.snapshots.len())
    }

    pub(super) const fn is_active(&self) -> bool {
        self.current.is_some()
    }

    /// A query waits for the next collect.
    pub(super) fn wait(&mut self, ctx: &Context, query: PendingQuery) {
        let PendingQuery { ticket, deadline, .. } = query;
        self.snapshots.push(Snapshot { ticket, deadline, rounds: 0, not_before: ctx.now });
    }

    /// Answers "unknown" to queries whose deadline has passed.
    pub(super) fn expire(&mut self, ctx: &mut Context) {
        let current = self.current.as_mut().map(|collect| &mut collect.snapshots);
        for snapshots in current.into_iter().chain([&mut self.snapshots]) {
            snapshots.retain(|snapshot| ctx.awaits(snapshot.ticket, snapshot.deadline));
        }
    }

    /// Starts a collect for all that wait for one, unless one is on its way. `prover` collects, or this branch
    /// if it is `None`. Returns the collect if it is complete at once.
    pub(super) fn start(
        &mut self,
        ctx: &mut Context,
        log: &LocalLog,
        are_all_up: bool,
        prover: Option<Member>,
        withdrawals: Option<ProofRequest>,
    ) -> Option<Collect> {
        if self.current.is_some() {
            return None;
        }
        let due = |snapshot: &mut Snapshot| snapshot.not_before <= ctx.now;
        let snapshots: Vec<Snapshot> = self.snapshots.extract_if(.., due).collect();
        let askers = std::mem::take(&mut self.askers);
        if withdrawals.is_none() && snapshots.is_empty() && askers.is_empty() {
            return None;
        }
        if !are_all_up {
            fail_askers(ctx, askers);
            reject_unavailable(ctx, log, &snapshots);
            return None;
        }
        let withdrawals_upto = withdrawals.as_ref().map(|request| request.clock);
        let mut waiting = withdrawals.map_or_else(Vec::new, |request| request.tickets);
        waiting.extend(snapshots.iter().map(|snapshot| snapshot.ticket));
        // A branch that collects for others serves itself with it.
        let prover = prover.filter(|_| askers.is_empty());
        ctx.note(Note::CollectStarted { waiting, prover: prover.map(|at| ctx.branch(at)) });
        let proof = Proof::new(ctx, rows_here(ctx, log));
        self.current = Some(Collect {
            key: CollectKey { id: ctx.next_id(), round: Round::First },
            prover,
            missing: Vec::new(),
            proof,
            askers,
            repeat_at: ctx.now,
            withdrawals_upto,
            snapshots,
        });
        self.begin_round(ctx, log, Round::First);
        self.advance(ctx, log)
    }

    fn begin_round(&mut self, ctx: &mut Context, log: &LocalLog, round: Round) {
        if let Some(collect) = &mut self.current {
            collect.key.round = round;
            collect.missing =
                collect.prover.map_or_else(|| ctx.others().collect(), |prover| vec![prover]);
            if round == Round::Second && !ctx.has(Mutant::CollectWithoutOwnRow) {
                collect.proof.set_second(log.own());
            }
        }
        self.ask_missing(ctx, log);
    }

    fn ask_missing(&mut self, ctx: &mut Context, log: &LocalLog) {
        let Some(collect) = &mut self.current else {
            return;
        };
        collect.repeat_at = ctx.now.after(ctx.settings.timing.collect_repeat);
        let CollectKey { id, round } = collect.key;
        if let Some(prover) = collect.prover {
            // What the proof is added to.
            let known = collect.proof.version().as_ref().clone();
            ctx.send(prover, Message::Prove { id, known });
            return;
        }
        for to in &collect.missing {
            let known = log.version().as_ref().clone();
            ctx.send(*to, Message::Collect { id, round, known });
        }
    }

    /// Asks again if that is due.
    pub(super) fn repeat(&mut self, ctx: &mut Context, log: &LocalLog) {
        if self.current.as_ref().is_some_and(|collect| collect.repeat_at <= ctx.now) {
            self.ask_missing(ctx, log);
        }
    }

    /// A branch replied with its ledger. Rows that it left out are visible here.
    pub(super) fn collected(
        &mut self,
        ctx: &Context,
        log: &LocalLog,
        from: Member,
        key: CollectKey,
        rows: &[Row],
    ) {
        let is_tied = !ctx.has(Mutant::CollectNotTiedToRound);
        if let Some(collect) = &mut self.current
            && collect.prover.is_none()
            && (!is_tied || collect.key == key)
            && let Some(position) = collect.missing.iter().position(|missing| *missing == from)
        {
            collect.missing.swap_remove(position);
            if collect.key.round == Round::First {
                collect.proof.join_first(rows);
            }
            let own = rows.iter().find(|row| row.origin == from);
            collect.proof.set_second(own.unwrap_or(&log.visible().rows()[from.index()]));
        }
    }

    /// Continues once all branches have replied. Returns the collect if it is complete.
    pub(super) fn advance(&mut self, ctx: &mut Context, log: &LocalLog) -> Option<Collect> {
        loop {
            let mut collect = self.current.take_if(|collect| collect.missing.is_empty())?;
            let is_first = collect.key.round == Round::First;
            if is_first {
                // The rows that the others were asked to leave out.
                collect.proof.join_first(rows_here(ctx, log));
            }
            if !is_first || ctx.has(Mutant::OneCollect) {
                answer_askers(ctx, &collect);
                return Some(collect);
            }
            self.current = Some(collect);
            self.begin_round(ctx, log, Round::Second);
        }
    }

    /// Another branch asks for a proof. It waits for the next collect: the one on its way may have begun
    /// before the withdrawals there.
    pub(super) fn prove_for(&mut self, ctx: &Context, member: Member, id: u64, known: Version) {
        let asker = Asker { member, id, known };
        if let Some(collect) = &mut self.current {
            if collect.askers.iter().any(|asker| asker.member == member && asker.id == id) {
                return;
            }
            if ctx.has(Mutant::AskerJoinsCollect) {
                collect.askers.push(asker);
                return;
            }
        }
        // Of two questions of one branch only the later one is still open.
        self.askers.retain(|asker| asker.member != member);
        self.askers.push(asker);
    }

    /// The prover sent the proof that this branch asked for. Returns the complete collect.
    pub(super) fn proved(
        &mut self,
        from: Member,
        id: u64,
        first: &[Row],
        second: &[Row],
    ) -> Option<Collect> {
        let mut collect = self.current.take_if(|collect| collect.is_through(from, id))?;
        collect.proof.complete(first, second);
        Some(collect)
    }

    /// The prover cannot reach every branch. Returns whether this branch had asked it.
    pub(super) fn unproved(
        &mut self,
        ctx: &mut Context,
        log: &LocalLog,
        from: Member,
        id: u64,
    ) -> bool {
        let collect = self.current.take_if(|collect| collect.is_through(from, id));
        let had_asked = collect.is_some();
        fail(ctx, log, collect);
        had_asked
    }

    /// A branch is lost: nothing can be proved without it.
    pub(super) fn peer_lost(&mut self, ctx: &mut Context, log: &LocalLog, peer: Member) {
        self.askers.retain(|asker| asker.member != peer);
        fail(ctx, log, self.current.take());
        fail_askers(ctx, std::mem::take(&mut self.askers));
    }

    /// Answers the queries that a complete collect serves. They wait for another one if money moved.
    pub(super) fn answer_snapshots(
        &mut self,
        ctx: &mut Context,
        log: &LocalLog,
        collect: &Collect,
    ) {
        let is_snapshot = collect.proof.is_snapshot(ctx);
        for snapshot in &collect.snapshots {
            let rounds = snapshot.rounds + 1;
            if is_snapshot {
                collect.proof.reply_snapshot(ctx, snapshot.ticket);
            } else if rounds >= ROUNDS_MAX {
                log.reply(ctx, snapshot.ticket, Outcome::Rejected(Rejection::Contended));
            } else {
                let not_before = ctx.rest_until(rounds);
                self.snapshots.push(Snapshot { rounds, not_before, ..*snapshot });
            }
        }
    }
}

/// The visible rows, which a collect joins with those of the others.
fn rows_here<'a>(ctx: &Context, log: &'a LocalLog) -> impl Iterator<Item = &'a Row> + use<'a> {
    let without = ctx.has(Mutant::CollectWithoutOwnRow).then_some(ctx.me);
    log.visible().rows().iter().filter(move |row| Some(row.origin) != without)
}

/// Another branch collects: shows it the visible ledger, without what that branch sees already.
pub(super) fn show_ledger(
    ctx: &mut Context,
    log: &LocalLog,
    to: Member,
    key: CollectKey,
    known: &Version,
) {
    let mut rows: Vec<Row> = log.visible().beyond(known).cloned().collect();
    if ctx.has(Mutant::CollectShowsStaged) {
        rows.retain(|row| row.origin != ctx.me);
        rows.push(log.staged().clone());
    }
    let CollectKey { id, round } = key;
    ctx.send(to, Message::Collected { id, round, rows });
}

fn answer_askers(ctx: &mut Context, collect: &Collect) {
    for Asker { member, id, known } in &collect.askers {
        let (first, second) = (collect.proof.first_beyond(known), collect.proof.changed());
        ctx.send(*member, Message::Proved { id: *id, first, second });
    }
}

/// A collect cannot complete.
fn fail(ctx: &mut Context, log: &LocalLog, collect: Option<Collect>) {
    if let Some(Collect { snapshots, askers, .. }) = collect {
        ctx.note(Note::CollectEnded { complete: false });
        reject_unavailable(ctx, log, &snapshots);
        fail_askers(ctx, askers);
    }
}

/// There will be no proof for these branches.
fn fail_askers(ctx: &mut Context, askers: Vec<Asker>) {
    for Asker { member, id, .. } in askers {
        ctx.send(member, Message::Unproved { id });
    }
}

fn reject_unavailable(ctx: &mut Context, log: &LocalLog, snapshots: &[Snapshot]) {
    for Snapshot { ticket, .. } in snapshots {
        log.reply(ctx, *ticket, Outcome::Rejected(Rejection::RightsUnavailable));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bank::{BranchId, Entry, Money, Read};
    use std::time::Duration;

    const B: Member = Member(1);
    const C: Member = Member(2);

    struct Fixture {
        ctx: Context,
        log: LocalLog,
        collects: Collects,
    }

    fn fixture() -> Fixture {
        let ctx = Context::of_first(3, 90);
        let log = LocalLog::new(&ctx);
        Fixture { ctx, log, collects: Collects::default() }
    }

    impl Fixture {
        fn wait(&mut self, ticket: u64) {
            let deadline = Instant(Duration::from_secs(30));
            let query = PendingQuery { ticket: Ticket(ticket), read: Read::Snapshot, deadline };
            self.collects.wait(&self.ctx, query);
        }

        fn start(&mut self, prover: Option<Member>) -> Option<Collect> {
            let Self { ctx, log, collects } = self;
            collects.start(ctx, log, true, prover, None)
        }

        /// A reply of a branch, and the collect if it is complete.
        fn reply(&mut self, from: Member, key: CollectKey, rows: &[Row]) -> Option<Collect> {
            let Self { ctx, log, collects } = self;
            collects.collected(ctx, log, from, key, rows);
            collects.advance(ctx, log)
        }

        /// The round that every other branch is asked for.
        fn asked(&mut self) -> CollectKey {
            match &self.ctx.sent()[..] {
                [
                    (BranchId(2), Message::Collect { id, round, .. }),
                    (BranchId(3), Message::Collect { id: same, .. }),
                ] if id == same => CollectKey { id: *id, round: *round },
                sent => panic!("{sent:?}"),
            }
        }
    }

    fn row(origin: Member, deposits: usize) -> Row {
        let mut row = Row::empty(origin);
        (0..deposits).for_each(|_| row.append(&Entry::Deposit(Money::new(1)), None));
        row
    }

    #[test]
    fn second_round_begins_after_every_reply_of_the_first() {
        let mut fixture = fixture();
        fixture.wait(1);
        assert!(fixture.start(None).is_none());
        let first = fixture.asked();
        assert_eq!(first.round, Round::First);
        assert!(fixture.reply(B, first, &[]).is_none());
        assert!(fixture.reply(B, first, &[]).is_none(), "it replied");
        assert_eq!(fixture.ctx.sent(), []);
        assert!(fixture.reply(C, first, &[]).is_none());
        let second = fixture.asked();
        assert_eq!(second, CollectKey { round: Round::Second, ..first });
        assert!(fixture.reply(B, first, &[]).is_none(), "a reply of the first round");
        assert!(fixture.reply(C, second, &[]).is_none());
        let collect = fixture.reply(B, second, &[]).expect("all have replied");
        let Fixture { mut ctx, log, mut collects } = fixture;
        collects.answer_snapshots(&mut ctx, &log, &collect);
        assert_eq!(ctx.replies(), [(Ticket(1), Outcome::Ok)]);
    }

    #[test]
    fn snapshot_is_taken_again_after_a_rest_if_money_moved() {
        let mut fixture = fixture();
        fixture.wait(1);
        fixture.start(None);
        let first = fixture.asked();
        fixture.reply(B, first, &[]);
        fixture.reply(C, first, &[]);
        let second = fixture.asked();
        fixture.reply(B, second, &[row(B, 1)]);
        let collect = fixture.reply(C, second, &[]).expect("all have replied");
        let Fixture { ctx, log, collects } = &mut fixture;
        collects.answer_snapshots(ctx, log, &collect);
        assert_eq!((ctx.replies(), collects.waiting()), (vec![], 1));
        ctx.pass(ctx.settings.timing.rest * 2);
        fixture.start(None);
        assert_ne!(fixture.asked().id, first.id);
    }

    #[test]
    fn unanswered_question_is_repeated() {
        let mut fixture = fixture();
        fixture.wait(1);
        fixture.start(None);
        let first = fixture.asked();
        fixture.ctx.pass(fixture.ctx.settings.timing.collect_repeat);
        let Fixture { ctx, log, collects } = &mut fixture;
        collects.repeat(ctx, log);
        assert_eq!(fixture.asked(), first);
    }

    #[test]
    fn asker_during_a_collect_waits_for_the_next() {
        let mut fixture = fixture();
        fixture.wait(1);
        fixture.start(None);
        let first = fixture.asked();
        fixture.collects.prove_for(&fixture.ctx, B, 7, Version::zero(3));
        for from in [B, C] {
            fixture.reply(from, first, &[]);
        }
        let second = fixture.asked();
        fixture.reply(B, second, &[]);
        assert!(fixture.reply(C, second, &[]).is_some());
        assert_eq!(fixture.ctx.sent(), [], "no proof for B");
        fixture.start(Some(C));
        let third = fixture.asked();
        for from in [B, C] {
            fixture.reply(from, third, &[]);
        }
        let fourth = fixture.asked();
        fixture.reply(B, fourth, &[]);
        fixture.reply(C, fourth, &[]).expect("all have replied");
        let proved = Message::Proved { id: 7, first: Vec::new(), second: Vec::new() };
        assert_eq!(fixture.ctx.sent(), [(BranchId(2), proved)]);
    }

    #[test]
    fn only_the_prover_that_was_asked_completes_the_collect() {
        let mut fixture = fixture();
        fixture.wait(1);
        fixture.start(Some(C));
        let sent = fixture.ctx.sent();
        let [(BranchId(3), Message::Prove { id, .. })] = sent[..] else {
            panic!("{sent:?}");
        };
        let Fixture { mut ctx, log, mut collects } = fixture;
        assert!(collects.proved(B, id, &[], &[]).is_none());
        assert!(collects.proved(C, id - 1, &[], &[]).is_none());
        assert!(!collects.unproved(&mut ctx, &log, B, id));
        let collect = collects.proved(C, id, &[row(B, 1)], &[]).expect("the proof");
        assert_eq!(collect.proof.balance_at_most(), 91);
    }

    #[test]
    fn lost_branch_fails_askers_and_queries() {
        let mut fixture = fixture();
        fixture.wait(1);
        fixture.start(None);
        let Fixture { mut ctx, log, mut collects } = fixture;
        for (member, id) in [(B, 7), (C, 8)] {
            collects.prove_for(&ctx, member, id, Version::zero(3));
        }
        ctx.sent();
        collects.peer_lost(&mut ctx, &log, C);
        let ctx = &mut ctx;
        let unavailable = Outcome::Rejected(Rejection::RightsUnavailable);
        assert!(ctx.effects.iter().any(|effect| matches!(
            effect,
            crate::passbook::Effect::Reply { answer, .. } if answer.outcome == unavailable
        )));
        assert_eq!(ctx.sent(), [(BranchId(2), Message::Unproved { id: 7 })]);
        assert!(!collects.is_active());
    }

    #[test]
    fn query_expires_at_its_deadline() {
        let mut fixture = fixture();
        fixture.wait(1);
        fixture.start(None);
        fixture.wait(2);
        fixture.ctx.pass(Duration::from_secs(30));
        let Fixture { mut ctx, mut collects, .. } = fixture;
        ctx.sent();
        collects.expire(&mut ctx);
        assert_eq!(ctx.replies(), [1, 2].map(|ticket| (Ticket(ticket), Outcome::Unknown)));
        assert_eq!(collects.queries(), 0);
    }

    #[test]
    fn ledger_is_shown_without_what_is_known() {
        let Fixture { mut ctx, mut log, .. } = fixture();
        let rows = vec![row(B, 2), row(C, 1)];
        log.receive(&mut ctx, B, rows, |_, _| {}).expect("no fork");
        let key = CollectKey { id: 7, round: Round::First };
        let known = [0, 1, 1].map(bank::Seq).into_iter().collect();
        show_ledger(&mut ctx, &log, C, key, &known);
        let shown = Message::Collected { id: 7, round: Round::First, rows: vec![row(B, 2)] };
        assert_eq!(ctx.sent(), [(BranchId(3), shown)]);
    }
}
