//! Push and acknowledgement: everything visible that a peer does not have, as one message.
//!
//! One push to a peer is outstanding at a time. Writes that arrive meanwhile coalesce into the next, which is
//! why the cost of a write falls as the load grows. What is pushed is, with what the peer has, causally closed.

use super::peers::Outstanding;
use super::{Incarnation, Message, Mutant, Passbook, Step};
use bank::Ack;
use bank::{Member, Row, Version};

impl Passbook {
    /// The visible rows that `to` is not known to have.
    pub(super) fn news_for(&self, to: Member) -> impl Iterator<Item = &Row> {
        let known = &self.peers[to.index()].known;
        let closed = !self.has(Mutant::PushWithoutClosure);
        self.visible.rows().iter().filter(move |row| {
            row.origin != to && row.seq > known.of(row.origin) && (closed || row.origin == self.me)
        })
    }

    /// Pushes to those that are to get one.
    pub(super) fn push_all(&mut self, step: &mut Step<'_>) {
        let mut busy = false;
        for to in self.others() {
            if self.is_push_due(to) {
                if self.peers[to.index()].outstanding.is_none() {
                    self.push(step, to, self.settings.timing.push_repeat);
                } else {
                    busy = true;
                }
            } else {
                // It lacks nothing. What comes from now on is pushed to it by its origin.
                self.peers[to.index()].catches_up = false;
            }
        }
        self.relays &= busy;
    }

    /// Pushes, and repeats it after `patience` unless it is acknowledged.
    pub(super) fn push(&mut self, step: &mut Step<'_>, to: Member, patience: std::time::Duration) {
        let rows: Vec<Row> = self.news_for(to).cloned().collect();
        let drops = self.has(Mutant::DropPush);
        let peer = &mut self.peers[to.index()];
        peer.catches_up = false;
        peer.hears_apart = false;
        peer.pushed.clone_from(&peer.acknowledged);
        for row in &rows {
            peer.pushed.raise(row.origin, row.seq);
        }
        if drops {
            let pushed = peer.pushed.clone();
            peer.acknowledges(&pushed);
        } else {
            let repeat_at = step.now.after(patience);
            peer.outstanding = Some(Outstanding { repeat_at, patience });
        }
        let apart = self.apart();
        self.send(step, to, Message::Push { rows, apart });
    }

    /// A peer pushes.
    pub(super) fn pushed(
        &mut self,
        step: &mut Step<'_>,
        from: Member,
        rows: Vec<Row>,
        apart: Vec<Member>,
    ) {
        self.relays |= !apart.is_empty();
        let peer = &mut self.peers[from.index()];
        peer.apart = apart;
        peer.shows(&rows);
        if self.has_no_room() || self.receive(step, from, rows).is_none() {
            return;
        }
        // Repeated rows are news to nobody and yet have to be acknowledged: the answer to them was lost.
        self.peers[from.index()].owed = Some(self.journal.appended());
    }

    /// Says what is durable to those who wait to hear it.
    pub(super) fn acknowledge_all(&mut self, step: &mut Step<'_>) {
        let early = self.has(Mutant::AcknowledgeBeforePersisting);
        for to in self.others() {
            let owed = self.peers[to.index()].owed;
            if !owed.is_some_and(|records| early || self.journal.holds(records)) {
                continue;
            }
            self.peers[to.index()].owed = None;
            let durable = if early { self.visible.version() } else { self.journal.durable() };
            let message = Message::Acknowledge {
                incarnation: self.settings.incarnation,
                durable: durable.clone(),
            };
            self.send(step, to, message);
        }
    }

    /// A branch says what is durable there.
    pub(super) fn acknowledged(
        &mut self,
        from: Member,
        incarnation: Incarnation,
        durable: &Version,
    ) {
        let peer = &mut self.peers[from.index()];
        if peer.incarnation == Some(incarnation) {
            peer.acknowledges(durable);
            self.hub.heard = true;
        }
    }

    /// How many branches are known to hold the own log up to each level's requirement.
    pub(super) fn reach_levels(&mut self) {
        let me = self.me;
        let own = self.journal.durable().of(me);
        self.holders.clear();
        self.holders.push(own);
        for peer in self.others() {
            self.holders.push(self.peers[peer.index()].acknowledged.of(me));
        }
        // From the one that holds most: the level's last branch says what all of them hold.
        self.holders.sort_unstable_by(|a, b| b.cmp(a));
        for ack in Ack::ALL {
            let last = ack.needed(self.holders.len()) - 1;
            self.answers.reach(ack, self.holders[last].min(own));
        }
        self.chains.acknowledged(self.holders[self.holders.len() - 1]);
    }
}
