//! The hub: where there are many branches, one passes on what the others push, and who has it.
//!
//! Of N branches that all write, each would push to all others and hear from them: 2 N (N - 1) messages a round,
//! and messages are what a write costs. With a hub each pushes to the hub only, and the hub pushes everybody's
//! rows to everybody and tells each how much of its log the others hold: about 5 N. Who cannot be reached
//! through the hub, and everybody if the hub is slow, is pushed to as without one.
//!
//! Only in memory: there a branch that is gone does not come back, so what it was known to hold stays true. With
//! a journal it may come back with less, and then it has to speak for itself.

use super::settings::Storage;
use super::{Message, Mutant, Passbook, Step};
use crate::{ClusterId, Instant};
use bank::Ack;
use bank::{Member, Seq, Version};

/// What the hub has told a branch of its own log: how much is held by all that the hub reaches, and by a majority.
pub(super) type Told = [Seq; 2];

/// Whether the hub passes on what this branch pushes to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Passing {
    /// Nothing is known to be late.
    #[default]
    Fine,
    /// So much was to be passed on at that instant.
    Watched(Seq, Instant),
    /// It was late, and has not spoken since.
    Late,
}

/// What a branch knows of the hub.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hub {
    /// Which branch it is, if there is one.
    pub(super) at: Option<Member>,
    passing: Passing,
    /// As the hub: somebody may hold more than when branches were last told of it.
    pub(super) heard: bool,
}

impl Hub {
    /// Nothing is on its way.
    pub(super) fn new(at: Option<Member>) -> Self {
        Self { at, passing: Passing::default(), heard: false }
    }
}

impl Passbook {
    /// The hub, if what is pushed goes through another branch.
    fn relay(&self) -> Option<Member> {
        let in_memory = self.settings.storage == Storage::Memory;
        let hub = self.hub.at.filter(|hub| in_memory && *hub != self.me)?;
        (self.peers[hub.index()].is_up() && self.hub.passing != Passing::Late).then_some(hub)
    }

    /// Whether this branch passes on what the others push.
    pub(super) fn is_relay(&self) -> bool {
        self.hub.at == Some(self.me) && self.settings.storage == Storage::Memory
    }

    /// Whether `to` gets what is news here from the hub.
    pub(super) fn is_reached_by_hub(&self, to: Member) -> bool {
        self.relay().is_some_and(|hub| hub != to && !self.peers[hub.index()].apart.contains(&to))
    }

    /// How much of the own log all of those have that the hub reaches.
    fn passed_on(&self) -> Option<Seq> {
        let reached = self.others().map(|to| (to, &self.peers[to.index()]));
        let reached = reached.filter(|(to, peer)| peer.is_up() && self.is_reached_by_hub(*to));
        reached.map(|(_, peer)| peer.known.of(self.me)).min()
    }

    /// Whether the hub has yet to pass something on.
    pub(super) fn is_being_passed_on(&self) -> bool {
        self.passed_on().is_some_and(|seq| seq < self.visible.version().of(self.me))
    }

    /// Goes round the hub if it takes too long.
    pub(super) fn watch_hub(&mut self, step: &Step<'_>) {
        let Some(passed) = self.passed_on() else {
            return;
        };
        let all = self.visible.version().of(self.me);
        self.hub.passing = match self.hub.passing {
            Passing::Watched(seq, since) if passed < seq => {
                if since.after(self.settings.timing.hub_patience) <= step.now {
                    Passing::Late
                } else {
                    self.hub.passing
                }
            }
            _ if passed < all => Passing::Watched(all, step.now),
            _ => Passing::Fine,
        };
    }

    /// The hub tells each branch who holds its log, as soon as a level of acknowledgement has risen by that.
    pub(super) fn tell_holders(&mut self, step: &mut Step<'_>) {
        let news = std::mem::take(&mut self.hub.heard);
        let Some(cluster) = self.cluster.filter(|_| news && self.is_relay()) else {
            return;
        };
        for to in self.others() {
            let here = self.journal.durable().of(to);
            let peer = &self.peers[to.index()];
            // Of most logs everybody has everything, and was told so.
            if !peer.is_up() || peer.told[0] >= here {
                continue;
            }
            self.holders.clear();
            self.holders.push(here);
            for other in self.others().filter(|other| *other != to) {
                let peer = &self.peers[other.index()];
                if peer.is_up() {
                    self.holders.push(peer.acknowledged.of(to));
                }
            }
            self.holders.sort_unstable_by(|a, b| b.cmp(a));
            let all = self.holders.last().copied().unwrap_or_default();
            // Besides the branch itself.
            let others = Ack::Majority.needed(self.peers.len()) - 1;
            let majority = others.checked_sub(1).and_then(|last| self.holders.get(last));
            let levels = [all, majority.copied().unwrap_or_default()];
            let told = &mut self.peers[to.index()].told;
            if levels.iter().zip(&*told).any(|(level, told)| level > told) {
                *told = levels;
                let held = self.holders_of(to);
                self.send(step, to, Message::Held { cluster, held });
            }
        }
    }

    /// How much of a branch's log each branch is known to hold, by member.
    fn holders_of(&self, of: Member) -> Version {
        let here = self.journal.durable().of(of);
        let members = (0..).map(Member).zip(&self.peers);
        let held = members.map(|(member, peer)| {
            if member == self.me {
                here
            } else if self.has(Mutant::HubTellsPushed) {
                peer.pushed.of(of)
            } else {
                peer.acknowledged.of(of)
            }
        });
        held.collect()
    }

    /// The hub says how much of the own log each branch holds.
    pub(super) fn held(
        &mut self,
        step: &mut Step<'_>,
        from: Member,
        cluster: ClusterId,
        held: &Version,
    ) {
        // Said of the same lives: what a life in memory holds it holds to its end.
        if self.cluster != Some(cluster) || self.settings.storage != Storage::Memory {
            return;
        }
        self.hub.passing = Passing::Fine;
        for member in self.others() {
            let seq = held.of(member);
            if seq <= self.own.seq {
                let peer = &mut self.peers[member.index()];
                let before = peer.acknowledged.of(self.me);
                peer.holds(self.me, seq);
                self.note_held(step, member, before, Some(from));
            }
        }
    }
}
