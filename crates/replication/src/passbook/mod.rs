//! Rows, escrow and session tokens: correct under any concurrency and fault.
//!
//! Each branch appends what it does to its own log, and sends the others the totals of that log: its *row*. The
//! balance is the opening balance plus the totals of all rows. A branch pays out only what it has the *rights*
//! to, and rights move by grants, so no two branches pay out the same money. Customers carry a *token*, the
//! version that they have seen, and no branch shows them less or lets them write upon less.
//!
//! [`Passbook`] is the interface. The engine routes events between components. Each component owns its state,
//! takes an event with read-only views of the others, and returns a decision or appends effects.
//!
//! | rule | component |
//! |---|---|
//! | the journal, and how customers get answers | `context`, with `journal` |
//! | which component gets which event | `engine` |
//! | staged, durable, visible | `local_log`, with `chains` |
//! | streams, incarnations, hello | `peers` |
//! | push and acknowledgement, and to whom | `pushes` |
//! | forwarding in large clusters | `relay` |
//! | exactly once | `sessions` |
//! | tokens | `gate` |
//! | what may be staged | `requests` |
//! | rights and borrowing by priority | `escrow` |
//! | two-round collect, for this branch and for others | `collects`, with `proof` |
//! | answers to writes | `acknowledgements` |
//! | start and restart | `restart` |
//! | a customer's side | `session` |
//! | inputs and effects | `events` |
//! | what observers see | `note` |

mod acknowledgements;
mod chains;
mod collects;
mod context;
mod engine;
mod escrow;
mod events;
mod gate;
mod journal;
mod local_log;
mod message;
mod mutant;
mod note;
mod peers;
mod proof;
mod pushes;
mod relay;
mod requests;
mod restart;
#[cfg(test)]
mod scenarios;
mod session;
mod sessions;
mod settings;

pub use events::{Effect, Input, Room};
pub use message::{
    Branches, Configuration, Corrupt, Hello, Incarnation, Message, Mismatch, Priority, Record,
    Round, Stop,
};
pub use mutant::Mutant;
pub use note::Note;
pub use session::Session;
pub use settings::{Limits, ROUNDS_MAX, Settings, Storage, Timing};

use super::{ClusterId, Instant, LogStatus, ReplicaStats, Replication};
use bank::{Ledger, Row, Version};
use context::Context;
use engine::Engine;
use local_log::LocalLog;

/// One branch under the passbook scheme.
#[derive(Debug)]
pub struct Passbook {
    ctx: Context,
    engine: Engine,
}

impl Passbook {
    /// What customers and peers may see: the own durable row, and the rows received.
    pub const fn visible(&self) -> &Ledger {
        self.engine.log().visible()
    }

    /// The own row with everything that is in the journal, durable or not.
    pub const fn staged(&self) -> &Row {
        self.engine.log().staged()
    }

    /// What is durable here.
    pub const fn durable(&self) -> &Version {
        self.ctx.journal.durable()
    }

    /// The cluster's identity. `None` until this branch knows every incarnation.
    pub const fn cluster(&self) -> Option<ClusterId> {
        self.ctx.cluster
    }

    /// Whether it serves customers: it knows every incarnation of the cluster, and what it knows is durable.
    pub const fn is_ready(&self) -> bool {
        self.ctx.is_ready()
    }

    /// How many requests have no answer.
    pub fn open_requests(&self) -> usize {
        self.engine.open_requests()
    }

    /// Lets the engine handle an event, and appends the effects.
    fn handle(
        &mut self,
        now: Instant,
        effects: &mut Vec<Effect>,
        event: impl FnOnce(&mut Engine, &mut Context),
    ) {
        if !self.engine.is_stopped() {
            self.ctx.now = now;
            std::mem::swap(&mut self.ctx.effects, effects);
            event(&mut self.engine, &mut self.ctx);
            std::mem::swap(&mut self.ctx.effects, effects);
        }
    }
}

impl Replication for Passbook {
    type Input = Input;
    type Effect = Effect;

    fn on(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        self.handle(now, effects, |engine, ctx| engine.on(ctx, input));
    }

    fn settle(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.handle(now, effects, Engine::settle);
    }

    fn stats(&self) -> ReplicaStats {
        self.engine.stats(&self.ctx)
    }

    fn log_status(&self) -> Option<LogStatus> {
        Some(self.engine.status())
    }

    fn name(&self) -> &'static str {
        "passbook"
    }

    fn is_ready(&self) -> bool {
        Self::is_ready(self)
    }
}
