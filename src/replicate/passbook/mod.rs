//! Rows, escrow and session tokens: right under any concurrency and fault.

mod message;
mod mutant;
mod session;
mod settings;

pub use message::{Corrupt, Hello, Incarnation, Message, Priority, Record, Round, Stop};
pub use mutant::Mutant;
pub use session::Session;
pub use settings::{Limits, ROUNDS_MAX, Settings, Storage, Timing};

use super::{Audit, Effect, Input, Instant, Replication};
use crate::bank::{Ledger, Row, Version};

/// One branch under the passbook scheme.
#[derive(Debug)]
pub struct Passbook {
    _settings: Settings,
}

impl Passbook {
    /// Starts a branch from what its journal holds: nothing at all for a new one, and always in memory
    /// mode. The effects are what is to be done first. What was replayed counts as durable, and anything
    /// else begins, only after [`Input::Persisted`] covers it: sync the journal before.
    pub fn start(
        _settings: Settings,
        _journal: Vec<Record>,
        _effects: &mut Vec<Effect>,
    ) -> Result<Self, Corrupt> {
        unimplemented!()
    }

    /// What customers and peers may be shown: the own durable row, and the rows received.
    pub fn visible(&self) -> &Ledger {
        unimplemented!()
    }

    /// The own row with everything that is written down, durable or not.
    pub fn staged(&self) -> &Row {
        unimplemented!()
    }

    /// What is durable here.
    pub fn durable(&self) -> &Version {
        unimplemented!()
    }

    /// Whether it serves customers.
    pub fn is_ready(&self) -> bool {
        unimplemented!()
    }

    /// How many requests have not been answered.
    pub fn open_requests(&self) -> usize {
        unimplemented!()
    }
}

impl Replication for Passbook {
    fn on(&mut self, _now: Instant, _input: Input, _effects: &mut Vec<Effect>) {
        unimplemented!()
    }

    fn settle(&mut self, _now: Instant, _effects: &mut Vec<Effect>) {
        unimplemented!()
    }

    fn audit(&self) -> Audit {
        unimplemented!()
    }

    fn name(&self) -> &'static str {
        "passbook"
    }
}
