//! Spans of the broadcast scheme: a fan-out for each write, with a call to each peer as a child.

use std::collections::HashMap;

use crate::telemetry::{FanoutSpan, TraceContext};
use bank::BranchId;
use replication::Ticket;

#[derive(Debug)]
struct InFlight {
    span: FanoutSpan,
    ended: usize,
    acked: usize,
}

/// The fan-outs of one branch.
#[derive(Debug)]
pub(in crate::branch) struct BroadcastSpans {
    branch: BranchId,
    width: usize,
    /// Traced requests that may become a fan-out, at once or when a lock is free.
    expected: HashMap<Ticket, TraceContext>,
    in_flight: HashMap<Ticket, InFlight>,
}

impl BroadcastSpans {
    /// Fan-outs of `branch` to `width` peers.
    pub(in crate::branch) fn new(branch: BranchId, width: usize) -> Self {
        Self { branch, width, expected: HashMap::new(), in_flight: HashMap::new() }
    }

    /// The request of `ticket` is traced: if it has a fan-out, that is a child of `parent`.
    pub(in crate::branch) fn expect(&mut self, ticket: Ticket, parent: TraceContext) {
        self.expected.insert(ticket, parent);
    }

    /// The request of `ticket` is answered: if its fan-out has not started, it never does.
    pub(in crate::branch) fn answered(&mut self, ticket: Ticket) {
        if !self.expected.is_empty() {
            self.expected.remove(&ticket);
        }
    }

    /// The parent of the calls that propagate a write. The first call starts the fan-out.
    pub(in crate::branch) fn context(&mut self, ticket: Ticket) -> Option<TraceContext> {
        if self.expected.is_empty() && self.in_flight.is_empty() {
            return None;
        }
        if let Some(parent) = self.expected.remove(&ticket) {
            let span = FanoutSpan::start(parent, self.branch, self.width);
            self.in_flight.insert(ticket, InFlight { span, ended: 0, acked: 0 });
        }
        Some(self.in_flight.get(&ticket)?.span.context())
    }

    /// A call to `peer` ended. The fan-out ends with the last call.
    pub(in crate::branch) fn ended(&mut self, ticket: Ticket, peer: BranchId, applied: bool) {
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
