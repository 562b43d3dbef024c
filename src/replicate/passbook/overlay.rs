//! To whom a branch pushes, and when: a decision of its own, apart from what a push contains.
//!
//! Every branch pushes its own log to every other, at once. Another branch's rows ride along with that; by
//! themselves they are passed on only after a while, since that branch pushes them too: they travel on
//! where it cannot.

use super::{Passbook, Step};
use crate::bank::Member;

impl Passbook {
    /// Whether others' rows have waited long enough to be passed on.
    pub(super) fn relays(&self, step: &Step<'_>) -> bool {
        let relay_after = self.settings.timing.relay_after;
        self.relay_since.is_some_and(|since| step.now >= since.after(relay_after))
    }

    /// Whether `to` is to get a push, as far as it may get one.
    pub(super) fn is_push_due(&self, to: Member, relays: bool) -> bool {
        let peer = &self.peers[to.index()];
        if !peer.is_up() {
            return false;
        }
        let own_news = peer.known.of(self.me) < self.visible.version().of(self.me);
        own_news || ((relays || peer.catches_up) && self.news_for(to).next().is_some())
    }
}
