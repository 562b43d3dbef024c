//! Pushes as they leave and come back: what each carries, and the traced writes among it.
//!
//! One push carries many writes, and a write goes with a push to each peer. So a push that carries a traced
//! write is a span of its own, linked to the fan-outs of those writes. Requests that are not traced never appear
//! here; what is counted for all pushes are a few numbers per peer.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::errands::Errands;
use super::statistics::Statistics;
use crate::telemetry::{FanoutSpan, PushSpan, SpanContext};
use bank::Ack;
use bank::{BranchId, Member, Row, Seq, Version};
use replication::passbook::{Message, Note};
use replication::{Instant, Receipt, Ticket};

/// Traced writes that are remembered for a peer that does not acknowledge them. The oldest are forgotten.
const WRITES_MAX: usize = 16_384;

/// A traced request that has not been answered.
#[derive(Debug)]
struct Asked {
    span: SpanContext,
    ack: Ack,
    /// Where its write is in the log.
    seq: Option<Seq>,
}

/// A traced write that some peer has not acknowledged, or that has not been answered.
#[derive(Debug)]
struct Written {
    seq: Seq,
    at: Instant,
    /// What pushes are linked to.
    context: SpanContext,
    /// Until the customer is answered.
    fanout: Option<FanoutSpan>,
    /// How many peers have to acknowledge it before that, and how many have.
    needed: usize,
    acked: usize,
    /// How many of them heard of it from another branch first: it rode along with that one's push.
    relayed: usize,
    last: Last,
}

/// What completed the number of peers that a write needed.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    /// The only peer that the last message told of; unknown where it told of several.
    straggler: Option<BranchId>,
    /// Who told of others: the hub.
    via: Option<BranchId>,
}

/// A push with a traced write that was not acknowledged.
#[derive(Debug)]
struct UnderWay {
    span: PushSpan,
    /// Those that the peer is not known to hold.
    rows: Vec<(Member, Seq)>,
}

#[derive(Debug)]
struct Peer {
    id: BranchId,
    /// How much of the own log was pushed to it on this stream, or need not be.
    pushed: Seq,
    /// How much of it the peer ever acknowledged.
    acked: Seq,
    /// The oldest push of own entries that was not acknowledged: how far, and when.
    awaited: Option<(Seq, Instant)>,
    under_way: Vec<UnderWay>,
}

impl Written {
    /// One message told that these peers hold it.
    fn is_held<'a>(&mut self, newly: impl Iterator<Item = &'a Peer>, via: Option<BranchId>) {
        let before = self.acked;
        let mut last = Last { straggler: None, via };
        for peer in newly {
            last.straggler = (self.acked == before).then_some(peer.id);
            self.acked += 1;
            self.relayed += usize::from(self.seq > peer.pushed);
        }
        if before < self.needed && self.acked >= self.needed {
            self.last = last;
        }
    }
}

impl Peer {
    /// It holds some rows: the pushes that brought the last of theirs are over.
    fn end_pushes(&mut self, holds: impl Fn(Member, Seq) -> bool) {
        let ended = |push: &mut UnderWay| {
            push.rows.retain(|(of, seq)| !holds(*of, *seq));
            push.rows.is_empty()
        };
        if !self.under_way.is_empty() {
            self.under_way.extract_if(.., ended).for_each(|push| push.span.end());
        }
    }
}

/// The pushes of one branch.
#[derive(Debug)]
pub(super) struct Pushes {
    branch: BranchId,
    me: Member,
    /// By member, without this one.
    peers: Vec<Peer>,
    requests: HashMap<Ticket, Asked>,
    /// By their place in the log.
    writes: VecDeque<Written>,
    errands: Errands,
    /// The last collect in which this branch asked the others.
    collect: Option<u64>,
}

impl Pushes {
    /// Pushes of `branch` to `peers`.
    pub(super) fn new(branch: BranchId, peers: impl Iterator<Item = BranchId>) -> Self {
        let peer = |id| Peer {
            id,
            pushed: Seq::ZERO,
            acked: Seq::ZERO,
            awaited: None,
            under_way: Vec::new(),
        };
        let mut peers: Vec<Peer> = peers.map(peer).collect();
        peers.sort_unstable_by_key(|peer| peer.id);
        let before = peers.iter().filter(|peer| peer.id < branch).count();
        // No cluster has more members than the numbers that members have.
        let me = Member(u16::try_from(before).unwrap_or(u16::MAX));
        let (requests, writes) = (HashMap::new(), VecDeque::new());
        Self { branch, me, peers, requests, writes, errands: Errands::new(branch), collect: None }
    }

    /// The request of `ticket` is traced by `span` and wants to be answered at `ack`.
    pub(super) fn expect(&mut self, ticket: Ticket, span: SpanContext, ack: Ack) {
        self.requests.insert(ticket, Asked { span, ack, seq: None });
    }

    /// The write of a request is in the log: its fan-out begins.
    fn staged(&mut self, now: Instant, ticket: Ticket, seq: Seq) {
        if self.requests.is_empty() {
            return;
        }
        self.errands.ended(ticket, true);
        let Some(asked) = self.requests.get_mut(&ticket) else {
            return;
        };
        if self.peers.is_empty() {
            return;
        }
        asked.seq = Some(seq);
        if self.writes.len() == WRITES_MAX {
            self.writes.pop_front();
        }
        let fanout = FanoutSpan::start(asked.span.clone(), self.branch, self.peers.len());
        self.writes.push_back(Written {
            seq,
            at: now,
            context: fanout.context(),
            fanout: Some(fanout),
            needed: asked.ack.needed(self.peers.len() + 1) - 1,
            acked: 0,
            relayed: 0,
            last: Last::default(),
        });
    }

    /// The customer is answered: what they waited for is over.
    pub(super) fn answered(&mut self, ticket: Ticket, receipt: Option<&Receipt>) {
        if self.requests.is_empty() {
            return;
        }
        let Some(asked) = self.requests.remove(&ticket) else {
            return;
        };
        self.errands.ended(ticket, false);
        let place =
            asked.seq.and_then(|seq| self.writes.binary_search_by_key(&seq, |w| w.seq).ok());
        let Some(written) = place.and_then(|place| self.writes.get_mut(place)) else {
            return;
        };
        if let Some(fanout) = written.fanout.take() {
            let complete = receipt.is_some_and(|receipt| receipt.seq.is_some());
            fanout.note_relayed(written.relayed, written.last.via);
            fanout.end(written.acked, complete, written.last.straggler);
        }
        self.forget();
    }

    /// A stream to `peer` opened or broke: nothing that was pushed on the one before is awaited any more.
    pub(super) fn cut(&mut self, peer: BranchId) {
        if let Some(peer) = self.peers.iter_mut().find(|other| other.id == peer) {
            peer.pushed = Seq::ZERO;
            peer.awaited = None;
            peer.under_way.clear();
        }
    }

    /// The engine reports a step.
    pub(super) fn noted(&mut self, now: Instant, note: &Note) {
        if let Note::Staged { ticket, seq, .. } = note {
            self.staged(now, *ticket, *seq);
        }
        let requests = &self.requests;
        self.errands.noted(note, |ticket| Some(requests.get(&ticket)?.span.clone()));
    }

    /// Something is said to a peer.
    pub(super) fn says(
        &mut self,
        now: Instant,
        to: BranchId,
        message: &Message,
        statistics: &mut Statistics,
    ) {
        match message {
            Message::Push { rows, .. } => self.push(now, to, rows, statistics),
            Message::Borrow { .. } => {
                statistics.borrows += 1;
                let requests = &self.requests;
                self.errands.asks(|ticket| Some(requests.get(&ticket)?.span.clone()));
            }
            // To each peer twice, or more often.
            Message::Collect { id, .. } if self.collect.replace(*id) != Some(*id) => {
                statistics.collects += 1;
            }
            Message::Prove { .. } => self.errands.asks_prover(to),
            _ => {}
        }
    }

    fn push(&mut self, now: Instant, to: BranchId, rows: &[Row], statistics: &mut Statistics) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == to) else {
            return;
        };
        let own = rows.iter().find(|row| row.origin == self.me);
        let before = peer.pushed;
        peer.pushed = own.map_or(before, |own| own.seq.max(before));
        let writes = peer.pushed.0 - before.0;
        statistics.pushed(rows.len(), writes);
        if writes == 0 {
            return;
        }
        peer.awaited.get_or_insert((peer.pushed, now));
        let from = self.writes.partition_point(|written| written.seq <= before);
        let until = self.writes.partition_point(|written| written.seq <= peer.pushed);
        if from == until {
            return;
        }
        let span = PushSpan::start(self.branch, to, rows.len(), writes);
        for written in self.writes.range(from..until) {
            span.carries(&written.context, since(written.at, now));
        }
        let rows = rows.iter().map(|row| (row.origin, row.seq)).collect();
        peer.under_way.push(UnderWay { span, rows });
    }

    /// A peer says something.
    pub(super) fn hears(
        &mut self,
        now: Instant,
        from: BranchId,
        message: &Message,
        statistics: &mut Statistics,
    ) {
        match message {
            Message::Acknowledge { durable, .. } => {
                self.acknowledged(now, from, durable, statistics);
            }
            Message::Hello(hello) => {
                let held = hello.durable.of(self.me);
                if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == from) {
                    peer.pushed = peer.pushed.max(held);
                }
                self.acknowledged(now, from, &hello.durable, statistics);
            }
            Message::Held { held, .. } => self.told(from, held),
            _ => {}
        }
    }

    /// A peer says what it holds.
    fn acknowledged(
        &mut self,
        now: Instant,
        from: BranchId,
        durable: &Version,
        statistics: &mut Statistics,
    ) {
        let Some(place) = self.peers.iter().position(|peer| peer.id == from) else {
            return;
        };
        let (peer, held) = (&mut self.peers[place], durable.of(self.me));
        if let Some((_, sent)) = peer.awaited.take_if(|(seq, _)| *seq <= held) {
            statistics.acknowledged(from, since(sent, now));
        }
        peer.end_pushes(|of, seq| durable.of(of) >= seq);
        self.held([(place, held)].into_iter(), None);
    }

    /// The hub says how much of the own log each branch holds.
    fn told(&mut self, hub: BranchId, held: &Version) {
        let me = self.me;
        let others = (0..).map(Member).filter(move |member| *member != me);
        let places = others.take(self.peers.len()).map(|member| held.of(member)).enumerate();
        for (place, upto) in places.clone() {
            self.peers[place].end_pushes(|of, seq| of == me && upto >= seq);
        }
        self.held(places, Some(hub));
    }

    /// One message tells how much of the own log each of these peers holds; `via` says it of others.
    fn held(&mut self, places: impl Iterator<Item = (usize, Seq)> + Clone, via: Option<BranchId>) {
        if !self.writes.is_empty() {
            let peers = &self.peers;
            let news = places.clone().filter(|(place, held)| *held > peers[*place].acked);
            let first = news.clone().map(|(place, _)| peers[place].acked).min();
            let until = news.clone().map(|(_, held)| held).max();
            let (first, until) = (first.unwrap_or_default(), until.unwrap_or_default());
            let first = self.writes.partition_point(|written| written.seq <= first);
            let until = self.writes.partition_point(|written| written.seq <= until);
            for written in self.writes.range_mut(first..until.max(first)) {
                let seq = written.seq;
                let newly =
                    news.clone().filter(|(place, held)| peers[*place].acked < seq && seq <= *held);
                written.is_held(newly.map(|(place, _)| &peers[place]), via);
            }
        }
        for (place, held) in places {
            let peer = &mut self.peers[place];
            peer.acked = held.max(peer.acked);
            peer.pushed = held.max(peer.pushed);
        }
        self.forget();
    }

    /// Forgets the writes that are answered and that every peer holds.
    fn forget(&mut self) {
        let held = self.peers.iter().map(|peer| peer.acked).min().unwrap_or_default();
        let done = |written: &mut Written| written.seq <= held && written.fanout.is_none();
        while self.writes.pop_front_if(done).is_some() {}
    }
}

fn since(begun: Instant, now: Instant) -> Duration {
    now.0.saturating_sub(begun.0)
}

#[cfg(test)]
mod tests;
