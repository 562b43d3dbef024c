//! Drives a replica whose messages to peers are unary calls.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::driver::{Core, Driver};
use super::info::BranchInfo;
use super::spans::BroadcastSpans;
use super::statistics::Traffic;
use super::unary_peer::{Delivery, Propagation, PropagationResult};
use crate::telemetry::TraceContext;
use bank::{BranchId, Write};
use replication::broadcast::{Effect, Input, Message, WriteId};
use replication::passbook::Stop;
use replication::{CallReplica, Instant, Request, Ticket};

/// What happens on the calls between branches.
#[derive(Debug)]
pub(super) enum CallCommand {
    /// A peer propagates a write.
    Propagate { id: WriteId, write: Write, deadline: Instant, reply: oneshot::Sender<bool> },
    /// A branch of another program propagates a write without a name.
    Apply { write: Write, deadline: Instant, reply: oneshot::Sender<bool> },
    /// A propagation to a peer has ended.
    Ended(PropagationResult),
}

/// Propagates writes by unary calls.
pub(super) struct CallDriver {
    peers: HashMap<BranchId, mpsc::Sender<Propagation>>,
    /// Calls of peers that wait for a write to be applied here.
    calls: HashMap<WriteId, oneshot::Sender<bool>>,
    spans: BroadcastSpans,
    /// Requests to peers and their answers.
    messages_sent: u64,
}

impl CallDriver {
    /// Propagations to each peer go into its queue in `peers`.
    pub(super) fn new(
        info: &BranchInfo,
        peers: HashMap<BranchId, mpsc::Sender<Propagation>>,
    ) -> Self {
        let spans = BroadcastSpans::new(info.id, info.peers.len());
        Self { peers, calls: HashMap::new(), spans, messages_sent: 0 }
    }

    /// Applies a write for a peer, whose call waits for `reply`.
    fn apply(
        &mut self,
        core: &mut Core<CallReplica>,
        id: WriteId,
        write: Write,
        deadline: Instant,
        reply: oneshot::Sender<bool>,
    ) {
        self.calls.insert(id, reply);
        let message = Message::Propagate { id, write, deadline };
        core.push(Input::Peer { from: id.origin, message });
    }

    fn propagation_ended(&mut self, core: &mut Core<CallReplica>, result: &PropagationResult) {
        let PropagationResult { to, id, delivery, took } = *result;
        let applied = delivery == Delivery::Applied;
        core.statistics.propagated(to, applied, took);
        self.spans.ended(id.ticket, to, applied);
        self.messages_sent += if delivery == Delivery::Lost { 1 } else { 2 };
        core.push(match delivery {
            Delivery::Applied | Delivery::Refused => {
                Input::Peer { from: to, message: Message::Propagated { id, applied } }
            }
            Delivery::Lost => Input::Undelivered { to, id },
        });
    }
}

impl Driver for CallDriver {
    type Replica = CallReplica;
    type PeerCommand = CallCommand;

    fn submit(
        &mut self,
        core: &mut Core<CallReplica>,
        ticket: Ticket,
        request: Request,
        trace: Option<TraceContext>,
    ) {
        if let Some(parent) = trace {
            self.spans.expect(ticket, parent);
        }
        core.push(Input::Submit { ticket, request });
    }

    fn handle(&mut self, core: &mut Core<CallReplica>, command: CallCommand) {
        match command {
            CallCommand::Propagate { id, write, deadline, reply } => {
                self.apply(core, id, write, deadline, reply);
            }
            CallCommand::Apply { write, deadline, reply } => {
                // A ticket of this branch's own: no write of a peer's or of a customer's here has it.
                let id = WriteId { origin: core.id, ticket: core.next_ticket() };
                self.apply(core, id, write, deadline, reply);
            }
            CallCommand::Ended(result) => self.propagation_ended(core, &result),
        }
    }

    fn perform(
        &mut self,
        core: &mut Core<CallReplica>,
        _now: Instant,
        effect: Effect,
    ) -> Result<(), Stop> {
        match effect {
            Effect::Reply { ticket, answer } => {
                self.spans.answered(ticket);
                core.reply(ticket, answer, None);
            }
            Effect::Send { to, message: Message::Propagate { id, write, deadline } } => {
                let parent = self.spans.context(id.ticket);
                let propagation = Propagation { id, write, deadline, parent };
                let peer = self.peers.get(&to);
                if peer.is_none_or(|queue| queue.try_send(propagation).is_err()) {
                    let (delivery, took) = (Delivery::Lost, Duration::ZERO);
                    self.propagation_ended(core, &PropagationResult { to, id, delivery, took });
                }
            }
            Effect::Send { message: Message::Propagated { id, applied }, .. } => {
                if let Some(reply) = self.calls.remove(&id) {
                    // The peer may have given up; it is applied all the same.
                    let _ = reply.send(applied);
                }
            }
        }
        Ok(())
    }

    fn disconnect(&mut self) {
        self.peers.clear();
    }

    fn traffic(&self) -> Traffic {
        let queued = |queue: &mpsc::Sender<_>| queue.max_capacity() - queue.capacity();
        let queued = self.peers.iter().map(|(peer, queue)| (*peer, queued(queue))).collect();
        Traffic { queued, messages_sent: self.messages_sent, ..Traffic::default() }
    }
}
