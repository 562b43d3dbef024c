//! From a seed to a plan.

use std::time::Duration;

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;
use strum::VariantArray as _;

use super::super::chance::{Luck, PerMille, Span, choose};
use super::{Disk, FaultProfile, Network, Plan, TimingProfile, faults, scripts};
use bank::Money;
use replication::Instant;
use replication::passbook::Storage;

impl Plan {
    /// The plan of `seed`; of one kind, or of the kind that the seed chooses.
    pub fn from_seed(seed: u64, forced: Option<FaultProfile>) -> Self {
        let random = &mut Luck::Plan.of(seed, 0);
        let weights = FaultProfile::VARIANTS
            .iter()
            .map(|profile| (profile.weight(), *profile))
            .collect::<Vec<_>>();
        // Drawn also when it is forced: a seed then keeps the rest of its plan.
        let chosen = choose(random, &weights);
        let profile = forced.unwrap_or(chosen);
        let branches = branches(random, profile);
        let opening = opening(random, profile, branches);
        let storage = storage(random, profile);
        let network = network(random, profile);
        let disk = disk(random, profile);
        let customers = scripts::draw(random, profile, branches, opening);
        // Most of what customers do happens in the first second.
        let window = Span::millis(100, 1500).draw(random);
        let faults = faults::draw(random, profile, branches, storage, window);
        let last = faults.iter().map(|timed| timed.at).max().unwrap_or_default();
        let heals = last.max(Instant(window)).after(Span::millis(50, 2500).draw(random));
        let prover = random.random_bool(0.5);
        let timing = if random.random_ratio(1, 3) {
            TimingProfile::Production
        } else {
            TimingProfile::Short
        };
        // Where a repetition is to happen during a fault, that has to last longer.
        let factor = match timing {
            TimingProfile::Production if !faults.is_empty() => {
                choose(random, &[(1, 1), (2, 5), (1, 20)])
            }
            TimingProfile::Production | TimingProfile::Short => 1,
        };
        let plan = Self {
            seed,
            profile,
            branches,
            opening,
            storage,
            timing,
            prover,
            network,
            disk,
            customers,
            faults,
            heals,
        };
        plan.stretched(factor)
    }
}

fn branches(random: &mut Pcg64Mcg, profile: FaultProfile) -> u16 {
    let choices: &[(u32, u16)] = match profile {
        FaultProfile::Contended => &[(1, 2), (2, 3)],
        // Somebody must be left who remembers.
        FaultProfile::Deaths | FaultProfile::OldCopies => &[(2, 2), (6, 3), (2, 4), (1, 5)],
        FaultProfile::Partitions => &[(2, 2), (8, 3), (3, 4), (3, 5)],
        _ => &[(2, 1), (8, 2), (30, 3), (6, 4), (7, 5), (1, 10)],
    };
    choose(random, choices)
}

fn opening(random: &mut Pcg64Mcg, profile: FaultProfile, branches: u16) -> Money {
    let near_zero = match profile {
        FaultProfile::NearZero => true,
        // What is late or comes twice matters most where much is asked.
        FaultProfile::Lossy => random.random_bool(0.5),
        _ => false,
    };
    let each = match profile {
        _ if near_zero => random.random_range(0..=25),
        FaultProfile::Contended => random.random_range(60..=150),
        _ => {
            let most = choose(random, &[(4, 30), (4, 150), (1, 1_000_000)]);
            random.random_range(0..=most)
        }
    };
    // Not a multiple of the branches, so that shares differ.
    Money::new(each * i64::from(branches) + random.random_range(0..=2))
}

fn storage(random: &mut Pcg64Mcg, profile: FaultProfile) -> Storage {
    match profile {
        FaultProfile::Crashes | FaultProfile::Disks | FaultProfile::OldCopies => Storage::Journal,
        FaultProfile::Deaths => Storage::Memory,
        _ if random.random_bool(0.5) => Storage::Journal,
        _ => Storage::Memory,
    }
}

fn network(random: &mut Pcg64Mcg, profile: FaultProfile) -> Network {
    let near = (4, Span::micros(50, 1_000));
    let town = (4, Span::micros(500, 8_000));
    let far = (2, Span::micros(10_000, 80_000));
    let delay = match profile {
        FaultProfile::Contended => Span::micros(50, 2_000),
        _ => choose(random, &[near, town, far]),
    };
    let lossy = match profile {
        FaultProfile::Lossy => true,
        FaultProfile::Everything => random.random_bool(0.4),
        _ => false,
    };
    let most = |random: &mut Pcg64Mcg, loses: bool, most: u32| {
        if loses { PerMille(random.random_range(0..=most)) } else { PerMille::NEVER }
    };
    Network {
        delay,
        slow: choose(random, &[(1, PerMille(0)), (1, PerMille(20)), (1, PerMille(150))]),
        slow_by: Span { min: delay.max, max: delay.max * 20 },
        connect: Span::micros(200, 20_000),
        notice: choose(random, &[(1, Span::millis(5, 100)), (1, Span::millis(50, 2_000))]),
        loss: most(random, lossy, 300),
        twice: most(random, lossy, 200),
        ordered: !lossy,
        customer_delay: choose(random, &[(3, Span::micros(50, 1_500)), (1, Span::millis(1, 60))]),
        customer_loss: most(random, lossy, 300),
        customer_twice: most(random, lossy, 250),
        busy: choose(random, &[(1, PerMille(0)), (1, PerMille(100)), (1, PerMille(500))]),
        busy_for: Span::micros(0, 3_000),
    }
}

fn disk(random: &mut Pcg64Mcg, profile: FaultProfile) -> Disk {
    let slowest = match profile {
        FaultProfile::Contended => Duration::from_millis(1),
        _ => Duration::from_millis(choose(random, &[(3, 2), (3, 10), (1, 60)])),
    };
    Disk {
        sync: Span { min: Duration::from_micros(100), max: slowest },
        slow: choose(random, &[(2, PerMille(0)), (1, PerMille(50))]),
        slow_by: Span::millis(10, 300),
    }
}
