//! Streams between branches, and what breaks them.
//!
//! Between two branches there is one stream at a time, and each has a number, its epoch. Each side is
//! told of it at a moment of its own. A message arrives only where its stream is the newest that both
//! sides were told of: that is what a driver guarantees.

mod pair;
#[cfg(test)]
mod tests;

use pair::Pair;

use super::agenda::{Agenda, Arrival, Event};
use super::chance::{Luck, PerMille, Span};
use super::plan::{self, Plan};
use bank::{BranchId, Member};
use replication::passbook::{Input, Message};

/// The number of a branch in messages: from 1.
pub(super) fn branch_id(member: Member) -> BranchId {
    BranchId(u32::from(member.0) + 1)
}

/// The branch of a number.
pub(super) fn member(branch: BranchId) -> Option<Member> {
    u16::try_from(branch.0.checked_sub(1)?).ok().map(Member)
}

/// How a process ended, as its peers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its machine goes on: what was sent arrives, and the streams are closed at once.
    Process,
    /// Its machine is gone, and nobody says so.
    Machine,
}

/// How often a message that was sent will arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Lost,
    Once,
    Twice,
}

/// All streams between all branches.
#[derive(Debug)]
pub(super) struct Network {
    plan: plan::Network,
    branches: u16,
    alive: Vec<bool>,
    /// By the lower branch, then by the higher one.
    pairs: Vec<Pair>,
}

impl Network {
    /// No process lives yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let pairs = plan.members().flat_map(|low| {
            let higher = (low.0 + 1..plan.branches).map(Member);
            higher.map(move |high| Pair::new(plan.seed, low, high))
        });
        Self {
            plan: plan.network,
            branches: plan.branches,
            alive: vec![false; usize::from(plan.branches)],
            pairs: pairs.collect(),
        }
    }

    /// Whether messages get from one to the other now.
    pub(super) fn is_open(&self, from: Member, to: Member) -> bool {
        let (pair, side) = self.find(from, to);
        pair.sides[side].cuts == 0
    }

    /// A process lives now.
    pub(super) fn started(&mut self, branch: Member, agenda: &mut Agenda) {
        self.alive[branch.index()] = true;
        for peer in self.peers(branch) {
            self.connect(branch, peer, agenda);
        }
    }

    /// A process has ended. Its peers learn it each at its own moment.
    pub(super) fn ended(&mut self, branch: Member, ending: Ending, agenda: &mut Agenda) {
        self.alive[branch.index()] = false;
        let notice = match ending {
            Ending::Process => Span::micros(100, 20_000),
            Ending::Machine => self.plan.notice,
        };
        for peer in self.peers(branch) {
            let (pair, side) = self.find_mut(branch, peer);
            pair.broken = true;
            pair.sides[side].up = false;
            if ending == Ending::Machine {
                pair.sides[side].stopped = pair.epoch;
            }
            let wait = notice.draw(&mut pair.random);
            agenda.arrives_after(wait, peer, Arrival::Down { peer: branch, epoch: pair.epoch });
        }
    }

    /// Cuts one way, once more if it is cut already.
    pub(super) fn cut(&mut self, from: Member, to: Member, agenda: &mut Agenda) {
        let notice = self.plan.notice;
        let (pair, side) = self.find_mut(from, to);
        pair.sides[side].cuts += 1;
        let keepalive = Event::Keepalive { low: pair.low, high: pair.high, epoch: pair.epoch };
        agenda.after(notice.draw(&mut pair.random), keepalive);
    }

    /// Takes one cut away.
    pub(super) fn restore(&mut self, from: Member, to: Member, agenda: &mut Agenda) {
        let (pair, side) = self.find_mut(from, to);
        let way = &mut pair.sides[side];
        way.cuts = way.cuts.saturating_sub(1);
        self.connect(from, to, agenda);
    }

    /// Takes all cuts away, and nothing is lost from now on.
    pub(super) fn heal(&mut self, agenda: &mut Agenda) {
        self.plan.loss = PerMille::NEVER;
        self.plan.twice = PerMille::NEVER;
        self.plan.ordered = true;
        for pair in &mut self.pairs {
            pair.sides.iter_mut().for_each(|side| side.cuts = 0);
        }
        for place in 0..self.pairs.len() {
            self.connect(self.pairs[place].low, self.pairs[place].high, agenda);
        }
    }

    /// Breaks the stream between two branches; whether there was one.
    pub(super) fn reset(&mut self, left: Member, right: Member, agenda: &mut Agenda) -> bool {
        let (pair, _) = self.find_mut(left, right);
        let was = !pair.broken;
        pair.stop_all(Span::micros(0, 5_000), agenda);
        was
    }

    /// Keepalives were sent for a while: a stream that is cut breaks.
    pub(super) fn keepalive(&mut self, low: Member, high: Member, epoch: u64, agenda: &mut Agenda) {
        let notice = self.plan.notice;
        let (pair, _) = self.find_mut(low, high);
        let cut = pair.sides.iter().any(|way| way.cuts > 0);
        if pair.epoch == epoch && !pair.broken && cut {
            pair.stop_all(notice, agenda);
        }
    }

    /// A connection may stand now: whether it does.
    pub(super) fn connected(&mut self, low: Member, high: Member, agenda: &mut Agenda) -> bool {
        let possible = self.is_possible(low, high);
        let (pair, _) = self.find_mut(low, high);
        pair.connecting = false;
        if !possible {
            return false;
        }
        pair.epoch += 1;
        pair.broken = false;
        pair.sides.iter_mut().for_each(|side| side.waiting.clear());
        let epoch = pair.epoch;
        for (to, peer) in [(low, high), (high, low)] {
            let wait = Span::micros(0, 4_000).draw(&mut pair.random);
            agenda.arrives_after(wait, to, Arrival::Up { peer, epoch });
        }
        true
    }

    /// Sends a message on the newest stream that the sender was told of, if it is not closed there.
    pub(super) fn send(
        &mut self,
        from: Member,
        to: Member,
        message: Message,
        agenda: &mut Agenda,
    ) -> Delivery {
        let plan = self.plan;
        let (pair, side) = self.find_mut(from, to);
        let sender = &mut pair.sides[side];
        let epoch = sender.epoch;
        if !sender.up || sender.stopped >= epoch {
            return Delivery::Lost;
        }
        if sender.cuts > 0 {
            pair.swallowed((from, to), epoch, &plan, agenda);
            return Delivery::Lost;
        }
        if plan.loss.happens(&mut sender.random) {
            return Delivery::Lost;
        }
        let twice = plan.twice.happens(&mut sender.random);
        let copy = twice.then(|| message.clone());
        for message in copy.into_iter().chain([message]) {
            let arrival = sender.arrival(&plan, agenda.now());
            agenda.arrives_at(arrival, to, Arrival::Message { from, epoch, message });
        }
        if twice { Delivery::Twice } else { Delivery::Once }
    }

    /// The process of `to` learns of a new stream: what it is told, with the messages that were waiting.
    pub(super) fn up(&mut self, to: Member, peer: Member, epoch: u64) -> Vec<Input> {
        let (pair, side) = self.find_mut(to, peer);
        if pair.broken || pair.epoch != epoch || pair.sides[side].epoch >= epoch {
            return Vec::new();
        }
        let from = branch_id(peer);
        let here = &mut pair.sides[side];
        let was_up = std::mem::replace(&mut here.up, true);
        here.epoch = epoch;
        let waiting = here.waiting.drain(..);
        let down = was_up.then_some(Input::PeerDown { peer: from });
        let up = down.into_iter().chain([Input::PeerUp { peer: from }]);
        up.chain(waiting.map(|message| Input::Peer { from, message })).collect()
    }

    /// The process of `to` learns that a stream is broken; nothing if it knows, or has a newer one.
    pub(super) fn down(
        &mut self,
        to: Member,
        peer: Member,
        epoch: u64,
        agenda: &mut Agenda,
    ) -> Option<Input> {
        let (pair, side) = self.find_mut(to, peer);
        if pair.epoch == epoch {
            pair.broken = true;
        }
        let here = &mut pair.sides[side];
        let news = here.up && here.epoch == epoch;
        if news {
            here.up = false;
        }
        self.connect(to, peer, agenda);
        news.then(|| Input::PeerDown { peer: branch_id(peer) })
    }

    /// A message comes to the process of `to`: it is delivered, waits for the stream to be announced, or
    /// is dropped.
    pub(super) fn message(
        &mut self,
        to: Member,
        from: Member,
        epoch: u64,
        message: Message,
        agenda: &mut Agenda,
    ) -> Option<Input> {
        let plan = self.plan;
        let (pair, there) = self.find_mut(from, to);
        if pair.sides[there].stopped >= epoch {
            return None;
        }
        if pair.sides[there].cuts > 0 {
            pair.swallowed((from, to), epoch, &plan, agenda);
            return None;
        }
        let told_there = pair.sides[there].epoch;
        let newest = pair.epoch == epoch && !pair.broken;
        let here = &mut pair.sides[1 - there];
        if here.epoch < epoch {
            if newest {
                here.waiting.push(message);
            }
            return None;
        }
        let deliverable = here.up && here.epoch == epoch && told_there == epoch;
        deliverable.then(|| Input::Peer { from: branch_id(from), message })
    }

    fn peers(&self, branch: Member) -> impl Iterator<Item = Member> + use<> {
        (0..self.branches).map(Member).filter(move |peer| *peer != branch)
    }

    fn is_possible(&self, one: Member, other: Member) -> bool {
        let (pair, _) = self.find(one, other);
        let open = pair.sides.iter().all(|way| way.cuts == 0);
        pair.broken && open && self.alive[one.index()] && self.alive[other.index()]
    }

    /// Begins to connect two branches if they are not, and can be.
    fn connect(&mut self, one: Member, other: Member, agenda: &mut Agenda) {
        let (possible, connect) = (self.is_possible(one, other), self.plan.connect);
        let (pair, _) = self.find_mut(one, other);
        if possible && !pair.connecting {
            pair.connecting = true;
            let wait = connect.draw(&mut pair.random);
            agenda.after(wait, Event::Connected(pair.low, pair.high));
        }
    }

    /// The place of a pair, and which of its sides is that of `one`.
    fn place(&self, one: Member, other: Member) -> (usize, usize) {
        let (low, high) = (one.min(other).index(), one.max(other).index());
        // The pairs of all lower branches come first.
        let before = low * (2 * usize::from(self.branches) - low - 1) / 2;
        (before + high - low - 1, usize::from(one > other))
    }

    fn find(&self, one: Member, other: Member) -> (&Pair, usize) {
        let (place, side) = self.place(one, other);
        (&self.pairs[place], side)
    }

    fn find_mut(&mut self, one: Member, other: Member) -> (&mut Pair, usize) {
        let (place, side) = self.place(one, other);
        (&mut self.pairs[place], side)
    }
}
