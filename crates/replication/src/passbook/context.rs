//! What a component gets with each event: the time, the settings, the journal, chance, and where effects go.

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::journal::Journal;
use super::{Effect, Message, Mutant, Note, ROUNDS_MAX, Record, Settings};
use crate::{ClusterId, Instant, Receipt, Ticket};
use bank::{Answer, BranchId, Ledger, Member, Money, Outcome};

/// The surroundings of the components of one branch.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) now: Instant,
    pub(super) me: Member,
    pub(super) settings: Settings,
    pub(super) journal: Journal,
    /// `None` until all incarnations of the cluster are known.
    pub(super) cluster: Option<ClusterId>,
    /// The effects of the event that is handled.
    pub(super) effects: Vec<Effect>,
    random: Pcg64Mcg,
    /// Identifies borrow requests and collects.
    last_id: u64,
}

impl Context {
    pub(super) fn new(settings: Settings) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(settings.seed);
        Self {
            now: Instant::default(),
            me: settings.member(settings.me).unwrap_or(Member(0)),
            journal: Journal::new(settings.storage, settings.branches.len()),
            cluster: None,
            settings,
            effects: Vec::new(),
            // An earlier incarnation used other identifiers.
            last_id: u64::from(rand::Rng::next_u32(&mut random)) << 32,
            random,
        }
    }

    pub(super) fn has(&self, mutant: Mutant) -> bool {
        self.settings.has(mutant)
    }

    /// Whether the branch serves customers: it knows every incarnation of the cluster, and they are durable.
    pub(super) const fn is_ready(&self) -> bool {
        self.cluster.is_some() && self.journal.is_settled()
    }

    /// How many branches the cluster has.
    pub(super) const fn members(&self) -> usize {
        self.settings.branches.len()
    }

    /// All members of the cluster but this branch.
    pub(super) fn others(&self) -> impl Iterator<Item = Member> + use<> {
        let me = self.me;
        (0..).map(Member).take(self.members()).filter(move |member| *member != me)
    }

    pub(super) fn branch(&self, member: Member) -> BranchId {
        self.settings.branches[member.index()]
    }

    /// An identifier that this incarnation has not used.
    pub(super) const fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A random instant within a rest whose maximum doubles with every round.
    pub(super) fn rest_until(&mut self, rounds: u32) -> Instant {
        let most = self.settings.timing.rest * 2_u32.saturating_pow(rounds.min(ROUNDS_MAX));
        self.now.after(self.random.random_range(Duration::ZERO..=most))
    }

    pub(super) fn send(&mut self, to: Member, message: Message) {
        let to = self.branch(to);
        self.effects.push(Effect::Send { to, message });
    }

    /// Journals the incarnation of a branch.
    pub(super) fn persist_incarnation(&mut self, record: Record) {
        self.journal.append_incarnation();
        self.effects.push(Effect::Persist { record });
    }

    pub(super) fn note(&mut self, note: Note) {
        self.effects.push(Effect::Note(note));
    }

    /// Answers from `shown`. `complete` adds to the receipt what else the answer was made from.
    pub(super) fn reply(
        &mut self,
        ticket: Ticket,
        outcome: Outcome,
        shown: &Ledger,
        complete: impl FnOnce(&mut Receipt),
    ) {
        // What is visible during a recovery is not causally closed.
        let mut receipt = self.cluster.filter(|_| self.is_ready()).map(|cluster| {
            let version = Arc::clone(shown.version());
            Receipt { cluster, version, at_most: None, seq: None, achieved: 0 }
        });
        receipt.as_mut().map(complete);
        let balance = receipt.as_ref().and_then(|_| self.balance(shown));
        let answer = Answer { outcome, balance };
        self.effects.push(Effect::Reply { ticket, answer, receipt });
    }

    /// The balance of a ledger. `None` if it does not fit into 64 bits.
    fn balance(&self, shown: &Ledger) -> Option<Money> {
        if self.has(Mutant::SwappedSign) {
            let withdrawn: i128 = shown.rows().iter().map(|row| row.withdrawn.signed()).sum();
            return i64::try_from(shown.total() + 2 * withdrawn).ok().map(Money::new);
        }
        shown.balance()
    }

    /// Whether a customer still waits at a deadline. Otherwise they get "unknown".
    pub(super) fn awaits(&mut self, ticket: Ticket, deadline: Instant) -> bool {
        let awaits = deadline > self.now;
        if !awaits {
            self.reply_unknown(ticket);
        }
        awaits
    }

    /// Answers "unknown": the request may have been executed.
    pub(super) fn reply_unknown(&mut self, ticket: Ticket) {
        let answer = Answer { outcome: Outcome::Unknown, balance: None };
        self.effects.push(Effect::Reply { ticket, answer, receipt: None });
    }
}

/// What unit tests of a component need.
#[cfg(test)]
impl Context {
    /// That of branch 1 of so many, in memory.
    pub(super) fn of_first(branches: u32, opening: i64) -> Self {
        let ids: Vec<_> = (1..=branches).map(BranchId).collect();
        Self::new(Settings::in_memory(ids[0], &ids, bank::Money::new(opening), 1))
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    /// The messages since the last call, with their receivers.
    pub(super) fn sent(&mut self) -> Vec<(BranchId, Message)> {
        let sent = self.effects.drain(..).filter_map(|effect| match effect {
            Effect::Send { to, message } => Some((to, message)),
            _ => None,
        });
        sent.collect()
    }

    /// The answers since the last call.
    pub(super) fn replies(&mut self) -> Vec<(Ticket, Outcome)> {
        let replies = self.effects.drain(..).filter_map(|effect| match effect {
            Effect::Reply { ticket, answer, .. } => Some((ticket, answer.outcome)),
            _ => None,
        });
        replies.collect()
    }
}
