//! What a component gets with each event: the time, the settings, chance, and where effects go.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::{Effect, Message, Mutant, Note, ROUNDS_MAX, Settings};
use crate::{Instant, Ticket};
use bank::{Answer, BranchId, Member, Outcome};

/// The surroundings of the components of one branch.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) now: Instant,
    pub(super) me: Member,
    pub(super) settings: Settings,
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

    pub(super) fn note(&mut self, note: Note) {
        self.effects.push(Effect::Note(note));
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
