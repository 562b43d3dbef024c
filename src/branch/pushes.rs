//! Pushes as they leave and come back: what each carries, and the traced writes among it.
//!
//! One push carries many writes, and a write goes with a push to each peer. So a push that carries a traced
//! write is a span of its own, linked to the fan-outs of those writes. Requests that are not traced never appear
//! here; what is counted for all pushes are a few numbers per peer.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::errands::Errands;
use super::statistics::Statistics;
use crate::bank::{BranchId, Member, Row, Seq, Version};
use crate::replicate::passbook::{Message, Note, Record};
use crate::replicate::{Ack, Instant, Receipt, Ticket};
use crate::telemetry::{FanoutSpan, PushSpan, SpanContext};

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
    straggler: Option<BranchId>,
}

/// A push with a traced write that was not acknowledged.
#[derive(Debug)]
struct UnderWay {
    span: PushSpan,
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

/// The pushes of one branch.
#[derive(Debug)]
pub(super) struct Pushes {
    branch: BranchId,
    me: Member,
    peers: Vec<Peer>,
    requests: HashMap<Ticket, Asked>,
    /// By their place in the log.
    writes: VecDeque<Written>,
    errands: Errands,
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
        let peers: Vec<Peer> = peers.map(peer).collect();
        let before = peers.iter().filter(|peer| peer.id < branch).count();
        // No cluster has more members than the numbers that members have.
        let me = Member(u16::try_from(before).unwrap_or(u16::MAX));
        let (requests, writes) = (HashMap::new(), VecDeque::new());
        Self { branch, me, peers, requests, writes, errands: Errands::new(branch) }
    }

    /// The request of `ticket` is traced by `span` and wants to be answered at `ack`.
    pub(super) fn expect(&mut self, ticket: Ticket, span: SpanContext, ack: Ack) {
        self.requests.insert(ticket, Asked { span, ack, seq: None });
    }

    /// A record is written down on behalf of a request: its fan-out begins.
    pub(super) fn written(&mut self, now: Instant, ticket: Option<Ticket>, record: &Record) {
        if self.requests.is_empty() {
            return;
        }
        let (Some(ticket), &Record::Own { seq, .. }) = (ticket, record) else {
            return;
        };
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
            straggler: None,
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
            fanout.note_relayed(written.relayed);
            fanout.end(written.acked, complete, written.straggler);
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

    /// The scheme notes why a request waits.
    pub(super) fn noted(&mut self, note: &Note, statistics: &mut Statistics) {
        statistics.collects += u64::from(matches!(note, Note::CollectBegins { .. }));
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
            _ => {}
        }
    }

    fn acknowledged(
        &mut self,
        now: Instant,
        from: BranchId,
        durable: &Version,
        statistics: &mut Statistics,
    ) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == from) else {
            return;
        };
        let held = durable.of(self.me);
        if let Some((_, sent)) = peer.awaited.take_if(|(seq, _)| *seq <= held) {
            statistics.acknowledged(from, since(sent, now));
        }
        let covered =
            |push: &mut UnderWay| push.rows.iter().all(|(of, seq)| durable.of(*of) >= *seq);
        if !peer.under_way.is_empty() {
            peer.under_way.extract_if(.., covered).for_each(|push| push.span.end());
        }
        let (before, pushed) = (peer.acked, peer.pushed);
        peer.acked = held.max(before);
        peer.pushed = held.max(pushed);
        if self.writes.is_empty() {
            return;
        }
        let first = self.writes.partition_point(|written| written.seq <= before);
        let until = self.writes.partition_point(|written| written.seq <= held);
        for written in self.writes.range_mut(first..until.max(first)) {
            written.acked += 1;
            written.relayed += usize::from(written.seq > pushed);
            if written.acked == written.needed {
                written.straggler = Some(from);
            }
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
