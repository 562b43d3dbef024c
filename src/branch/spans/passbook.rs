//! Spans of the passbook scheme, made from the notes of its engine.
//!
//! One push carries many writes, and a write goes with a push to each peer. So a push that carries a traced
//! write is a span of its own, linked to the fan-outs of those writes.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use crate::telemetry::{BorrowSpan, CollectSpan, FanoutSpan, PushSpan, TraceContext};
use bank::{BranchId, Seq};
use replication::passbook::Note;
use replication::{Instant, Receipt, Ticket};

/// Traced writes that are kept for a peer that does not acknowledge them. Beyond that the oldest are dropped.
const WRITES_MAX: usize = 16_384;

/// A traced request that has not been answered.
#[derive(Debug)]
struct Request {
    context: TraceContext,
    /// The position of its write in the log.
    seq: Option<Seq>,
    /// Its wait for rights.
    borrow: Option<Borrow>,
}

#[derive(Debug, Default)]
struct Borrow {
    /// Starts with the first borrow request.
    span: Option<BorrowSpan>,
    requests: u64,
}

/// A traced write that some peer does not hold, or whose customer has no answer.
#[derive(Debug)]
struct Write {
    seq: Seq,
    staged_at: Instant,
    context: TraceContext,
    /// Ends with the answer.
    span: Option<FanoutSpan>,
    /// How many peers must hold it before the answer.
    needed: usize,
    /// How many peers hold it.
    held: usize,
    /// How many of them have it from a relay.
    relayed: usize,
    last: Report,
}

/// The last report that a peer holds a write, among those that the customer waited for.
#[derive(Clone, Copy, Debug, Default)]
struct Report {
    at: Instant,
    via: Option<BranchId>,
    /// `None` if the report is about several peers.
    straggler: Option<BranchId>,
}

#[derive(Debug)]
struct Push {
    span: PushSpan,
    to: BranchId,
    upto: Seq,
}

/// The spans of one branch.
#[derive(Debug)]
pub(in crate::branch) struct PassbookSpans {
    branch: BranchId,
    peers: usize,
    requests: HashMap<Ticket, Request>,
    /// By position in the log.
    writes: VecDeque<Write>,
    pushes: Vec<Push>,
    collect: Option<CollectSpan>,
}

impl PassbookSpans {
    /// Spans of `branch`, which has `peers` peers.
    pub(in crate::branch) fn new(branch: BranchId, peers: usize) -> Self {
        Self {
            branch,
            peers,
            requests: HashMap::new(),
            writes: VecDeque::new(),
            pushes: Vec::new(),
            collect: None,
        }
    }

    /// The request of `ticket` is traced: its spans are children of `context`.
    pub(in crate::branch) fn expect(&mut self, ticket: Ticket, context: TraceContext) {
        self.requests.insert(ticket, Request { context, seq: None, borrow: None });
    }

    /// The customer of `ticket` is answered.
    pub(in crate::branch) fn answered(&mut self, ticket: Ticket, receipt: Option<&Receipt>) {
        if self.requests.is_empty() {
            return;
        }
        let Some(request) = self.requests.remove(&ticket) else {
            return;
        };
        end_borrow(request.borrow, false);
        let is_it = |seq| self.writes.binary_search_by_key(&seq, |write| write.seq).ok();
        let index = request.seq.and_then(is_it);
        if let Some(write) = index.and_then(|index| self.writes.get_mut(index)) {
            write.end(receipt.is_some_and(|receipt| receipt.seq.is_some()));
        }
        self.drop_writes();
    }

    /// The engine reports a step.
    pub(in crate::branch) fn on_note(&mut self, now: Instant, note: &Note) {
        match *note {
            Note::Staged { ticket, seq, needed } => self.start_write(now, ticket, seq, needed),
            Note::Pushed { to, rows, after, upto } => self.start_push(now, to, rows, after, upto),
            Note::HeldBy { peer, after, upto, pushed, via } => {
                let over = |push: &mut Push| push.to == peer && push.upto <= upto;
                self.pushes.extract_if(.., over).for_each(|push| push.span.end());
                for write in self.writes.range_mut(within(&self.writes, after, upto)) {
                    write.hold(now, peer, via);
                    write.relayed += usize::from(write.seq > pushed);
                }
                self.drop_writes();
            }
            Note::StreamReset { peer } => self.pushes.retain(|push| push.to != peer),
            Note::ShortOfRights { ticket } => {
                if let Some(request) = self.requests.get_mut(&ticket) {
                    request.borrow = Some(Borrow::default());
                }
            }
            Note::BorrowRequested { .. } => self.request_borrow(),
            Note::CollectStarted { ref waiting, prover } => self.start_collect(waiting, prover),
            Note::CollectEnded { complete } => {
                if let Some(span) = self.collect.take() {
                    span.end(complete);
                }
            }
            Note::PushAcknowledged { .. } => {}
        }
    }

    fn start_write(&mut self, now: Instant, ticket: Ticket, seq: Seq, needed: usize) {
        let Some(request) = self.requests.get_mut(&ticket) else {
            return;
        };
        end_borrow(request.borrow.take(), true);
        if self.peers == 0 {
            return;
        }
        request.seq = Some(seq);
        if self.writes.len() == WRITES_MAX {
            self.writes.pop_front();
        }
        let span = FanoutSpan::start(request.context.clone(), self.branch, self.peers);
        self.writes.push_back(Write {
            seq,
            staged_at: now,
            context: span.context(),
            span: Some(span),
            needed,
            held: 0,
            relayed: 0,
            last: Report::default(),
        });
    }

    fn start_push(&mut self, now: Instant, to: BranchId, rows: usize, after: Seq, upto: Seq) {
        let carried = within(&self.writes, after, upto);
        if carried.is_empty() {
            return;
        }
        let writes = upto.0.saturating_sub(after.0);
        let span = PushSpan::start(self.branch, to, rows, writes);
        for write in self.writes.range(carried) {
            span.link(&write.context, now.0.saturating_sub(write.staged_at.0));
        }
        self.pushes.push(Push { span, to, upto });
    }

    /// A borrow request is on behalf of all withdrawals that wait for rights.
    fn request_borrow(&mut self) {
        for Request { context, borrow, .. } in self.requests.values_mut() {
            if let Some(borrow) = borrow {
                borrow.requests += 1;
                let start = || BorrowSpan::start(context.clone(), self.branch);
                borrow.span.get_or_insert_with(start);
            }
        }
    }

    /// A collect is a child of the first traced request that waits for it, and linked to the others.
    fn start_collect(&mut self, waiting: &[Ticket], prover: Option<BranchId>) {
        self.collect = None;
        for ticket in waiting {
            let Some(Request { context, borrow, .. }) = self.requests.get_mut(ticket) else {
                continue;
            };
            if let Some(borrow) = borrow {
                end_borrow(Some(std::mem::take(borrow)), false);
            }
            if let Some(span) = &self.collect {
                span.link(context);
            } else {
                let span = CollectSpan::start(context.clone(), self.branch, waiting.len(), prover);
                self.collect = Some(span);
            }
        }
    }

    /// Drops the writes that are answered and that every peer holds.
    fn drop_writes(&mut self) {
        let peers = self.peers;
        let is_over = |write: &mut Write| write.held >= peers && write.span.is_none();
        while self.writes.pop_front_if(is_over).is_some() {}
    }
}

impl Write {
    /// A peer holds it. What a relay reports at one instant is one report: which of its peers was the last is
    /// not known.
    fn hold(&mut self, at: Instant, peer: BranchId, via: Option<BranchId>) {
        if via.is_some() && (self.last.at, self.last.via) == (at, via) {
            self.last.straggler = None;
        } else if self.held < self.needed {
            self.last = Report { at, via, straggler: Some(peer) };
        }
        self.held += 1;
    }

    fn end(&mut self, complete: bool) {
        if let Some(span) = self.span.take() {
            let waited_for = self.held >= self.needed;
            let last = if waited_for { self.last } else { Report::default() };
            span.record_relay(self.relayed, last.via);
            span.end(self.held, complete, last.straggler);
        }
    }
}

/// The indexes of the writes after `after` and up to `upto`.
fn within(writes: &VecDeque<Write>, after: Seq, upto: Seq) -> Range<usize> {
    let index = |seq| writes.partition_point(|write| write.seq <= seq);
    index(after)..index(upto)
}

fn end_borrow(borrow: Option<Borrow>, covered: bool) {
    if let Some(Borrow { span: Some(span), requests }) = borrow {
        span.end(requests, covered);
    }
}

#[cfg(test)]
mod tests;
