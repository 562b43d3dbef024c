//! What is left to chance. Each thing has a source of its own, so that leaving a piece out of a plan
//! changes the luck of the rest as little as can be.

use std::fmt;
use std::hash::Hasher as _;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use siphasher::sip::SipHasher13;

/// Whose luck it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Luck {
    /// What the plan itself is drawn from.
    Plan,
    /// One branch: its driver and its disk.
    Branch,
    /// One incarnation of a branch: which, and what it leaves to chance itself.
    Incarnation,
    /// What one branch sends another.
    Way,
    /// The streams between two branches.
    Streams,
    /// One customer's requests and answers.
    Customer,
}

impl Luck {
    const fn number(self) -> u64 {
        match self {
            Self::Plan => 1,
            Self::Branch => 2,
            Self::Incarnation => 3,
            Self::Way => 4,
            Self::Streams => 5,
            Self::Customer => 6,
        }
    }

    /// The luck of number `which` of its kind, under `seed`.
    pub(super) fn of(self, seed: u64, which: u64) -> Pcg64Mcg {
        let mut hasher = SipHasher13::new();
        hasher.write_u64(seed);
        hasher.write_u64(self.number());
        hasher.write_u64(which);
        Pcg64Mcg::seed_from_u64(hasher.finish())
    }
}

/// A chance in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerMille(pub u32);

impl PerMille {
    /// Never.
    pub const NEVER: Self = Self(0);

    /// Whether it happens this time. Nothing is drawn for what never happens.
    pub(super) fn happens(self, random: &mut Pcg64Mcg) -> bool {
        self.0 > 0 && random.random_ratio(self.0.min(1000), 1000)
    }

    /// That share of `whole`, rounded down.
    pub(super) fn of(self, whole: usize) -> usize {
        let share = usize::try_from(self.0.min(1000)).unwrap_or(1000);
        whole.saturating_mul(share) / 1000
    }
}

impl fmt::Display for PerMille {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} %", self.0 / 10, self.0 % 10)
    }
}

/// Any duration between two, all equally likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub min: Duration,
    /// The longest; at least the shortest.
    pub max: Duration,
}

impl Span {
    /// From `min` to `max` microseconds.
    pub const fn micros(min: u64, max: u64) -> Self {
        Self { min: Duration::from_micros(min), max: Duration::from_micros(max) }
    }

    /// From `min` to `max` milliseconds.
    pub const fn millis(min: u64, max: u64) -> Self {
        Self { min: Duration::from_millis(min), max: Duration::from_millis(max) }
    }

    /// One of them.
    pub(super) fn draw(self, random: &mut Pcg64Mcg) -> Duration {
        let width = self.max.saturating_sub(self.min).as_nanos();
        let width = u64::try_from(width).unwrap_or(u64::MAX);
        self.min + Duration::from_nanos(random.random_range(0..=width))
    }
}

/// The index of one of `weights`, each as likely as it weighs. The first if none weighs anything.
pub(super) fn weighted(random: &mut Pcg64Mcg, weights: &[u32]) -> usize {
    let total: u32 = weights.iter().sum();
    if total == 0 {
        return 0;
    }
    let mut left = random.random_range(0..total);
    for (index, weight) in weights.iter().enumerate() {
        if left < *weight {
            return index;
        }
        left -= weight;
    }
    0
}

/// One of `choices`, each as likely as its weight says. There is at least one.
pub(super) fn choose<T: Copy>(random: &mut Pcg64Mcg, choices: &[(u32, T)]) -> T {
    let weights: Vec<u32> = choices.iter().map(|(weight, _)| *weight).collect();
    choices[weighted(random, &weights)].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_luck_of_its_own_and_the_same_every_time() {
        let draw = |luck: Luck, which| luck.of(7, which).random_range(0..u64::MAX);
        assert_eq!(draw(Luck::Way, 1), draw(Luck::Way, 1));
        assert_ne!(draw(Luck::Way, 1), draw(Luck::Way, 2));
        assert_ne!(draw(Luck::Way, 1), draw(Luck::Branch, 1));
    }

    #[test]
    fn a_weight_of_zero_is_never_chosen() {
        let mut random = Luck::Plan.of(1, 0);
        let mut seen = [0; 3];
        for _ in 0..1000 {
            seen[weighted(&mut random, &[1, 0, 3])] += 1;
        }
        assert!(seen[0] > 100 && seen[1] == 0 && seen[2] > 500, "{seen:?}");
    }

    #[test]
    fn spans_and_shares_keep_their_bounds() {
        let mut random = Luck::Plan.of(1, 0);
        let span = Span::micros(3, 5);
        assert!((0..100).map(|_| span.draw(&mut random)).all(|d| d >= span.min && d <= span.max));
        assert_eq!([0, 500, 1000, 2000].map(|share| PerMille(share).of(7)), [0, 3, 7, 7]);
        assert!(!PerMille::NEVER.happens(&mut random));
    }
}
