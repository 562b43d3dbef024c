//! Hello: the first message both ways on each new stream. Nothing else is processed before it.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::journal::Compared;
use super::peers::Stream;
use super::{Effect, Hello, Message, Mutant, Passbook, Record, Step, Stop};
use crate::ClusterId;
use bank::Member;

impl Passbook {
    /// A new stream to a peer is open.
    pub(super) fn peer_up(&mut self, step: &mut Step<'_>, peer: Member) {
        self.peer_lost(step, peer);
        let repeat_at = step.now.after(self.settings.timing.hello_repeat);
        self.peers[peer.index()].reset(Stream::Opening(repeat_at));
        if self.has(Mutant::BeforeHello) && self.peers[peer.index()].incarnation.is_some() {
            self.peers[peer.index()].reset(Stream::Up);
        }
        if self.journal.is_recovered() {
            self.say_hello(step, peer);
        }
    }

    /// The stream to a peer is closed.
    pub(super) fn peer_down(&mut self, step: &mut Step<'_>, peer: Member) {
        self.peer_lost(step, peer);
    }

    /// Nothing more comes from a peer on the stream before.
    fn peer_lost(&mut self, step: &mut Step<'_>, peer: Member) {
        let was_up = self.peers[peer.index()].is_up();
        self.peers[peer.index()].reset(Stream::Down);
        if was_up {
            self.comes_apart();
            self.hub.heard = true;
            self.askers.retain(|asker| asker.member != peer);
            self.abort_collect(step);
            self.end_ask_of(step, peer);
        }
    }

    pub(super) fn say_hello(&mut self, step: &mut Step<'_>, to: Member) {
        let peer = &self.peers[to.index()];
        let copy = &self.visible.rows()[to.index()];
        let hello = Hello {
            configuration: self.settings.configuration().into(),
            incarnation: self.settings.incarnation,
            yours: peer.incarnation,
            durable: self.journal.durable().clone(),
            your_log: (copy.seq, copy.chain),
            heard: peer.is_up(),
        };
        self.send(step, to, Message::Hello(hello));
    }

    /// A peer says who it is and what it knows.
    pub(super) fn hello(&mut self, step: &mut Step<'_>, from: Member, hello: Hello) {
        let peer = &self.peers[from.index()];
        if !self.journal.is_recovered()
            || peer.stream == Stream::Down
            || hello.durable.members() != hello.configuration.branches.len()
        {
            return;
        }
        if let Some(why) = self.settings.configuration().mismatch(&hello.configuration) {
            step.effects.push(Effect::Refuse { peer: peer.id, why });
            return;
        }
        if let Some(reason) = self.has_amnesia(from, &hello) {
            self.stop(step, reason);
            return;
        }
        let checked = !self.has(Mutant::IncarnationUnchecked);
        if checked && peer.incarnation.is_some_and(|known| known != hello.incarnation) {
            // It comes back without its memory; our own hello tells it so.
            return;
        }
        if peer.incarnation.is_none() {
            self.bind(step, from, &hello);
        } else if !checked {
            self.peers[from.index()].incarnation = Some(hello.incarnation);
        }
        let answer = !hello.heard;
        if !self.peers[from.index()].is_up() {
            self.peers[from.index()].is_heard(hello.durable);
            self.hub.heard = true;
        }
        if answer {
            self.say_hello(step, from);
        }
    }

    /// Whether a peer knows more of this branch than the branch itself.
    fn has_amnesia(&self, from: Member, hello: &Hello) -> Option<Stop> {
        let peer = self.peers[from.index()].id;
        let checked = !self.has(Mutant::IncarnationUnchecked);
        if checked && hello.yours.is_some_and(|known| known != self.settings.incarnation) {
            return Some(Stop::OtherLife { peer });
        }
        let (theirs, chain) = hello.your_log;
        let ours = self.own.seq;
        if theirs > ours {
            return Some(Stop::LostEntries { peer, theirs, ours });
        }
        (self.chains.compare(theirs, chain) == Compared::Other).then_some(Stop::OtherLog { peer })
    }

    /// From now on only this life of the peer belongs to the cluster.
    fn bind(&mut self, step: &mut Step<'_>, from: Member, hello: &Hello) {
        self.peers[from.index()].incarnation = Some(hello.incarnation);
        let record = Record::Bound { peer: from, incarnation: hello.incarnation };
        self.record_life(step, record);
        self.know_cluster();
    }

    /// The cluster has a name as soon as all its lives are known: in memory mode one that a cluster
    /// started anew does not have.
    pub(super) fn know_cluster(&mut self) {
        let mut hasher = SipHasher13::new();
        hasher.write_u64(self.settings.configuration_hash());
        for (place, peer) in (0..).map(Member).zip(&self.peers) {
            let life =
                if place == self.me { Some(self.settings.incarnation) } else { peer.incarnation };
            let Some(life) = life else {
                return;
            };
            hasher.write_u64(life.0);
        }
        self.cluster = Some(ClusterId(hasher.finish()));
    }
}
