//! Staged, durable, visible: three states of the same entry.
//!
//! *Staged* is what is in the journal, *durable* what is on disk, *visible* the own durable row and the rows
//! received. What is staged is never pushed, shown, collected or answered; only rights are computed from it.

use std::collections::VecDeque;

use super::peers::Stream;
use super::{Effect, Mutant, Passbook, Record, Room, Step, Stop, Storage};
use crate::Ticket;
use bank::{Chain, Entry, Member, RequestId, Row, Seq, Version};

/// What becomes durable with a record.
#[derive(Debug)]
enum Mark {
    /// The own log up to here.
    Own(Row),
    /// So much of other branches' logs.
    Received(Box<[(Member, Seq)]>),
    /// Everything that was replayed.
    Replayed,
    /// Who somebody is.
    Life,
}

/// How much of the journal is where.
#[derive(Debug)]
pub(super) struct Journal {
    storage: Storage,
    /// Records so far.
    appended: u64,
    /// How many of them are on disk.
    persisted: u64,
    /// What each record that is not on disk will make durable.
    marks: VecDeque<(u64, Mark)>,
    /// What is durable here.
    durable: Version,
    /// Nothing is served before so many records are on disk: who is who is among them.
    hold: u64,
    /// Nothing is said to anybody before so many records are on disk: the life began with them, or they
    /// were replayed.
    begins: u64,
    /// Whether it can grow.
    pub(super) room: Room,
}

impl Journal {
    pub(super) fn new(storage: Storage, members: usize) -> Self {
        Self {
            storage,
            appended: 0,
            persisted: 0,
            marks: VecDeque::new(),
            durable: Version::zero(members),
            hold: 0,
            begins: 0,
            room: Room::Enough,
        }
    }

    pub(super) const fn durable(&self) -> &Version {
        &self.durable
    }

    pub(super) const fn appended(&self) -> u64 {
        self.appended
    }

    /// Whether so many records are on disk.
    pub(super) const fn holds(&self, records: u64) -> bool {
        self.persisted >= records
    }

    pub(super) const fn is_recovered(&self) -> bool {
        self.persisted >= self.begins
    }

    pub(super) const fn is_settled(&self) -> bool {
        self.is_recovered() && self.persisted >= self.hold
    }

    /// So many records were read from the journal. They count as durable once they are synced, which they
    /// may never have been.
    pub(super) fn replayed(&mut self, records: u64) {
        self.appended = records;
        self.hold = records;
        self.begins = records;
        self.marks.push_back((records, Mark::Replayed));
    }

    /// A life has begun with what is written down by now. If it were known to others before it is
    /// durable, a crash would turn the branch into one that came back without its memory.
    pub(super) fn founded(&mut self) {
        match self.storage {
            Storage::Memory => self.persisted = self.appended,
            Storage::Journal => self.begins = self.appended,
        }
    }

    fn append(&mut self, mark: impl FnOnce() -> Mark) {
        self.appended += 1;
        if self.storage == Storage::Journal {
            self.marks.push_back((self.appended, mark()));
        }
    }
}

impl Passbook {
    /// Writes down an entry of the own log, for whoever asked for it.
    pub(super) fn stage(
        &mut self,
        step: &mut Step<'_>,
        entry: Entry,
        request: Option<RequestId>,
        ticket: Option<Ticket>,
    ) -> Seq {
        self.append_own(&entry, request);
        let own = &self.own;
        let record = Record::Own { seq: own.seq, entry, request, chain: own.chain };
        step.effects.push(Effect::Persist { record, ticket });
        self.journal.append(|| Mark::Own(own.clone()));
        self.own.seq
    }

    pub(super) fn append_own(&mut self, entry: &Entry, request: Option<RequestId>) {
        self.own.append(entry, request);
        self.rights += match *entry {
            Entry::Grant { .. } if self.has(Mutant::GrantWithoutDebiting) => 0,
            Entry::Deposit(amount) => i128::from(amount.minor_units()),
            Entry::Withdraw(amount) | Entry::Grant { amount, .. } => {
                -i128::from(amount.minor_units())
            }
        };
    }

    /// Takes in rows of other branches that arrived together, and writes down those that are news as one
    /// record: taken apart they might not be causally closed. `None` if the branch has to stop.
    pub(super) fn receive(
        &mut self,
        step: &mut Step<'_>,
        from: Member,
        mut rows: Vec<Row>,
    ) -> Option<()> {
        let rights_before = self.rights;
        let mut stop = None;
        rows.retain(|row| match self.join(from, row) {
            Ok(news) => news,
            Err(reason) => {
                stop = Some(reason);
                false
            }
        });
        if let Some(reason) = stop {
            self.stop(step, reason);
            return None;
        }
        if rows.is_empty() {
            return Some(());
        }
        // Between two rows of one push the ledger is no balance that anybody could see.
        self.lowest = self.lowest.min(self.visible.total());
        self.relays |= rows.iter().any(|row| self.may_have_to_relay(row.origin));
        if self.has(Mutant::PushRowByRow) {
            for row in rows {
                self.record_received(step, vec![row]);
            }
        } else {
            self.record_received(step, rows);
        }
        if self.rights > rights_before {
            self.rights_arrived(step);
        }
        Some(())
    }

    fn record_received(&mut self, step: &mut Step<'_>, rows: Vec<Row>) {
        self.journal.append(|| Mark::Received(rows.iter().map(|r| (r.origin, r.seq)).collect()));
        step.effects.push(Effect::Persist { record: Record::Received { rows }, ticket: None });
    }

    /// Whether `row` was news.
    fn join(&mut self, from: Member, row: &Row) -> Result<bool, Stop> {
        if row.origin == self.me {
            let (theirs, ours) = (row.seq, self.own.seq);
            let peer = self.peers[from.index()].id;
            return if theirs > ours {
                Err(Stop::LostEntries { peer, theirs, ours })
            } else {
                Ok(false)
            };
        }
        let Some(held) = self.visible.row(row.origin) else {
            return Ok(false);
        };
        let granted_before = held.granted.to(self.me);
        let entries = row.seq.0.saturating_sub(held.seq.0);
        let news = self
            .visible
            .join(row)
            .map_err(|fork| Stop::Fork { origin: self.peers[fork.0.index()].id })?;
        if news {
            self.rights += row.granted.to(self.me).signed() - granted_before.signed();
            self.applied += entries;
            self.news = true;
        } else if self.has(Mutant::GrantCountedTwice) {
            self.rights += granted_before.signed();
        }
        Ok(news)
    }

    /// Notes who a branch is.
    pub(super) fn record_life(&mut self, step: &mut Step<'_>, record: Record) {
        self.journal.append(|| Mark::Life);
        self.journal.hold = self.journal.appended;
        step.effects.push(Effect::Persist { record, ticket: None });
    }

    /// The first `upto` records are on disk: what they made durable can be shown.
    pub(super) fn persisted(&mut self, step: &mut Step<'_>, upto: u64) {
        let recovered = self.journal.is_recovered();
        self.count_as_durable(upto);
        if !recovered && self.journal.is_recovered() {
            for peer in self.others() {
                if self.peers[peer.index()].stream != Stream::Down {
                    self.say_hello(step, peer);
                }
            }
        }
    }

    pub(super) fn count_as_durable(&mut self, upto: u64) {
        self.journal.persisted = self.journal.persisted.max(upto.min(self.journal.appended));
        let mut own = None;
        while let Some((_, mark)) = self.journal.marks.pop_front_if(|(record, _)| *record <= upto) {
            match mark {
                Mark::Own(row) => own = Some(row),
                Mark::Received(seqs) => {
                    for (member, seq) in seqs {
                        self.journal.durable.raise(member, seq);
                    }
                }
                Mark::Replayed => {
                    self.journal.durable.join(self.visible.version());
                    own = Some(self.own.clone());
                }
                Mark::Life => {}
            }
        }
        if let Some(row) = own {
            self.publish(&row);
        }
    }

    /// In memory mode everything that is staged is durable as soon as there is nothing else to do.
    pub(super) fn persist_in_memory(&mut self) {
        if self.journal.storage == Storage::Memory {
            self.journal.persisted = self.journal.appended;
            self.journal.durable.join(self.visible.version());
            self.publish_staged();
        }
    }

    pub(super) fn publish_staged(&mut self) {
        if self.visible.version().of(self.me) < self.own.seq {
            let row = self.own.clone();
            self.publish(&row);
        }
    }

    /// Makes the own log visible up to `row`.
    fn publish(&mut self, row: &Row) {
        self.journal.durable.raise(self.me, row.seq);
        // The own row is written here alone, so it cannot be a fork of itself.
        if self.visible.join(row) == Ok(true) {
            self.lowest = self.lowest.min(self.visible.total());
            self.chains.publish(row.seq, row.chain);
            self.news = true;
        }
    }
}

/// Hashes over those prefixes of the own log that a peer may hold.
#[derive(Debug)]
pub(super) struct Chains {
    known: VecDeque<(Seq, Chain)>,
    most: usize,
}

/// What a hash over a prefix of the own log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// It is of this log, or so old that it cannot be told.
    Compatible,
    /// It is of another log.
    Other,
}

impl Chains {
    pub(super) const fn new(most: usize) -> Self {
        Self { known: VecDeque::new(), most }
    }

    pub(super) fn publish(&mut self, seq: Seq, chain: Chain) {
        if self.known.back().is_none_or(|(last, _)| *last < seq) {
            if self.known.len() == self.most {
                self.known.pop_front();
            }
            self.known.push_back((seq, chain));
        }
    }

    /// Every peer has acknowledged `seq`: nobody will come with less.
    pub(super) fn acknowledged(&mut self, seq: Seq) {
        while self.known.pop_front_if(|(known, _)| *known < seq).is_some() {}
    }

    pub(super) fn compare(&self, seq: Seq, chain: Chain) -> Compared {
        let known = self.known.binary_search_by_key(&seq, |(known, _)| *known);
        let oldest = self.known.front().map(|(seq, _)| *seq);
        match known {
            Ok(place) if self.known[place].1 == chain => Compared::Compatible,
            Err(_) if oldest.is_none_or(|oldest| seq < oldest) => Compared::Compatible,
            Ok(_) | Err(_) => Compared::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_kept_back_to_the_least_acknowledged_and_within_bounds() {
        let mut chains = Chains::new(3);
        for seq in 1..=5 {
            chains.publish(Seq(seq), Chain(seq * 10));
        }
        assert_eq!(chains.compare(Seq(4), Chain(40)), Compared::Compatible);
        assert_eq!(chains.compare(Seq(4), Chain(41)), Compared::Other);
        assert_eq!(chains.compare(Seq(1), Chain(99)), Compared::Compatible, "forgotten");
        chains.acknowledged(Seq(5));
        assert_eq!(chains.compare(Seq(4), Chain(41)), Compared::Compatible, "nobody comes with it");
        assert_eq!(chains.compare(Seq(6), Chain(60)), Compared::Other, "never published");
    }
}
