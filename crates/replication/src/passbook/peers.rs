//! What a branch knows of another.

use std::time::Duration;

use super::Incarnation;
use super::hub::Told;
use crate::Instant;
use bank::{BranchId, Member, Row, Seq, Version};

/// How far the stream to a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// There is none.
    Down,
    /// It is open, and the peer's hello is awaited; ours is repeated at this instant.
    Opening(Instant),
    /// Both may speak.
    Up,
}

/// A push that was not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    /// When it is repeated.
    pub(super) repeat_at: Instant,
    /// How long to wait the next time.
    pub(super) patience: Duration,
}

/// A fellow branch, as far as this one knows.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: BranchId,
    pub(super) stream: Stream,
    /// Which life of it is the one that belongs to the cluster.
    pub(super) incarnation: Option<Incarnation>,
    /// What is durable there, as it said.
    pub(super) acknowledged: Version,
    /// What is there, durable or not, as it has shown on this stream. It need not be pushed.
    pub(super) known: Version,
    pub(super) outstanding: Option<Outstanding>,
    /// What the outstanding push carries, and what the peer holds.
    pub(super) pushed: Version,
    /// The oldest push on this stream whose own entries the peer did not acknowledge: the last of them, and when
    /// it was sent.
    pub(super) unacknowledged: Option<(Seq, Instant)>,
    /// It is owed an acknowledgement as soon as so many records are durable here.
    pub(super) owed: Option<u64>,
    /// It has just come and may lack anything.
    pub(super) catches_up: bool,
    /// To whom it cannot speak, as it said.
    pub(super) apart: Vec<Member>,
    /// It has not heard yet that we have lost somebody.
    pub(super) hears_apart: bool,
    /// What it was told of its log, by the hub.
    pub(super) told: Told,
}

impl Peer {
    pub(super) fn new(id: BranchId, members: usize) -> Self {
        Self {
            id,
            stream: Stream::Down,
            incarnation: None,
            acknowledged: Version::zero(members),
            known: Version::zero(members),
            outstanding: None,
            pushed: Version::zero(members),
            unacknowledged: None,
            owed: None,
            catches_up: false,
            apart: Vec::new(),
            hears_apart: false,
            told: Told::default(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.stream == Stream::Up
    }

    /// It has shown that it holds these rows.
    pub(super) fn shows(&mut self, rows: &[Row]) {
        for row in rows {
            self.known.raise(row.origin, row.seq);
        }
    }

    /// It said what is durable there. A push is complete when that covers it.
    pub(super) fn acknowledges(&mut self, durable: &Version) {
        self.acknowledged.join(durable);
        self.known.join(durable);
        if self.acknowledged.covers(&self.pushed) {
            self.outstanding = None;
        }
    }

    /// Somebody knows how much of a log is durable there.
    pub(super) fn holds(&mut self, origin: Member, seq: Seq) {
        self.acknowledged.raise(origin, seq);
        self.known.raise(origin, seq);
        if self.acknowledged.covers(&self.pushed) {
            self.outstanding = None;
        }
    }

    /// A new stream, or none: nothing that was said on the one before is awaited any more.
    pub(super) fn reset(&mut self, stream: Stream) {
        self.stream = stream;
        self.outstanding = None;
        self.unacknowledged = None;
        self.owed = None;
        self.catches_up = false;
        self.apart.clear();
        self.hears_apart = false;
        self.told = Told::default();
    }

    /// The hello has come. It replaces what was known of the peer's acknowledgements: it may have lost
    /// some of what it had.
    pub(super) fn is_heard(&mut self, durable: Version) {
        self.reset(Stream::Up);
        self.known.clone_from(&durable);
        self.pushed.clone_from(&durable);
        self.acknowledged = durable;
        self.catches_up = true;
    }
}
