//! Pushes and their acknowledgements: everything visible that a peer does not have, as one message.
//!
//! One push to a peer is outstanding at a time. Writes that arrive meanwhile coalesce into the next, so the
//! cost of a write falls as the load grows. What is pushed is, with what the peer has, causally closed.
//!
//! Every branch pushes its own log to every other at once, and reports which peers it cannot reach. A push
//! carries other branches' rows along, but they alone cause a push only to a peer that their origin cannot
//! reach. Where there is a relay, it forwards everything, and the others push to it ([`super::relay`]).

use std::time::Duration;

use super::local_log::Merge;
use super::peers::Peers;
use super::relay::Relay;
use super::{Context, LocalLog, Message, Mutant, Note};
use crate::Instant;
use bank::{Member, Row, Seq, Version};

/// A push that was not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Outstanding {
    repeat_at: Instant,
    /// How long to wait the next time.
    patience: Duration,
}

/// What one peer has, and what it must still get.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// What is durable at the peer.
    pub(super) acknowledged: Version,
    /// What the peer has shown on this stream, durable or not. It need not be pushed.
    pub(super) known: Version,
    /// What is acknowledged once the last push is.
    pub(super) pushed: Version,
    outstanding: Option<Outstanding>,
    /// The oldest push on this stream whose own entries the peer did not acknowledge: the last of them, and when
    /// it was sent.
    unacknowledged: Option<(Seq, Instant)>,
    /// The peer gets an acknowledgement once this many records are durable here.
    owed: Option<u64>,
    /// The peer has just connected and may lack anything.
    catches_up: bool,
    /// The next push must report that this branch lost a peer.
    reports_loss: bool,
}

/// The replication of logs to all peers, by member.
#[derive(Debug)]
pub(super) struct Pushes {
    peers: Vec<Progress>,
    /// There may be rows that their origin cannot push.
    forwards: bool,
}

impl Pushes {
    pub(super) fn new(members: usize) -> Self {
        let progress = Progress::new(Version::zero(members));
        Self { peers: vec![progress; members], forwards: false }
    }

    pub(super) fn of(&self, peer: Member) -> &Progress {
        &self.peers[peer.index()]
    }

    pub(super) fn is_any_outstanding(&self) -> bool {
        self.peers.iter().any(|peer| peer.outstanding.is_some())
    }

    /// A new stream, or none: nothing is expected from the one before.
    pub(super) fn reset(&mut self, ctx: &mut Context, peer: Member) {
        ctx.note(Note::StreamReset { peer: ctx.branch(peer) });
        self.peers[peer.index()].reset();
    }

    /// A peer is up. What its hello reports replaces what was known: it may have lost some of what it had.
    pub(super) fn peer_up(&mut self, ctx: &mut Context, member: Member, durable: Version) {
        let peer = &mut self.peers[member.index()];
        let before = peer.acknowledged.of(ctx.me);
        *peer = Progress { catches_up: true, ..Progress::new(durable) };
        peer.note_held(ctx, member, before, None);
    }

    /// A peer is lost. The others get a report, and forward what they have of each other.
    pub(super) fn peer_lost(&mut self, ctx: &Context, peers: &Peers) {
        self.forwards = true;
        for peer in ctx.others() {
            self.peers[peer.index()].reports_loss = peers.is_up(peer);
        }
    }

    /// A peer reported that it cannot reach some branch.
    pub(super) const fn peer_cut_off(&mut self) {
        self.forwards = true;
    }

    /// A row was merged. Its origin may be unable to push it to everybody.
    pub(super) fn row_merged(&mut self, peers: &Peers, merge: &Merge) {
        self.forwards |= merge.is_new && peers.may_be_cut_off(merge.origin);
    }

    /// A peer has shown that it has these rows.
    pub(super) fn peer_shows(&mut self, peer: Member, rows: &[Row]) {
        let known = &mut self.peers[peer.index()].known;
        for row in rows {
            known.raise(row.origin, row.seq);
        }
    }

    /// A peer reported what is durable there.
    pub(super) fn peer_acknowledges(
        &mut self,
        ctx: &mut Context,
        member: Member,
        durable: &Version,
    ) {
        let peer = &mut self.peers[member.index()];
        let before = peer.acknowledged.of(ctx.me);
        peer.acknowledge(durable);
        let held = peer.acknowledged.of(ctx.me);
        if let Some((_, since)) = peer.unacknowledged.take_if(|(seq, _)| *seq <= held) {
            let waited = ctx.now.0.saturating_sub(since.0);
            ctx.note(Note::PushAcknowledged { by: ctx.branch(member), waited });
        }
        peer.note_held(ctx, member, before, None);
    }

    /// The relay reported how much of the own log, which has `own` entries, each branch holds.
    pub(super) fn relay_reports(
        &mut self,
        ctx: &mut Context,
        relay: Member,
        own: Seq,
        held: &Version,
    ) {
        for member in ctx.others() {
            let seq = held.of(member);
            if seq <= own {
                let peer = &mut self.peers[member.index()];
                let before = peer.acknowledged.of(ctx.me);
                peer.acknowledged.raise(ctx.me, seq);
                peer.known.raise(ctx.me, seq);
                peer.complete();
                peer.note_held(ctx, member, before, Some(relay));
            }
        }
    }

    /// The visible rows that `to` is not known to have.
    fn news<'a>(
        &'a self,
        ctx: &Context,
        log: &'a LocalLog,
        to: Member,
    ) -> impl Iterator<Item = &'a Row> + use<'a> {
        let known = &self.peers[to.index()].known;
        let me = ctx.me;
        let closed = !ctx.has(Mutant::PushWithoutClosure);
        let news = log.visible().beyond(known);
        news.filter(move |row| row.origin != to && (closed || row.origin == me))
    }

    /// Whether `to` must get a push.
    fn is_due(
        &self,
        ctx: &Context,
        log: &LocalLog,
        peers: &Peers,
        relay: &Relay,
        to: Member,
    ) -> bool {
        let peer = &self.peers[to.index()];
        if !peers.is_up(to) {
            return false;
        }
        if peer.reports_loss {
            return true;
        }
        if relay.is_here(ctx) {
            return self.news(ctx, log, to).next().is_some();
        }
        !relay.reaches(ctx, peers, to)
            && (peer.known.of(ctx.me) < log.own().seq
                || (peer.catches_up && self.news(ctx, log, to).next().is_some())
                || (self.forwards
                    && self.news(ctx, log, to).any(|row| peers.is_cut_off(row.origin, to))))
    }

    /// Pushes to all peers that must get a push and acknowledged the one before.
    pub(super) fn push_all(
        &mut self,
        ctx: &mut Context,
        log: &LocalLog,
        peers: &Peers,
        relay: &Relay,
    ) {
        let mut is_busy = false;
        for to in ctx.others() {
            if !self.is_due(ctx, log, peers, relay, to) {
                // It lacks nothing. The origins push to it what comes from now on.
                self.peers[to.index()].catches_up = false;
            } else if self.peers[to.index()].outstanding.is_none() {
                self.push(ctx, log, peers, to, ctx.settings.timing.push_repeat);
            } else {
                is_busy = true;
            }
        }
        self.forwards &= is_busy;
    }

    /// Repeats the outstanding push to a peer if that is due.
    pub(super) fn repeat(&mut self, ctx: &mut Context, log: &LocalLog, peers: &Peers, to: Member) {
        if let Some(Outstanding { repeat_at, patience }) = self.peers[to.index()].outstanding
            && repeat_at <= ctx.now
        {
            let patience = (patience * 2).min(ctx.settings.timing.push_repeat_max);
            self.push(ctx, log, peers, to, patience);
        }
    }

    /// Pushes, and repeats it after `patience` unless it is acknowledged.
    fn push(
        &mut self,
        ctx: &mut Context,
        log: &LocalLog,
        peers: &Peers,
        to: Member,
        patience: Duration,
    ) {
        let rows: Vec<Row> = self.news(ctx, log, to).cloned().collect();
        let peer = &mut self.peers[to.index()];
        let after = peer.pushed.of(ctx.me).max(peer.known.of(ctx.me));
        peer.catches_up = false;
        peer.reports_loss = false;
        peer.pushed.clone_from(&peer.acknowledged);
        for row in &rows {
            peer.pushed.raise(row.origin, row.seq);
        }
        let upto = peer.pushed.of(ctx.me).max(after);
        if upto > after {
            peer.unacknowledged.get_or_insert((upto, ctx.now));
        }
        ctx.note(Note::Pushed { to: ctx.branch(to), rows: rows.len(), after, upto });
        if ctx.has(Mutant::DropPush) {
            let pushed = peer.pushed.clone();
            peer.acknowledge(&pushed);
        } else {
            let repeat_at = ctx.now.after(patience);
            peer.outstanding = Some(Outstanding { repeat_at, patience });
        }
        ctx.send(to, Message::Push { rows, unreachable: peers.unreachable() });
    }

    /// A peer pushed rows that are in the journal now. Known rows must be acknowledged too: the
    /// acknowledgement before was lost.
    pub(super) fn owe_acknowledgement(&mut self, to: Member, records: u64) {
        self.peers[to.index()].owed = Some(records);
    }

    /// Acknowledges the pushes that are durable here.
    pub(super) fn acknowledge_all(&mut self, ctx: &mut Context, log: &LocalLog) {
        let early = ctx.has(Mutant::AcknowledgeBeforePersisting);
        for to in ctx.others() {
            let owed = &mut self.peers[to.index()].owed;
            if owed.take_if(|records| early || ctx.journal.holds(*records)).is_none() {
                continue;
            }
            let durable = if early { log.version() } else { ctx.journal.durable() }.clone();
            let incarnation = ctx.settings.incarnation;
            ctx.send(to, Message::Acknowledge { incarnation, durable });
        }
    }
}

impl Progress {
    /// A peer that holds `durable`.
    fn new(durable: Version) -> Self {
        Self {
            known: durable.clone(),
            pushed: durable.clone(),
            acknowledged: durable,
            outstanding: None,
            unacknowledged: None,
            owed: None,
            catches_up: false,
            reports_loss: false,
        }
    }

    fn reset(&mut self) {
        self.outstanding = None;
        self.unacknowledged = None;
        self.owed = None;
        self.catches_up = false;
        self.reports_loss = false;
    }

    fn acknowledge(&mut self, durable: &Version) {
        self.acknowledged.join(durable);
        self.known.join(durable);
        self.complete();
    }

    /// Notes what the peer is newly known to hold of the own log beyond `after`.
    fn note_held(&self, ctx: &mut Context, member: Member, after: Seq, relay: Option<Member>) {
        let (upto, pushed) = (self.acknowledged.of(ctx.me), self.pushed.of(ctx.me));
        if upto > after {
            let (peer, via) = (ctx.branch(member), relay.map(|relay| ctx.branch(relay)));
            ctx.note(Note::HeldBy { peer, after, upto, pushed, via });
        }
    }

    /// A push is complete when everything that it carries is acknowledged.
    fn complete(&mut self) {
        if self.acknowledged.covers(&self.pushed) {
            self.outstanding = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Storage;
    use super::super::journal::Journal;
    use super::*;
    use bank::{BranchId, Entry, Money};

    const A: Member = Member(0);
    const B: Member = Member(1);
    const C: Member = Member(2);
    const DEPOSIT: Entry = Entry::Deposit(Money::new(5));

    struct Fixture {
        ctx: Context,
        log: LocalLog,
        peers: Peers,
        relay: Relay,
        pushes: Pushes,
    }

    impl Fixture {
        fn new() -> Self {
            let ctx = Context::of_first(3, 90);
            let (log, relay) = (LocalLog::new(&ctx), Relay::new(&ctx));
            let peers = Peers::connected_to_all(&ctx);
            Self { ctx, log, peers, relay, pushes: Pushes::new(3) }
        }

        fn deposit(&mut self) {
            self.log.stage(&mut self.ctx, DEPOSIT, None);
            self.log.settle(&mut self.ctx);
        }

        /// The receivers of pushes with how many rows each carries.
        fn pushed(&mut self) -> Vec<(u32, usize)> {
            let Self { ctx, log, peers, relay, pushes } = self;
            pushes.push_all(ctx, log, peers, relay);
            rows(ctx.sent())
        }
    }

    fn rows(sent: Vec<(BranchId, Message)>) -> Vec<(u32, usize)> {
        let pushes = sent.into_iter().filter_map(|(to, message)| match message {
            Message::Push { rows, .. } => Some((to.0, rows.len())),
            _ => None,
        });
        pushes.collect()
    }

    fn version(seqs: [u64; 3]) -> Version {
        seqs.map(Seq).into_iter().collect()
    }

    #[test]
    fn writes_coalesce_while_a_push_is_outstanding() {
        let mut fixture = Fixture::new();
        fixture.deposit();
        assert_eq!(fixture.pushed(), [(2, 1), (3, 1)]);
        fixture.deposit();
        assert_eq!(fixture.pushed(), []);
        fixture.pushes.peer_acknowledges(&mut fixture.ctx, B, &version([1, 0, 0]));
        assert_eq!(fixture.pushed(), [(2, 1)]);
        fixture.pushes.peer_acknowledges(&mut fixture.ctx, B, &version([2, 0, 0]));
        assert_eq!(fixture.pushed(), []);
    }

    #[test]
    fn push_is_repeated_until_it_is_acknowledged() {
        let mut fixture = Fixture::new();
        fixture.deposit();
        fixture.pushed();
        fixture.ctx.pass(fixture.ctx.settings.timing.push_repeat);
        let Fixture { mut ctx, log, peers, mut pushes, .. } = fixture;
        pushes.peer_acknowledges(&mut ctx, C, &version([1, 0, 0]));
        for to in [B, C] {
            pushes.repeat(&mut ctx, &log, &peers, to);
        }
        assert_eq!(rows(ctx.sent()), [(2, 1)]);
    }

    #[test]
    fn others_rows_cause_a_push_only_where_their_origin_is_cut_off() {
        let mut fixture = Fixture::new();
        let mut row = Row::empty(C);
        row.append(&DEPOSIT, None);
        let receive = |fixture: &mut Fixture| {
            let Fixture { ctx, log, peers, pushes, .. } = fixture;
            let merged = |_: &Context, merge| pushes.row_merged(peers, &merge);
            log.receive(ctx, C, vec![row.clone()], merged).expect("no fork");
        };
        receive(&mut fixture);
        assert_eq!(fixture.pushed(), []);
        fixture.peers.set_unreachable(C, vec![B]);
        fixture.pushes.peer_cut_off();
        assert_eq!(fixture.pushed(), [(2, 1)], "C has its own row");
    }

    #[test]
    fn push_is_acknowledged_once_it_is_durable() {
        let mut fixture = Fixture::new();
        fixture.ctx.journal = Journal::new(Storage::Journal, 3);
        let Fixture { mut ctx, mut pushes, .. } = fixture;
        let mut log = LocalLog::new(&ctx);
        let mut row = Row::empty(B);
        row.append(&DEPOSIT, None);
        log.receive(&mut ctx, B, vec![row], |_, _| {}).expect("no fork");
        pushes.owe_acknowledgement(B, ctx.journal.appended());
        pushes.acknowledge_all(&mut ctx, &log);
        assert_eq!(ctx.sent(), []);
        log.persisted(&mut ctx, 1);
        pushes.acknowledge_all(&mut ctx, &log);
        let sent = ctx.sent();
        let [(BranchId(2), Message::Acknowledge { durable, .. })] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert_eq!(durable, &version([0, 1, 0]));
    }

    #[test]
    fn peer_that_comes_back_gets_what_its_hello_lacks() {
        let mut fixture = Fixture::new();
        fixture.deposit();
        fixture.pushed();
        fixture.pushes.peer_acknowledges(&mut fixture.ctx, B, &version([1, 0, 0]));
        fixture.pushes.peer_up(&mut fixture.ctx, B, version([0, 0, 0]));
        assert_eq!(fixture.pushed(), [(2, 1)]);
    }

    #[test]
    fn report_of_more_entries_than_there_are_is_ignored() {
        let fixture = Fixture::new();
        let Fixture { mut ctx, mut pushes, .. } = fixture;
        pushes.relay_reports(&mut ctx, B, Seq(1), &version([1, 2, 1]));
        assert_eq!([B, C].map(|peer| pushes.of(peer).acknowledged.of(A)), [0, 1].map(Seq));
    }
}
