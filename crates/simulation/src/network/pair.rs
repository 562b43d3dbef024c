//! Two branches, and the streams that they have one after another.

use rand_pcg::Pcg64Mcg;

use super::super::agenda::{Agenda, Arrival};
use super::super::chance::Span;
use super::super::plan;
use super::Luck;
use bank::Member;
use replication::Instant;
use replication::passbook::Message;

/// Two branches.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) low: Member,
    pub(super) high: Member,
    pub(super) random: Pcg64Mcg,
    /// The number of the newest stream; 0 if there was none.
    pub(super) epoch: u64,
    /// One side at least knows that the newest stream is gone, or there was none.
    pub(super) broken: bool,
    /// Another is being opened.
    pub(super) connecting: bool,
    /// The side of the lower branch, and that of the higher one.
    pub(super) sides: [Side; 2],
}

/// One of the two: what its process was told, and the way from it to the other.
#[derive(Debug)]
pub(super) struct Side {
    /// The newest stream that its process, or an earlier incarnation of it, was told of.
    pub(super) epoch: u64,
    /// Whether the process that lives takes it for open.
    pub(super) up: bool,
    /// What arrived on the newest stream before it was told of it.
    pub(super) waiting: Vec<Message>,
    /// Decides what becomes of what it sends.
    pub(super) random: Pcg64Mcg,
    /// How many faults cut the way to the other side now.
    pub(super) cuts: u32,
    /// Nothing it sends arrives any more on streams up to this one: something before it was lost.
    pub(super) stopped: u64,
    /// When the message that it sent before arrives.
    last_arrival: Instant,
}

impl Side {
    /// When a message that is sent now arrives.
    pub(super) fn arrival(&mut self, plan: &plan::Network, now: Instant) -> Instant {
        let mut delay = plan.delay.draw(&mut self.random);
        if plan.slow.happens(&mut self.random) {
            delay += plan.slow_by.draw(&mut self.random);
        }
        let mut arrival = now.after(delay);
        if plan.ordered {
            arrival = arrival.max(self.last_arrival);
        }
        self.last_arrival = self.last_arrival.max(arrival);
        arrival
    }
}

impl Pair {
    pub(super) fn new(seed: u64, low: Member, high: Member) -> Self {
        let number = |from: Member, to: Member| (u64::from(from.0) << 16) + u64::from(to.0);
        let side = |from, to| Side {
            epoch: 0,
            up: false,
            waiting: Vec::new(),
            random: Luck::Way.of(seed, number(from, to)),
            cuts: 0,
            stopped: 0,
            last_arrival: Instant::default(),
        };
        Self {
            low,
            high,
            random: Luck::Streams.of(seed, number(low, high)),
            epoch: 0,
            broken: true,
            connecting: false,
            sides: [side(low, high), side(high, low)],
        }
    }

    /// A message of `epoch` from one branch to the other was swallowed by a cut. A stream that keeps its
    /// order and loses nothing cannot go on after that.
    pub(super) fn swallowed(
        &mut self,
        (from, to): (Member, Member),
        epoch: u64,
        plan: &plan::Network,
        agenda: &mut Agenda,
    ) {
        let way = &mut self.sides[usize::from(from > to)];
        if plan.ordered && way.stopped < epoch {
            way.stopped = epoch;
            self.close((from, to), epoch, plan.notice, agenda);
        }
    }

    /// Breaks the newest stream both ways; each side notices within `notice`.
    pub(super) fn stop_all(&mut self, notice: Span, agenda: &mut Agenda) {
        let epoch = self.epoch;
        self.sides.iter_mut().for_each(|side| side.stopped = side.stopped.max(epoch));
        self.close((self.low, self.high), epoch, notice, agenda);
    }

    /// Each of the two learns within `notice` that a stream is broken.
    fn close(
        &mut self,
        (one, other): (Member, Member),
        epoch: u64,
        notice: Span,
        agenda: &mut Agenda,
    ) {
        for (to, peer) in [(one, other), (other, one)] {
            let wait = notice.draw(&mut self.random);
            agenda.arrives_after(wait, to, Arrival::Down { peer, epoch });
        }
    }
}
