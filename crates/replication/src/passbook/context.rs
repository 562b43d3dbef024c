//! What a component gets with each event: the time, the settings, chance, and where effects go.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::{Message, Mutant, Note, ROUNDS_MAX, Settings};
use crate::{Effect, Instant, Message as AnyMessage, Ticket};
use bank::{Answer, BranchId, Member, Outcome};

/// Everything that is left to chance, and the identifiers of borrow requests and collects.
#[derive(Debug)]
pub(super) struct Chance {
    random: Pcg64Mcg,
    last_id: u64,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        // An earlier incarnation used other identifiers.
        let last_id = u64::from(rand::Rng::next_u32(&mut random)) << 32;
        Self { random, last_id }
    }
}

/// One event at one branch.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) me: Member,
    pub(super) settings: &'a Settings,
    pub(super) chance: &'a mut Chance,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Context<'_> {
    pub(super) fn has(&self, mutant: Mutant) -> bool {
        self.settings.has(mutant)
    }

    /// All members of the cluster but this branch.
    pub(super) fn others(&self) -> impl Iterator<Item = Member> + use<> {
        let me = self.me;
        (0..).map(Member).take(self.settings.branches.len()).filter(move |member| *member != me)
    }

    /// An identifier that this incarnation has not used.
    pub(super) const fn next_id(&mut self) -> u64 {
        self.chance.last_id += 1;
        self.chance.last_id
    }

    /// A random instant within a rest whose maximum doubles with every round.
    pub(super) fn rest_until(&mut self, rounds: u32) -> Instant {
        let most = self.settings.timing.rest * 2_u32.saturating_pow(rounds.min(ROUNDS_MAX));
        self.now.after(self.chance.random.random_range(Duration::ZERO..=most))
    }

    pub(super) fn branch(&self, member: Member) -> BranchId {
        self.settings.branches[member.index()]
    }

    pub(super) fn send(&mut self, to: Member, message: Message) {
        let to = self.branch(to);
        self.effects.push(Effect::Send { to, message: AnyMessage::Passbook(message) });
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

/// The surroundings of one component in its unit tests.
#[cfg(test)]
pub(super) struct Surroundings {
    pub(super) now: Instant,
    pub(super) settings: Settings,
    chance: Chance,
    effects: Vec<Effect>,
}

#[cfg(test)]
impl Surroundings {
    /// Those of branch 1 of so many, in memory.
    pub(super) fn new(branches: u32, opening: i64) -> Self {
        let ids: Vec<_> = (1..=branches).map(BranchId).collect();
        let settings = Settings::in_memory(ids[0], &ids, bank::Money::new(opening), 1);
        Self { now: Instant::default(), settings, chance: Chance::new(1), effects: Vec::new() }
    }

    pub(super) fn context(&mut self) -> Context<'_> {
        Context {
            now: self.now,
            me: Member(0),
            settings: &self.settings,
            chance: &mut self.chance,
            effects: &mut self.effects,
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    /// The messages since the last call, with their receivers.
    pub(super) fn sent(&mut self) -> Vec<(BranchId, Message)> {
        let sent = self.effects.drain(..).filter_map(|effect| match effect {
            Effect::Send { to, message: AnyMessage::Passbook(message) } => Some((to, message)),
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
