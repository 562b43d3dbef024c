//! Synthetic customers: what each does, drawn from a seed.

use std::time::Duration;

use bank::{BranchId, CustomerId, Operation};
use exercise::Event;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

use super::{Mix, Share, ThinkTime, ThinkTimes, seconds};

/// Separates the seeds of think times from those of operations, so that a think time changes no operation.
const THINK_STREAM: u64 = 0x7468_696e_6b00_0001;

/// When a synthetic customer is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Stop {
    /// After so many operations.
    #[serde(rename = "events_each")]
    Events(u64),
    /// When the run has lasted so long.
    #[serde(rename = "duration_s", serialize_with = "seconds")]
    After(Duration),
}

/// Customers drawn from a seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Synthetic {
    /// How many, with ids from 1.
    pub customers: u64,
    /// How many branches a cluster that is started for the run has, with ids from 1.
    #[serde(skip)]
    pub branches: u32,
    /// When each is done.
    #[serde(flatten)]
    pub stop: Stop,
    /// How often they do what.
    pub mix: Mix,
    /// The largest amount of a deposit or withdrawal, in minor units. Amounts are uniform from 1.
    pub max_amount: i64,
    /// The chance per operation that it is done at another branch than the customer's own.
    pub roam: Share,
    /// What every branch holds at the start. If not said: what a running cluster holds, or
    /// [`Synthetic::OPENING`].
    #[serde(skip)]
    pub opening: Option<i64>,
    /// Decides everything that is drawn.
    pub seed: u64,
    /// The time between an answer and the customer's next operation.
    #[serde(flatten)]
    pub think: ThinkTime,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self {
            customers: 500,
            branches: 3,
            stop: Stop::Events(100),
            mix: Mix::default(),
            max_amount: 100,
            roam: Share::TWENTY_PERCENT,
            opening: None,
            seed: 1,
            think: ThinkTime::NONE,
        }
    }
}

impl Synthetic {
    /// The opening balance of an embedded cluster, minor units.
    pub const OPENING: i64 = 1_000_000;

    /// The endless list of what `customer` does at `branches`.
    pub fn events(&self, customer: CustomerId, branches: &[BranchId]) -> Events {
        let seed = self.customer_seed(customer);
        let count = u64::try_from(branches.len()).unwrap_or(u64::MAX).max(1);
        let home = usize::try_from(customer.0.wrapping_sub(1) % count).unwrap_or(0);
        Events {
            random: Pcg64Mcg::seed_from_u64(seed),
            branches: branches.to_vec(),
            home,
            mix: self.mix,
            max_amount: self.max_amount,
            roam: self.roam.fraction(),
        }
    }

    /// The endless list of the think times of `customer`.
    pub fn think_times(&self, customer: CustomerId) -> ThinkTimes {
        self.think.draws(scramble(self.customer_seed(customer) ^ THINK_STREAM))
    }

    /// When the first operation of `customer` is due, after the run begins.
    pub fn start_of(&self, customer: CustomerId) -> Duration {
        self.think.start_of(customer.0.saturating_sub(1), self.customers)
    }

    /// Neighbouring customers and neighbouring seeds share nothing.
    fn customer_seed(&self, customer: CustomerId) -> u64 {
        scramble(scramble(self.seed).wrapping_add(customer.0))
    }
}

/// What one customer does, drawn one by one.
#[derive(Clone, Debug)]
pub struct Events {
    random: Pcg64Mcg,
    branches: Vec<BranchId>,
    home: usize,
    mix: Mix,
    max_amount: i64,
    roam: f64,
}

impl Events {
    fn branch(&mut self) -> Option<BranchId> {
        let home = *self.branches.get(self.home)?;
        let others = self.branches.len() - 1;
        if others == 0 || !self.random.random_bool(self.roam) {
            return Some(home);
        }
        let other = self.random.random_range(0..others);
        self.branches.get(if other < self.home { other } else { other + 1 }).copied()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let branch = self.branch()?;
        let drawn = self.random.random_range(0..self.mix.total());
        let (deposits, withdrawals) = (u64::from(self.mix.deposit), u64::from(self.mix.withdraw));
        let operation = if drawn < deposits {
            Operation::deposit(self.random.random_range(1..=self.max_amount))
        } else if drawn < deposits + withdrawals {
            Operation::withdraw(self.random.random_range(1..=self.max_amount))
        } else {
            Operation::Query
        };
        Some(Event { operation, branch, names_branch: true })
    }
}

/// Mixes 64 bits so that neighbours have nothing in common (the finalizer of `SplitMix64`, Steele,
/// Lea and Flood 2014).
pub(crate) const fn scramble(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn synthetic(seed: u64) -> Synthetic {
        Synthetic { customers: 2, seed, ..Synthetic::default() }
    }

    fn drawn(synthetic: &Synthetic, customer: u64) -> Vec<Event> {
        let branches = [BranchId(1), BranchId(2), BranchId(3)];
        synthetic.events(CustomerId(customer), &branches).take(10_000).collect()
    }

    #[test]
    fn the_same_seed_is_the_same_workload_and_another_is_not() {
        assert_eq!(drawn(&synthetic(1), 1), drawn(&synthetic(1), 1));
        assert_ne!(drawn(&synthetic(1), 1), drawn(&synthetic(2), 1));
        assert_ne!(drawn(&synthetic(1), 1), drawn(&synthetic(1), 2));
    }

    #[test]
    fn think_time_changes_no_operation_of_a_seed() {
        let mean = Duration::from_millis(10);
        for think in [ThinkTime::Constant(mean), ThinkTime::Exponential(mean)] {
            let thinking = Synthetic { think, ..synthetic(1) };
            assert_eq!(drawn(&thinking, 1), drawn(&synthetic(1), 1));
        }
        let thinking = Synthetic { think: ThinkTime::Exponential(mean), ..synthetic(1) };
        let times = |customer| thinking.think_times(CustomerId(customer)).take(100);
        assert!(times(1).eq(times(1)), "the same seed gives the same think times");
        assert!(times(1).ne(times(2)), "customers think independently");
    }

    #[test]
    fn shares_are_about_those_of_mix_and_roam() {
        let events = drawn(&synthetic(1), 2);
        let share = |holds: fn(&Event) -> bool| events.iter().filter(|event| holds(event)).count();
        let deposits = share(|event| event.operation.name() == "deposit");
        let queries = share(|event| event.operation == Operation::Query);
        let abroad = share(|event| event.branch != BranchId(2));
        assert!((3800..4200).contains(&deposits), "{deposits}");
        assert!((2800..3200).contains(&queries), "{queries}");
        assert!((1800..2200).contains(&abroad), "{abroad}");
        assert!(share(|event| event.branch == BranchId(1)) > 800);
        assert!(share(|event| event.branch == BranchId(3)) > 800);
    }

    #[test]
    fn with_one_branch_nobody_roams() {
        let everywhere = Synthetic { roam: Share::ALL, ..synthetic(1) };
        let mut events = everywhere.events(CustomerId(7), &[BranchId(4)]);
        assert!(events.all_at(BranchId(4)));
    }

    impl Events {
        fn all_at(&mut self, branch: BranchId) -> bool {
            self.take(100).all(|event| event.branch == branch)
        }
    }

    #[test]
    fn amounts_are_from_one_to_the_largest_asked_for() {
        let amounts = |max_amount| -> BTreeSet<i64> {
            let drawn = drawn(&Synthetic { max_amount, ..synthetic(1) }, 1).into_iter();
            let amounts = drawn.map(|event| event.operation.amount().minor_units());
            amounts.filter(|amount| *amount > 0).collect()
        };
        assert_eq!(amounts(3), (1..=3).collect());
        assert_eq!(amounts(100), (1..=100).collect());
    }
}
