//! The streams that are open, and what is to be said on them at the end of a batch.

use std::collections::HashMap;

use super::stream::{Outgoing, StreamId};
use crate::bank::BranchId;
use crate::replicate::passbook::Message;
use crate::wire::from_message;
use crate::wire::v1::{Frame, PeerMessage};

#[derive(Debug)]
struct Open {
    stream: StreamId,
    outgoing: Outgoing,
    outbox: Vec<PeerMessage>,
}

/// The newest stream to each peer.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: HashMap<BranchId, Open>,
    /// Those with something in their outbox.
    spoken: Vec<BranchId>,
    /// Frames that were sent, and those that a slow peer had no room for.
    pub(super) sent: u64,
    pub(super) dropped: u64,
}

impl Streams {
    /// A new stream takes the place of the one before.
    pub(super) fn opened(&mut self, peer: BranchId, stream: StreamId, outgoing: Outgoing) {
        self.open.insert(peer, Open { stream, outgoing, outbox: Vec::new() });
    }

    /// Whether the stream that broke was the newest one.
    pub(super) fn broke(&mut self, peer: BranchId, stream: StreamId) -> bool {
        let newest = self.is_newest(peer, stream);
        if newest {
            self.open.remove(&peer);
        }
        newest
    }

    pub(super) fn is_newest(&self, peer: BranchId, stream: StreamId) -> bool {
        self.open.get(&peer).is_some_and(|open| open.stream == stream)
    }

    /// To be said with all else at the end of the batch.
    pub(super) fn say(&mut self, to: BranchId, message: Message) {
        if let Some(open) = self.open.get_mut(&to) {
            if open.outbox.is_empty() {
                self.spoken.push(to);
            }
            open.outbox.push(from_message(message));
        }
    }

    /// Everything that was said to a peer goes as one frame.
    pub(super) fn flush(&mut self) {
        for peer in self.spoken.drain(..) {
            let Some(open) = self.open.get_mut(&peer) else {
                continue;
            };
            let messages = std::mem::take(&mut open.outbox);
            if open.outgoing.offer(Frame { messages }) {
                self.sent += 1;
            } else {
                self.dropped += 1;
            }
        }
    }

    /// Ends all of them.
    pub(super) fn close(&mut self) {
        self.open.clear();
    }
}
