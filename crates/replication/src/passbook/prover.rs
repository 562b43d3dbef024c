//! One branch proves for all: where there are many branches, each that needs a proof asks the hub.
//!
//! A collect costs four messages for every other branch. Near zero every branch needs one at every moment, and
//! while they crowd each other out, money moves: the slower a collect, the less it proves. The prover's
//! collect serves all who had asked when it began. So the instant that it proves something of lies between their
//! question and its answer, as if they had collected themselves.

use super::borrow::Errand;
use super::collect::{Collect, Way, join};
use super::{Effect, Message, Mutant, Note, Passbook, Step};
use bank::{Member, Row, Version};

/// Another branch that waits for a proof.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) member: Member,
    /// The name that it gave to its question.
    id: u64,
    /// What it sees already.
    known: Version,
}

impl Passbook {
    /// How this branch comes to a proof.
    pub(super) fn way(&self) -> Way {
        match self.hub.at {
            Some(hub) if hub != self.me => Way::Through(hub),
            _ => Way::Alone,
        }
    }

    /// A branch asks for a proof. It waits for the next collect: the one on its way may have begun before the
    /// withdrawals there.
    pub(super) fn asked_for_proof(
        &mut self,
        step: &mut Step<'_>,
        from: Member,
        (id, known): (u64, Version),
    ) {
        let is_it = |asker: &Asker| asker.member == from && asker.id == id;
        let served = self.collect.as_ref().is_some_and(|collect| collect.askers.iter().any(is_it));
        if served {
            return;
        }
        let asker = Asker { member: from, id, known };
        if self.has(Mutant::AskerJoinsCollect)
            && let Some(collect) = &mut self.collect
        {
            collect.askers.push(asker);
            return;
        }
        // Of two questions of one branch only the later one is still open.
        self.askers.retain(|asker| asker.member != from);
        self.askers.push(asker);
        self.start_collect(step);
    }

    /// The collect that others have waited for is complete.
    pub(super) fn tell_askers(&self, step: &mut Step<'_>, collect: &Collect) {
        for Asker { member, id, known } in &collect.askers {
            let news = collect.first.iter().filter(|row| row.seq > known.of(row.origin));
            let moved = collect.first.iter().zip(&collect.second);
            let moved = moved.filter(|(first, second)| first.seq != second.seq);
            let proved = Message::Proved {
                id: *id,
                first: news.cloned().collect(),
                second: moved.map(|(_, second)| second.clone()).collect(),
            };
            self.send(step, *member, proved);
        }
    }

    /// There will be no proof for those who asked.
    pub(super) fn disappoint(&self, step: &mut Step<'_>, askers: Vec<Asker>) {
        for Asker { member, id, .. } in askers {
            self.send(step, member, Message::Unproved { id });
        }
    }

    /// The proof that was asked for. The ledger that it rests on is news as in a push.
    pub(super) fn proved(
        &mut self,
        step: &mut Step<'_>,
        from: Member,
        (id, first, second): (u64, Vec<Row>, &[Row]),
    ) {
        let asked = |collect: &mut Collect| collect.id == id && collect.way == Way::Through(from);
        let Some(mut collect) = self.collect.take_if(asked) else {
            return;
        };
        join(&mut collect.first, &first);
        collect.second.clone_from(&collect.first);
        for row in second {
            if let Some(own) = collect.second.get_mut(row.origin.index()) {
                own.clone_from(row);
            }
        }
        // The prover need not hold it: its disk may be full.
        if self.has_no_room() || self.receive(step, from, first).is_some() {
            self.judge(step, &collect);
        }
    }

    /// The prover cannot reach everybody.
    pub(super) fn unproved(&mut self, step: &mut Step<'_>, from: Member, id: u64) {
        let asked = |collect: &mut Collect| collect.id == id && collect.way == Way::Through(from);
        if let Some(collect) = self.collect.take_if(asked) {
            step.effects.push(Effect::Note(Note::CollectEnds { complete: false }));
            self.reject_snapshots(step, &collect);
            if matches!(self.errand, Errand::Proving) {
                self.give_up_on_rights(step);
            }
            self.start_collect(step);
        }
    }
}
