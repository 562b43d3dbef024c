//! Spans of the broadcast scheme: a fan-out for each write, with a call to each peer as a child.

use std::collections::HashMap;

use crate::telemetry::{FanoutSpan, TraceContext};
use bank::BranchId;
use replication::Ticket;

/// The fan-out of a traced request.
#[derive(Debug)]
struct Fanout {
    parent: TraceContext,
    /// Starts with the first call.
    span: Option<FanoutSpan>,
    ended: usize,
    acked: usize,
}

/// The fan-outs of one branch.
#[derive(Debug)]
pub(in crate::branch) struct BroadcastSpans {
    branch: BranchId,
    width: usize,
    fanouts: HashMap<Ticket, Fanout>,
}

impl BroadcastSpans {
    /// Fan-outs of `branch` to `width` peers.
    pub(in crate::branch) fn new(branch: BranchId, width: usize) -> Self {
        Self { branch, width, fanouts: HashMap::new() }
    }

    /// The request of `ticket` is traced: if it has a fan-out, that is a child of `parent`.
    pub(in crate::branch) fn expect(&mut self, ticket: Ticket, parent: TraceContext) {
        self.fanouts.insert(ticket, Fanout { parent, span: None, ended: 0, acked: 0 });
    }

    /// The request of `ticket` is answered: if its fan-out has not started, it never does.
    pub(in crate::branch) fn answered(&mut self, ticket: Ticket) {
        if self.fanouts.get(&ticket).is_some_and(|fanout| fanout.span.is_none()) {
            self.fanouts.remove(&ticket);
        }
    }

    /// The parent of the calls that propagate a write. The first call starts the fan-out.
    pub(in crate::branch) fn context(&mut self, ticket: Ticket) -> Option<TraceContext> {
        let Fanout { parent, span, .. } = self.fanouts.get_mut(&ticket)?;
        let start = || FanoutSpan::start(parent.clone(), self.branch, self.width);
        Some(span.get_or_insert_with(start).context())
    }

    /// A call to `peer` ended. The fan-out ends with the last call.
    pub(in crate::branch) fn ended(&mut self, ticket: Ticket, peer: BranchId, applied: bool) {
        let Some(fanout) = self.fanouts.get_mut(&ticket) else {
            return;
        };
        fanout.ended += 1;
        fanout.acked += usize::from(applied);
        if fanout.ended == self.width
            && let Some(Fanout { span: Some(span), acked, .. }) = self.fanouts.remove(&ticket)
        {
            span.end(acked, acked == self.width, Some(peer));
        }
    }
}
