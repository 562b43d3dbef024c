//! What the traced requests of a branch wait for before they can be answered: others' rights, or a proof.

use std::collections::HashMap;

use crate::telemetry::{BorrowSpan, CollectSpan, SpanContext};
use bank::BranchId;
use replication::Ticket;
use replication::passbook::Note;

#[derive(Debug, Default)]
struct Short {
    /// Begins with the first question.
    span: Option<BorrowSpan>,
    asks: u64,
}

/// The borrows and the collect on their way, as far as traced requests wait for them.
#[derive(Debug)]
pub(super) struct Errands {
    branch: BranchId,
    /// Withdrawals that are not covered.
    short: HashMap<Ticket, Short>,
    collect: Option<CollectSpan>,
}

impl Errands {
    /// Errands of `branch`.
    pub(super) fn new(branch: BranchId) -> Self {
        Self { branch, short: HashMap::new(), collect: None }
    }

    /// The scheme notes something; `requests` are those that are traced.
    pub(super) fn noted(&mut self, note: &Note, requests: impl Fn(Ticket) -> Option<SpanContext>) {
        match note {
            Note::ShortOfRights { ticket } => {
                if requests(*ticket).is_some() {
                    self.short.insert(*ticket, Short::default());
                }
            }
            Note::CollectStarted { waiting, .. } => {
                let mut traced = waiting.iter().filter_map(|ticket| requests(*ticket));
                self.collect = traced.next().map(|first| {
                    let span = CollectSpan::start(first, self.branch, waiting.len());
                    traced.for_each(|other| span.serves(&other));
                    span
                });
                for ticket in waiting {
                    if let Some(short) = self.short.get_mut(ticket) {
                        std::mem::take(short).end(false);
                    }
                }
            }
            Note::CollectEnded { complete } => {
                if let Some(span) = self.collect.take() {
                    span.end(*complete);
                }
            }
            _ => {}
        }
    }

    /// Another branch is asked for rights, on behalf of all withdrawals that wait for some.
    pub(super) fn asks(&mut self, requests: impl Fn(Ticket) -> Option<SpanContext>) {
        for (ticket, short) in &mut self.short {
            short.asks += 1;
            if short.span.is_none() {
                short.span = requests(*ticket).map(|of| BorrowSpan::start(of, self.branch));
            }
        }
    }

    /// Another branch is asked to collect, on behalf of all that wait for a proof.
    pub(super) fn asks_prover(&self, prover: BranchId) {
        if let Some(span) = &self.collect {
            span.note_prover(prover);
        }
    }

    /// The request of `ticket` waits no longer: it is covered by rights, or given up.
    pub(super) fn ended(&mut self, ticket: Ticket, covered: bool) {
        if let Some(short) = self.short.remove(&ticket) {
            short.end(covered);
        }
    }
}

impl Short {
    fn end(self, covered: bool) {
        if let Some(span) = self.span {
            span.end(self.asks, covered);
        }
    }
}
