//! The traced fan-outs in flight. Writes that are not traced never appear here.

use std::collections::HashMap;

use crate::telemetry::{FanoutSpan, SpanContext};
use bank::BranchId;
use replication::Ticket;

#[derive(Debug)]
struct InFlight {
    span: FanoutSpan,
    ended: usize,
    acked: usize,
}

/// Which spans the propagations of a write belong to.
#[derive(Debug)]
pub(super) struct Fanouts {
    branch: BranchId,
    width: usize,
    /// Traced requests that may become a fan-out, at once or when a lock is free.
    expected: HashMap<Ticket, SpanContext>,
    in_flight: HashMap<Ticket, InFlight>,
}

impl Fanouts {
    /// Fan-outs of `branch` to `width` peers.
    pub(super) fn new(branch: BranchId, width: usize) -> Self {
        Self { branch, width, expected: HashMap::new(), in_flight: HashMap::new() }
    }

    /// If the request of `ticket` is told to peers, that is a child of `parent`.
    pub(super) fn expect(&mut self, ticket: Ticket, parent: SpanContext) {
        self.expected.insert(ticket, parent);
    }

    /// The request of `ticket` is answered: if it was not told to peers by now, it never is.
    pub(super) fn answered(&mut self, ticket: Ticket) {
        if !self.expected.is_empty() {
            self.expected.remove(&ticket);
        }
    }

    /// What a propagation of that write is to be a child of. The first one begins the fan-out.
    pub(super) fn context(&mut self, ticket: Ticket) -> Option<SpanContext> {
        if self.expected.is_empty() && self.in_flight.is_empty() {
            return None;
        }
        if let Some(parent) = self.expected.remove(&ticket) {
            let span = FanoutSpan::start(parent, self.branch, self.width);
            self.in_flight.insert(ticket, InFlight { span, ended: 0, acked: 0 });
        }
        Some(self.in_flight.get(&ticket)?.span.context())
    }

    /// One peer answered or was given up; after the last the span ends.
    pub(super) fn ended(&mut self, ticket: Ticket, peer: BranchId, applied: bool) {
        if self.in_flight.is_empty() {
            return;
        }
        let Some(flight) = self.in_flight.get_mut(&ticket) else {
            return;
        };
        flight.ended += 1;
        flight.acked += usize::from(applied);
        if flight.ended == self.width
            && let Some(InFlight { span, acked, .. }) = self.in_flight.remove(&ticket)
        {
            span.end(acked, acked == self.width, Some(peer));
        }
    }
}
