//! Drives a replica that exchanges messages with its peers on streams.

use super::driver::{Core, Driver};
use super::info::BranchInfo;
use super::log_tap::{LogCommand, LogTap};
use super::outbox::Outboxes;
use super::peer_stream::{Outgoing, StreamId};
use super::spans::PassbookSpans;
use super::statistics::Traffic;
use crate::telemetry::TraceContext;
use bank::BranchId;
use replication::passbook::{Effect, Input, Message, Stop};
use replication::{Instant, Request, StreamReplica, Ticket};

/// What happens on the streams between branches, and to the log.
#[derive(Debug)]
pub(super) enum StreamCommand {
    /// A stream to a peer is open.
    Opened {
        peer: BranchId,
        stream: StreamId,
        outgoing: Outgoing,
    },
    /// A frame has arrived.
    Received {
        peer: BranchId,
        stream: StreamId,
        messages: Vec<Message>,
    },
    /// A stream is closed.
    Closed {
        peer: BranchId,
        stream: StreamId,
    },
    Log(LogCommand),
}

/// Exchanges messages on streams.
pub(super) struct StreamDriver {
    outboxes: Outboxes,
    spans: PassbookSpans,
    log: LogTap,
    /// The earliest instant at which the replica wants to be woken.
    timer: Option<Instant>,
}

impl StreamDriver {
    pub(super) fn new(info: &BranchInfo) -> Self {
        let spans = PassbookSpans::new(info.id, info.peers.len());
        let (outboxes, log) = (Outboxes::default(), LogTap::default());
        Self { outboxes, spans, log, timer: None }
    }
}

impl Driver for StreamDriver {
    type Replica = StreamReplica;
    type PeerCommand = StreamCommand;

    fn submit(
        &mut self,
        core: &mut Core<StreamReplica>,
        ticket: Ticket,
        request: Request,
        trace: Option<TraceContext>,
    ) {
        if let Some(parent) = trace {
            self.spans.expect(ticket, parent);
        }
        core.push(Input::Submit { ticket, request });
    }

    fn handle(&mut self, core: &mut Core<StreamReplica>, command: StreamCommand) {
        match command {
            // A stream that nobody reads just closes.
            StreamCommand::Opened { .. } if core.is_ending() => {}
            StreamCommand::Opened { peer, stream, outgoing } => {
                core.connected(peer);
                self.outboxes.open(peer, stream, outgoing);
                core.push(Input::PeerUp { peer });
            }
            StreamCommand::Received { peer, stream, messages } => {
                if self.outboxes.is_newest(peer, stream) {
                    let input = |message| Input::Peer { from: peer, message };
                    core.extend(messages.into_iter().map(input));
                }
            }
            StreamCommand::Closed { peer, stream } => {
                if self.outboxes.close(peer, stream) {
                    core.push(Input::PeerDown { peer });
                }
            }
            StreamCommand::Log(command) => self.log.handle(command, core.replica.as_ref()),
        }
    }

    fn perform(
        &mut self,
        core: &mut Core<StreamReplica>,
        now: Instant,
        effect: Effect,
    ) -> Result<(), Stop> {
        match effect {
            Effect::Reply { ticket, answer, receipt } => {
                self.spans.answered(ticket, receipt.as_ref());
                core.reply(ticket, answer, receipt);
            }
            Effect::Send { to, message } => self.outboxes.push(to, message),
            // In memory nothing is kept on disk.
            Effect::Persist { record } => self.log.append(&record),
            Effect::Note(note) => {
                core.statistics.on_note(&note);
                self.spans.on_note(now, &note);
            }
            Effect::WakeAt(at) => {
                self.timer = Some(self.timer.map_or(at, |earliest| earliest.min(at)));
            }
            Effect::Refuse { peer, why } => {
                let warning = core.reachability.mismatched(peer, why);
                core.warnings.report(warning);
            }
            Effect::Stop(stop) => return Err(stop),
        }
        Ok(())
    }

    fn timer(&self) -> Option<Instant> {
        self.timer
    }

    fn check_timer(&mut self, core: &mut Core<StreamReplica>, now: Instant) {
        if self.timer.take_if(|at| *at <= now).is_some() {
            core.push(Input::Tick);
        }
    }

    fn flush(&mut self) {
        self.outboxes.flush();
    }

    fn disconnect(&mut self) {
        self.outboxes.clear();
    }

    fn traffic(&self) -> Traffic {
        self.outboxes.traffic()
    }
}
