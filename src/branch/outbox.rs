//! The streams that are open, with the messages that are sent at the end of a batch.

use std::collections::HashMap;

use super::peer_stream::{Outgoing, StreamId};
use super::statistics::Traffic;
use crate::wire::from_message;
use crate::wire::v1::{Frame, PeerMessage};
use bank::BranchId;
use replication::passbook::Message;

#[derive(Debug)]
struct Outbox {
    stream: StreamId,
    outgoing: Outgoing,
    messages: Vec<PeerMessage>,
}

/// The newest stream to each peer.
#[derive(Debug, Default)]
pub(super) struct Outboxes {
    open: HashMap<BranchId, Outbox>,
    /// Peers with messages in their outbox.
    filled: Vec<BranchId>,
    sent: u64,
    dropped: u64,
}

impl Outboxes {
    /// A new stream takes the place of the one before.
    pub(super) fn open(&mut self, peer: BranchId, stream: StreamId, outgoing: Outgoing) {
        self.open.insert(peer, Outbox { stream, outgoing, messages: Vec::new() });
    }

    /// Returns whether the stream was the newest one.
    pub(super) fn close(&mut self, peer: BranchId, stream: StreamId) -> bool {
        let newest = self.is_newest(peer, stream);
        if newest {
            self.open.remove(&peer);
        }
        newest
    }

    pub(super) fn is_newest(&self, peer: BranchId, stream: StreamId) -> bool {
        self.open.get(&peer).is_some_and(|open| open.stream == stream)
    }

    /// Adds a message to the next frame.
    pub(super) fn push(&mut self, to: BranchId, message: Message) {
        if let Some(outbox) = self.open.get_mut(&to) {
            if outbox.messages.is_empty() {
                self.filled.push(to);
            }
            outbox.messages.push(from_message(message));
        }
    }

    /// Sends all messages to a peer as one frame.
    pub(super) fn flush(&mut self) {
        for peer in self.filled.drain(..) {
            let Some(outbox) = self.open.get_mut(&peer) else {
                continue;
            };
            let messages = std::mem::take(&mut outbox.messages);
            // Messages on a stream that a new one has replaced since are gone.
            if messages.is_empty() {
                continue;
            }
            if outbox.outgoing.try_send(Ok(Frame { messages })).is_ok() {
                self.sent += 1;
            } else {
                self.dropped += 1;
            }
        }
    }

    /// What became of the frames so far.
    pub(super) fn traffic(&self) -> Traffic {
        let queued = |queue: &Outgoing| queue.max_capacity() - queue.capacity();
        let open = self.open.iter();
        Traffic {
            queued: open.map(|(peer, outbox)| (*peer, queued(&outbox.outgoing))).collect(),
            frames_sent: self.sent,
            frames_dropped: self.dropped,
            messages_sent: self.sent,
        }
    }

    /// Ends all streams.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::peer_stream::queue;
    use super::*;
    use crate::wire::to_message;

    const PEER: BranchId = BranchId(2);

    fn decline(id: u64) -> Message {
        Message::Decline { id }
    }

    #[test]
    fn slow_peer_costs_no_more_than_its_queue() {
        let (frames, queued) = queue();
        let mut outboxes = Outboxes::default();
        outboxes.open(PEER, StreamId(1), frames);
        for id in 0..1_000 {
            outboxes.push(PEER, decline(id));
            outboxes.flush();
            assert!(
                outboxes.open.values().all(|outbox| outbox.messages.is_empty()),
                "no message is deferred"
            );
        }
        let waiting = u64::try_from(queued.as_ref().len()).expect("few");
        assert_eq!((outboxes.sent, outboxes.dropped), (waiting, 1_000 - waiting));
        assert_eq!(queued.as_ref().len(), queued.as_ref().max_capacity());
    }

    #[test]
    fn messages_of_a_batch_are_one_frame_in_order() {
        let (frames, mut queued) = queue();
        let mut outboxes = Outboxes::default();
        outboxes.open(PEER, StreamId(1), frames);
        for id in [3, 1, 2] {
            outboxes.push(PEER, decline(id));
        }
        outboxes.push(BranchId(9), decline(4));
        outboxes.flush();
        outboxes.flush();
        let frame = queued.as_mut().try_recv().expect("queued").expect("a frame");
        let said: Vec<_> = frame.messages.into_iter().map(to_message).collect();
        assert_eq!(said, [3, 1, 2].map(|id| Some(decline(id))));
        assert!(queued.as_mut().try_recv().is_err(), "no empty frame is sent");
    }

    #[test]
    fn messages_on_a_replaced_stream_are_dropped() {
        let (old, mut from_old) = queue();
        let (new, mut from_new) = queue();
        let mut outboxes = Outboxes::default();
        outboxes.open(PEER, StreamId(1), old);
        outboxes.push(PEER, decline(1));
        outboxes.open(PEER, StreamId(2), new);
        outboxes.flush();
        assert!(from_old.as_mut().try_recv().is_err() && from_new.as_mut().try_recv().is_err());
        assert!(!outboxes.close(PEER, StreamId(1)), "the newest stream is up");
        assert!(outboxes.is_newest(PEER, StreamId(2)));
        assert!(outboxes.close(PEER, StreamId(2)));
        assert!(!outboxes.is_newest(PEER, StreamId(2)));
    }
}
