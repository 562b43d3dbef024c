//! To whom a branch pushes, and when: a decision of its own, apart from what a push contains.
//!
//! Every branch pushes its own log to every other, at once, and says from whom it is apart. Another branch's
//! rows ride along; by themselves they are passed on only to whom that branch cannot push them, because it
//! said so or because it is lost: they travel on where it cannot. Where there are many branches, the hub passes
//! on everything, and the others push to the hub ([`super::hub`]).

use super::Passbook;
use bank::Member;

impl Passbook {
    /// Whether `to` is to get a push, as far as it may get one.
    pub(super) fn is_push_due(&self, to: Member) -> bool {
        let peer = &self.peers[to.index()];
        if !peer.is_up() {
            return false;
        }
        if self.is_relay() {
            return peer.hears_apart || self.news_for(to).next().is_some();
        }
        if self.is_reached_by_hub(to) {
            return peer.hears_apart;
        }
        let own_news = peer.known.of(self.me) < self.visible.version().of(self.me);
        own_news
            || peer.hears_apart
            || (peer.catches_up && self.news_for(to).next().is_some())
            || (self.relays && self.news_for(to).any(|row| self.is_apart(row.origin, to)))
    }

    /// Whether `origin` cannot push to `to` itself.
    fn is_apart(&self, origin: Member, to: Member) -> bool {
        let peer = &self.peers[origin.index()];
        origin != self.me && (!peer.is_up() || peer.apart.contains(&to))
    }

    /// Whether there may be somebody who cannot push what it has to everybody.
    pub(super) fn may_have_to_relay(&self, origin: Member) -> bool {
        let peer = &self.peers[origin.index()];
        !peer.is_up() || !peer.apart.is_empty()
    }

    /// From whom this branch is apart.
    pub(super) fn apart(&self) -> Vec<Member> {
        self.others().filter(|peer| !self.peers[peer.index()].is_up()).collect()
    }

    /// This branch has lost a peer: the others hear of it, and pass on what they have of each other.
    pub(super) fn comes_apart(&mut self) {
        self.relays = true;
        for peer in self.others() {
            let peer = &mut self.peers[peer.index()];
            peer.hears_apart = peer.is_up();
        }
    }
}
