//! Start and restart: from a journal, or from nothing.
//!
//! The served bank starts every branch in memory. Journals are ahead of it: only the simulation restarts
//! branches from them.
//!
//! Replayed records may never have been synced: a process that is killed leaves them in the page cache. So they
//! count as durable, and anything else begins, only after the driver has synced the journal and reports it.

use super::context::Chance;
use super::engine::Engine;
use super::local_log::OwnEntry;
use super::{Corrupt, Mutant, Passbook, Record, Settings, Storage};
use crate::{Effect, Instant};
use bank::Member;

impl Passbook {
    /// Starts a branch from its journal, which is empty for a new branch and always in memory. The driver
    /// performs the effects first. Replayed records count as durable, and anything else begins, only after
    /// [`crate::Input::Persisted`] covers them: sync the journal before. Fails if the journal cannot be replayed.
    pub fn start(
        settings: Settings,
        journal: Vec<Record>,
        effects: &mut Vec<Effect>,
    ) -> Result<Self, Corrupt> {
        let mut replica = Self::new(settings);
        if journal.is_empty() {
            replica.found(effects);
        } else {
            replica.replay(journal)?;
        }
        replica.engine.started(&replica.settings);
        Ok(replica)
    }

    /// Starts a branch that keeps everything in memory.
    pub fn in_memory(settings: Settings) -> Self {
        let mut replica = Self::new(Settings { storage: Storage::Memory, ..settings });
        // There is no journal for the first record.
        replica.found(&mut Vec::new());
        replica.engine.started(&replica.settings);
        replica
    }

    fn new(settings: Settings) -> Self {
        let me = settings.member(settings.me).unwrap_or(Member(0));
        let (chance, engine) = (Chance::new(settings.seed), Engine::new(&settings, me));
        Self { me, settings, chance, engine }
    }

    fn found(&mut self, effects: &mut Vec<Effect>) {
        let (engine, mut ctx) = self.step(Instant::default(), effects);
        engine.found(&mut ctx);
    }

    fn replay(&mut self, mut journal: Vec<Record>) -> Result<(), Corrupt> {
        let length = journal.len();
        if self.settings.has(Mutant::ReuseSeqAfterRestart)
            && matches!(journal.last(), Some(Record::Own { .. }))
        {
            journal.pop();
        }
        if self.settings.has(Mutant::JournalCutInTheMiddle) && length > 6 {
            journal.remove(length / 2);
        }
        for (number, record) in (1..).zip(journal) {
            self.replay_record(number, record)?;
        }
        self.engine.replayed(&self.settings, u64::try_from(length).unwrap_or(u64::MAX));
        Ok(())
    }

    fn replay_record(&mut self, number: u64, record: Record) -> Result<(), Corrupt> {
        let broken = Corrupt::Broken { record: number };
        match record {
            Record::Founded { incarnation, configuration } if number == 1 => {
                if configuration != self.settings.configuration_hash() {
                    return Err(Corrupt::OtherConfiguration);
                }
                self.settings.incarnation = incarnation;
                Ok(())
            }
            Record::Founded { .. } => Err(Corrupt::Misplaced { record: number }),
            _ if number == 1 => Err(Corrupt::Misplaced { record: 1 }),
            Record::Bound { peer, incarnation } => {
                self.engine.replay_incarnation(peer, incarnation).ok_or(broken)
            }
            Record::Own { seq, entry, request, chain } => {
                let own = OwnEntry { seq, entry, request, chain };
                self.engine.replay_own(&self.settings, &own, broken)
            }
            Record::Received { rows } => self.engine.replay_received(&self.settings, &rows, broken),
        }
    }
}
