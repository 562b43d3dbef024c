//! Streams between branches, and what breaks them.
//!
//! Between two branches there is one stream at a time, and each has a number, its epoch. Each side is
//! told of it at a moment of its own. A message arrives only where its stream is the newest that both
//! sides were told of: that is what a driver guarantees.

mod pair;
#[cfg(test)]
mod tests;

use pair::{Pair, Side};

use super::agenda::{Agenda, Coming, Event};
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

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// It will not arrive.
    pub(super) lost: bool,
    /// It will arrive twice.
    pub(super) twice: bool,
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
        pair.ways[side.index()].cuts == 0
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
            pair.sides[side.index()].up = false;
            if ending == Ending::Machine {
                pair.ways[side.index()].stopped = pair.epoch;
            }
            let wait = notice.draw(&mut pair.random);
            let what = Coming::Down { peer: branch, epoch: pair.epoch };
            agenda.after(wait, Event::Comes { to: peer, life: None, what });
        }
    }

    /// Cuts one way, once more if it is cut already.
    pub(super) fn cut(&mut self, from: Member, to: Member, agenda: &mut Agenda) {
        let notice = self.plan.notice;
        let (pair, side) = self.find_mut(from, to);
        pair.ways[side.index()].cuts += 1;
        let keepalive =
            Event::Keepalive { low: from.min(to), high: from.max(to), epoch: pair.epoch };
        let wait = notice.draw(&mut pair.random);
        agenda.after(wait, keepalive);
    }

    /// Takes one cut away.
    pub(super) fn mend(&mut self, from: Member, to: Member, agenda: &mut Agenda) {
        let (pair, side) = self.find_mut(from, to);
        let way = &mut pair.ways[side.index()];
        way.cuts = way.cuts.saturating_sub(1);
        self.connect(from, to, agenda);
    }

    /// Takes all cuts away, and nothing is lost from now on.
    pub(super) fn heal(&mut self, agenda: &mut Agenda) {
        self.plan.loss = PerMille::NEVER;
        self.plan.twice = PerMille::NEVER;
        self.plan.ordered = true;
        for pair in &mut self.pairs {
            pair.ways.iter_mut().for_each(|way| way.cuts = 0);
        }
        for low in (0..self.branches).map(Member) {
            for high in (low.0 + 1..self.branches).map(Member) {
                self.connect(low, high, agenda);
            }
        }
    }

    /// Breaks the stream between two branches; whether there was one.
    pub(super) fn reset(&mut self, left: Member, right: Member, agenda: &mut Agenda) -> bool {
        let (pair, _) = self.find_mut(left, right);
        let was = !pair.broken;
        pair.stop_all(left.min(right), left.max(right), Span::micros(0, 5_000), agenda);
        was
    }

    /// Keepalives were sent for a while: a stream that is cut breaks.
    pub(super) fn keepalive(&mut self, low: Member, high: Member, epoch: u64, agenda: &mut Agenda) {
        let notice = self.plan.notice;
        let (pair, _) = self.find_mut(low, high);
        let cut = pair.ways.iter().any(|way| way.cuts > 0);
        if pair.epoch == epoch && !pair.broken && cut {
            pair.stop_all(low, high, notice, agenda);
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
            let what = Coming::Up { peer, epoch };
            agenda.after(wait, Event::Comes { to, life: None, what });
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
    ) -> Sent {
        let plan = self.plan;
        let (pair, side) = self.find_mut(from, to);
        let sender = &pair.sides[side.index()];
        let epoch = sender.epoch;
        if !sender.up || pair.ways[side.index()].stopped >= epoch {
            return Sent { lost: true, twice: false };
        }
        if pair.ways[side.index()].cuts > 0 {
            pair.swallowed(side, epoch, &plan, (from, to), agenda);
            return Sent { lost: true, twice: false };
        }
        let way = &mut pair.ways[side.index()];
        if plan.loss.happens(&mut way.random) {
            return Sent { lost: true, twice: false };
        }
        let twice = plan.twice.happens(&mut way.random);
        if twice {
            let arrival = way.arrival(&plan, agenda.now());
            let what = Coming::Message { from, epoch, message: message.clone() };
            agenda.at(arrival, Event::Comes { to, life: None, what });
        }
        let arrival = way.arrival(&plan, agenda.now());
        let what = Coming::Message { from, epoch, message };
        agenda.at(arrival, Event::Comes { to, life: None, what });
        Sent { lost: false, twice }
    }

    /// The process of `to` learns of a new stream: what it is told, with the messages that were waiting.
    pub(super) fn up(&mut self, to: Member, peer: Member, epoch: u64) -> Vec<Input> {
        let (pair, side) = self.find_mut(to, peer);
        if pair.broken || pair.epoch != epoch || pair.sides[side.index()].epoch >= epoch {
            return Vec::new();
        }
        let from = branch_id(peer);
        let here = &mut pair.sides[side.index()];
        let mut inputs = Vec::new();
        if here.up {
            inputs.push(Input::PeerDown { peer: from });
        }
        here.up = true;
        here.epoch = epoch;
        inputs.push(Input::PeerUp { peer: from });
        let waiting = here.waiting.drain(..);
        inputs.extend(waiting.map(|message| Input::Peer { from, message }));
        inputs
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
        let here = &mut pair.sides[side.index()];
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
        if pair.ways[there.index()].stopped >= epoch {
            return None;
        }
        if pair.ways[there.index()].cuts > 0 {
            pair.swallowed(there, epoch, &plan, (from, to), agenda);
            return None;
        }
        let told_there = pair.sides[there.index()].epoch;
        let newest = pair.epoch == epoch && !pair.broken;
        let here = &mut pair.sides[there.other().index()];
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
        let open = pair.ways.iter().all(|way| way.cuts == 0);
        pair.broken && open && self.alive[one.index()] && self.alive[other.index()]
    }

    /// Begins to connect two branches if they are not, and can be.
    fn connect(&mut self, one: Member, other: Member, agenda: &mut Agenda) {
        let (possible, connect) = (self.is_possible(one, other), self.plan.connect);
        let (pair, _) = self.find_mut(one, other);
        if possible && !pair.connecting {
            pair.connecting = true;
            let wait = connect.draw(&mut pair.random);
            agenda.after(wait, Event::Connected(one.min(other), one.max(other)));
        }
    }

    fn place(&self, one: Member, other: Member) -> (usize, Side) {
        let (low, high) = (usize::from(one.0.min(other.0)), usize::from(one.0.max(other.0)));
        let branches = usize::from(self.branches);
        // The pairs of all lower branches come first.
        let before = low * (2 * branches - low - 1) / 2;
        let side = if one < other { Side::Low } else { Side::High };
        (before + high - low - 1, side)
    }

    fn find(&self, one: Member, other: Member) -> (&Pair, Side) {
        let (place, side) = self.place(one, other);
        (&self.pairs[place], side)
    }

    fn find_mut(&mut self, one: Member, other: Member) -> (&mut Pair, Side) {
        let (place, side) = self.place(one, other);
        (&mut self.pairs[place], side)
    }
}
