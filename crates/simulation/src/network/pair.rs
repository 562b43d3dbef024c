//! Two branches, and the streams that they have one after another.

use rand_pcg::Pcg64Mcg;

use super::super::agenda::{Agenda, Coming, Event};
use super::super::chance::Span;
use super::super::plan;
use super::Luck;
use bank::Member;
use replication::Instant;
use replication::passbook::Message;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The lower branch.
    Low,
    /// The higher branch.
    High,
}

impl Side {
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Low => 0,
            Self::High => 1,
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// Two branches.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) random: Pcg64Mcg,
    /// The number of the newest stream; 0 if there was none.
    pub(super) epoch: u64,
    /// One side at least knows that the newest stream is gone, or there was none.
    pub(super) broken: bool,
    /// Another is being opened.
    pub(super) connecting: bool,
    /// What each side was told.
    pub(super) sides: [Told; 2],
    /// The way from each side to the other.
    pub(super) ways: [Way; 2],
}

/// What one side was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The newest stream that its process, or an earlier life of it, was told of.
    pub(super) epoch: u64,
    /// Whether the process that lives takes it for open.
    pub(super) up: bool,
    /// What arrived on the newest stream before it was told of it.
    pub(super) waiting: Vec<Message>,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) random: Pcg64Mcg,
    /// How many faults cut it now.
    pub(super) cuts: u32,
    /// Nothing arrives any more on streams up to this one: something before it was lost.
    pub(super) stopped: u64,
    /// When the message before arrives.
    last_arrival: Instant,
}

impl Way {
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
        let way = |from, to| Way {
            random: Luck::Way.of(seed, number(from, to)),
            cuts: 0,
            stopped: 0,
            last_arrival: Instant::default(),
        };
        Self {
            random: Luck::Streams.of(seed, number(low, high)),
            epoch: 0,
            broken: true,
            connecting: false,
            sides: [Told::default(), Told::default()],
            ways: [way(low, high), way(high, low)],
        }
    }

    /// A message of `epoch` from `side` was swallowed by a cut. A stream that keeps its order and loses
    /// nothing cannot go on after that.
    pub(super) fn swallowed(
        &mut self,
        side: Side,
        epoch: u64,
        plan: &plan::Network,
        (from, to): (Member, Member),
        agenda: &mut Agenda,
    ) {
        let way = &mut self.ways[side.index()];
        if !plan.ordered || way.stopped >= epoch {
            return;
        }
        way.stopped = epoch;
        for (one, peer) in [(from, to), (to, from)] {
            let wait = plan.notice.draw(&mut self.random);
            let what = Coming::Down { peer, epoch };
            agenda.after(wait, Event::Comes { to: one, life: None, what });
        }
    }

    /// Breaks the newest stream both ways; each side notices within `notice`.
    pub(super) fn stop_all(
        &mut self,
        low: Member,
        high: Member,
        notice: Span,
        agenda: &mut Agenda,
    ) {
        let epoch = self.epoch;
        self.ways.iter_mut().for_each(|way| way.stopped = way.stopped.max(epoch));
        for (one, peer) in [(low, high), (high, low)] {
            let wait = notice.draw(&mut self.random);
            let what = Coming::Down { peer, epoch };
            agenda.after(wait, Event::Comes { to: one, life: None, what });
        }
    }
}
