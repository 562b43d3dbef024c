//! The streams that are open, and what is to be said on them at the end of a batch.

use std::collections::HashMap;

use super::stream::{Outgoing, StreamId};
use crate::wire::from_message;
use crate::wire::v1::{Frame, PeerMessage};
use bank::BranchId;
use replication::passbook::Message;

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
            // What was said on a stream that a new one has replaced since is gone.
            if messages.is_empty() {
                continue;
            }
            if open.outgoing.offer(Frame { messages }) {
                self.sent += 1;
            } else {
                self.dropped += 1;
            }
        }
    }

    /// How many frames wait to be sent to each peer.
    pub(super) fn queued(&self) -> impl Iterator<Item = (BranchId, usize)> {
        self.open.iter().map(|(peer, open)| (*peer, open.outgoing.queued()))
    }

    /// Ends all of them.
    pub(super) fn close(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::queue;
    use super::*;
    use crate::wire::to_message;

    const PEER: BranchId = BranchId(2);

    fn decline(id: u64) -> Message {
        Message::Decline { id }
    }

    #[test]
    fn a_peer_that_reads_nothing_costs_no_more_than_its_queue() {
        let (frames, queued) = queue();
        let mut streams = Streams::default();
        streams.opened(PEER, StreamId(1), Outgoing::Dialed(frames));
        for id in 0..1_000 {
            streams.say(PEER, decline(id));
            streams.flush();
            assert!(streams.open.values().all(|open| open.outbox.is_empty()), "nothing is put off");
        }
        let waiting = u64::try_from(queued.as_ref().len()).expect("few");
        assert_eq!((streams.sent, streams.dropped), (waiting, 1_000 - waiting));
        assert_eq!(queued.as_ref().len(), queued.as_ref().max_capacity());
    }

    #[test]
    fn what_is_said_in_a_batch_is_one_frame_in_its_order() {
        let (frames, mut queued) = queue();
        let mut streams = Streams::default();
        streams.opened(PEER, StreamId(1), Outgoing::Dialed(frames));
        for id in [3, 1, 2] {
            streams.say(PEER, decline(id));
        }
        streams.say(BranchId(9), decline(4));
        streams.flush();
        streams.flush();
        let frame = queued.as_mut().try_recv().expect("a frame");
        let said: Vec<_> = frame.messages.into_iter().map(to_message).collect();
        assert_eq!(said, [3, 1, 2].map(|id| Some(decline(id))));
        assert!(queued.as_mut().try_recv().is_err(), "an empty frame says nothing");
    }

    #[test]
    fn only_the_newest_stream_counts_and_what_was_said_on_an_older_one_is_gone() {
        let (old, mut from_old) = queue();
        let (new, mut from_new) = queue();
        let mut streams = Streams::default();
        streams.opened(PEER, StreamId(1), Outgoing::Dialed(old));
        streams.say(PEER, decline(1));
        streams.opened(PEER, StreamId(2), Outgoing::Dialed(new));
        streams.flush();
        assert!(from_old.as_mut().try_recv().is_err() && from_new.as_mut().try_recv().is_err());
        assert!(!streams.broke(PEER, StreamId(1)), "nobody is down");
        assert!(streams.is_newest(PEER, StreamId(2)));
        assert!(streams.broke(PEER, StreamId(2)));
        assert!(!streams.is_newest(PEER, StreamId(2)));
    }
}
