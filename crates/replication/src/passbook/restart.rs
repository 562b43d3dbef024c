//! Start and restart: from a journal, or from nothing.
//!
//! The served bank starts every branch in memory. Journals are ahead of it: only the simulation restarts
//! branches from them.
//!
//! Replayed records may never have been synced: a process that is killed leaves them in the page cache. So they
//! count as durable, and anything else begins, only after the driver has synced the journal and reports it.

use super::{Context, Corrupt, Effect, Engine, Mutant, Passbook, Record, Settings, Storage};
use crate::Instant;

impl Passbook {
    /// Starts a branch from its journal, which is empty for a new branch and always in memory. The driver
    /// performs the effects first. Replayed records count as durable, and anything else begins, only after
    /// [`super::Input::Persisted`] covers them: sync the journal before. Fails if the journal cannot be replayed.
    pub fn start(
        settings: Settings,
        journal: Vec<Record>,
        effects: &mut Vec<Effect>,
    ) -> Result<Self, Corrupt> {
        let mut replica = Self::new(settings);
        if journal.is_empty() {
            replica.handle(Instant::default(), effects, Engine::found);
        } else {
            replica.replay(journal)?;
        }
        Ok(replica)
    }

    /// Starts a branch that keeps everything in memory.
    pub fn in_memory(settings: Settings) -> Self {
        let mut replica = Self::new(Settings { storage: Storage::Memory, ..settings });
        // There is no journal for the first record.
        replica.handle(Instant::default(), &mut Vec::new(), Engine::found);
        replica
    }

    fn new(settings: Settings) -> Self {
        let ctx = Context::new(settings);
        Self { engine: Engine::new(&ctx), ctx }
    }

    fn replay(&mut self, mut journal: Vec<Record>) -> Result<(), Corrupt> {
        let length = journal.len();
        if self.ctx.has(Mutant::ReuseSeqAfterRestart)
            && matches!(journal.last(), Some(Record::Own { .. }))
        {
            journal.pop();
        }
        if self.ctx.has(Mutant::JournalCutInTheMiddle) && length > 6 {
            journal.remove(length / 2);
        }
        for (number, record) in (1..).zip(journal) {
            self.engine.replay(&mut self.ctx, number, record)?;
        }
        self.engine.replayed(&mut self.ctx, u64::try_from(length).unwrap_or(u64::MAX));
        Ok(())
    }
}
