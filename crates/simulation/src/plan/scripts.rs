//! What customers do, by the kind of run.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use super::super::chance::{PerMille, Span, choose, weighted};
use super::{FaultProfile, Script, Step};
use bank::{Ack, Member, Money, Operation, Read, SessionId};

/// How the customers of one run are.
#[derive(Clone)]
struct Habits {
    customers: RangeInclusive<usize>,
    steps: RangeInclusive<usize>,
    amount: RangeInclusive<i64>,
    /// Deposits, withdrawals, queries.
    kinds: [u32; 3],
    /// How likely the next operation is at another branch.
    roam: PerMille,
    /// When the first operation begins.
    comes: Span,
    think: Span,
    timeout: Span,
    /// How likely the time-out is so short that hardly any answer comes in time.
    hasty: PerMille,
    /// How likely the same is done anew if it is rejected for a passing reason.
    persistent: PerMille,
    /// In the order of [`Ack::ALL`].
    acks: [u32; 3],
    /// In the order of [`Read::ALL`].
    reads: [u32; 3],
}

pub(super) fn draw(
    random: &mut Pcg64Mcg,
    profile: FaultProfile,
    branches: u16,
    opening: Money,
) -> Vec<Script> {
    let mut habits = habits(random, profile);
    if random.random_ratio(1, 60) {
        habits.customers = 10..=20;
    }
    let count = random.random_range(habits.customers.clone());
    let mut scripts: Vec<Script> = (0..count).map(|_| script(random, &habits, branches)).collect();
    if profile == FaultProfile::Contended {
        scripts.extend((0..2).map(|_| whale(random, branches, opening)));
    }
    scripts
}

fn habits(random: &mut Pcg64Mcg, profile: FaultProfile) -> Habits {
    let any_acks =
        choose(random, &[(3, [1, 1, 1]), (1, [1, 0, 0]), (1, [0, 1, 0]), (2, [0, 0, 1])]);
    let usual = Habits {
        customers: 3..=8,
        steps: 3..=10,
        amount: 1..=40,
        kinds: choose(random, &[(2, [3, 4, 3]), (1, [1, 5, 2]), (1, [5, 2, 3])]),
        roam: choose(random, &[(1, PerMille(100)), (2, PerMille(400)), (1, PerMille(900))]),
        think: choose(random, &[(2, Span::millis(0, 5)), (3, Span::millis(0, 150))]),
        // Most come when the branches are connected, some before.
        comes: Span::millis(0, 120),
        timeout: Span::millis(50, 1_000),
        hasty: PerMille(40),
        persistent: PerMille(250),
        acks: any_acks,
        reads: [5, 1, 3],
    };
    match profile {
        FaultProfile::NearZero => Habits {
            customers: 4..=9,
            kinds: [2, 8, 3],
            reads: [1, 0, 3],
            amount: 1..=30,
            think: Span::millis(0, 10),
            // They come when all branches have met, however slow the network is, and have time, however
            // often the money moves: nobody starves.
            comes: Span::millis(8_000, 8_120),
            timeout: Span::millis(90_000, 110_000),
            hasty: PerMille::NEVER,
            persistent: PerMille::NEVER,
            ..usual
        },
        FaultProfile::Contended => Habits {
            customers: 5..=8,
            steps: 40..=60,
            amount: 1..=20,
            kinds: [1, 1, 0],
            roam: PerMille(100),
            think: Span::micros(0, 4_000),
            timeout: Span::millis(500, 1_000),
            acks: [1, 0, 0],
            ..usual
        },
        FaultProfile::Lossy => Habits { reads: [3, 1, 4], ..usual },
        FaultProfile::Roaming => Habits {
            roam: PerMille(1000),
            think: Span::micros(0, 500),
            acks: [8, 1, 1],
            reads: [6, 1, 1],
            ..usual
        },
        _ => usual,
    }
}

fn script(random: &mut Pcg64Mcg, habits: &Habits, branches: u16) -> Script {
    let session = SessionId(random.random_range(0..=u64::MAX));
    let mut branch = Member(random.random_range(0..branches));
    let count = random.random_range(habits.steps.clone());
    let steps = (0..count).map(|place| {
        if habits.roam.happens(random) {
            branch = Member(random.random_range(0..branches));
        }
        let mut step = step(random, habits, branch);
        if place == 0 {
            step.think += habits.comes.draw(random);
        }
        step
    });
    Script { session, steps: steps.collect() }
}

fn step(random: &mut Pcg64Mcg, habits: &Habits, branch: Member) -> Step {
    let amount = random.random_range(habits.amount.clone());
    let operation = match weighted(random, &habits.kinds) {
        0 => Operation::deposit(amount),
        1 => Operation::withdraw(amount),
        _ => Operation::Query,
    };
    let is_hasty = habits.hasty.happens(random);
    let timeout = if is_hasty { Span::micros(100, 20_000) } else { habits.timeout };
    Step {
        branch,
        operation,
        timeout: timeout.draw(random),
        ack: Ack::ALL[weighted(random, &habits.acks)],
        read: Read::ALL[weighted(random, &habits.reads)],
        think: habits.think.draw(random),
        attempts: random.random_range(3..=4),
        anew: u32::from(habits.persistent.happens(random)),
    }
}

/// Wants nearly everything there is, again and again, and has time.
fn whale(random: &mut Pcg64Mcg, branches: u16, opening: Money) -> Script {
    let session = SessionId(random.random_range(0..=u64::MAX));
    let branch = Member(random.random_range(0..branches));
    let steps = (0..4).map(|_| {
        let share = random.random_range(70..=110);
        Step {
            branch,
            operation: Operation::withdraw((opening.minor_units() * share / 100).max(1)),
            ack: Ack::Local,
            read: Read::Session,
            think: Span::millis(5, 30).draw(random),
            timeout: Duration::from_secs(4),
            attempts: 2,
            anew: 1,
        }
    });
    Script { session, steps: steps.collect() }
}
