//! Both schemes where messages are delayed and overtake each other, compared with one shared account.

use std::time::Duration;

use bank::{Ack, Answer, BranchId, Money, Operation, Outcome, Rejection};
use proptest::prelude::*;
use replication::passbook::{Settings, Storage};
use replication::{Broadcast, Fanout, Locking, Passbook, ReplicaStats};
use testkit::net::{Delivery, Net, NetReplica, Order, Started, Workload};

type Customers = Vec<Vec<(BranchId, Operation)>>;

const INSUFFICIENT: Outcome = Outcome::Rejected(Rejection::InsufficientFunds);

#[derive(Debug, PartialEq, Eq)]
struct Ran {
    answers: Vec<Vec<Answer>>,
    stats: Vec<ReplicaStats>,
}

fn run<R: NetReplica>(load: &Workload, seed: u64, branches: Vec<Started<R>>) -> Ran {
    let delivery = Delivery::Delayed { seed, max: Duration::from_millis(20) };
    let mut net = Net::start(delivery, branches);
    let answers = load.run(&mut net);
    Ran { answers, stats: net.stats() }
}

fn broadcast(branches: u32, fanout: Fanout, opening: i64) -> Vec<Started<Broadcast>> {
    let ids = 1..=branches;
    ids.clone()
        .map(|id| {
            let peers = ids.clone().filter(|peer| *peer != id).map(BranchId).collect();
            let id = BranchId(id);
            let replica = Broadcast::new(id, peers, fanout, Money::new(opening));
            Started { id, replica, first: Vec::new() }
        })
        .collect()
}

fn passbook(branches: u32, opening: i64, seed: u64, storage: Storage) -> Vec<Started<Passbook>> {
    let ids: Vec<BranchId> = (1..=branches).map(BranchId).collect();
    ids.iter()
        .map(|id| {
            let life = seed.wrapping_add(u64::from(id.0));
            let settings =
                Settings { storage, ..Settings::in_memory(*id, &ids, Money::new(opening), life) };
            let mut first = Vec::new();
            let replica =
                Passbook::start(settings, Vec::new(), &mut first).expect("an empty journal");
            Started { id: *id, replica, first }
        })
        .collect()
}

/// What one shared account answers to the operations in order: the reference model.
fn model(opening: i64, operations: impl Iterator<Item = Operation>) -> Vec<(Outcome, i128)> {
    let mut balance = i128::from(opening);
    operations
        .map(|operation| {
            let change = operation.delta();
            if change < 0 && balance + change < 0 {
                return (INSUFFICIENT, balance);
            }
            balance += change;
            (Outcome::Ok, balance)
        })
        .collect()
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        Just(Operation::Query),
        (1..200_i64).prop_map(Operation::deposit),
        (1..200_i64).prop_map(Operation::withdraw),
    ]
}

fn customers(branches: u32) -> impl Strategy<Value = Customers> {
    let step = ((1..=branches).prop_map(BranchId), operation());
    prop::collection::vec(prop::collection::vec(step, 0..8), 1..6)
}

fn equals_the_model(
    load: &Workload,
    opening: i64,
    ran: &Ran,
    outcome: impl Fn(Outcome) -> Outcome,
) -> Result<(), TestCaseError> {
    let operations = load.customers.iter().flatten().map(|(_, operation)| *operation);
    let expected = model(opening, operations);
    let told = |answer: &Answer| {
        (outcome(answer.outcome), i128::from(answer.balance.expect("carried").minor_units()))
    };
    let answers: Vec<(Outcome, i128)> = ran.answers.iter().flatten().map(told).collect();
    prop_assert_eq!(&answers, &expected);
    let last = expected.last().map_or(i128::from(opening), |(_, balance)| *balance);
    for stats in &ran.stats {
        prop_assert_eq!(i128::from(stats.balance.minor_units()), last);
        prop_assert_eq!(stats.outstanding, 0);
        prop_assert!(!stats.lowest_balance.is_negative());
    }
    Ok(())
}

fn one_after_another(customers: Customers) -> Workload {
    Workload { customers, order: Order::OneAfterAnother, ack: Ack::All }
}

fn passbook_equals_the_model(
    branches: u32,
    customers: Customers,
    seed: u64,
    opening: i64,
    storage: Storage,
) -> Result<(), TestCaseError> {
    let load = one_after_another(customers);
    let ran = run(&load, seed, passbook(branches, opening, seed, storage));
    equals_the_model(&load, opening, &ran, |outcome| outcome)
}

/// A debug build is slow: `cargo test --release` tries many more.
const fn cases(debug: u32, release: u32) -> u32 {
    if cfg!(debug_assertions) { debug } else { release }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn broadcast_answers_as_the_model_one_after_another(
        (branches, customers) in (1..6_u32).prop_flat_map(|n| (Just(n), customers(n))),
        seed: u64,
        sequential: bool,
        opening in 0..300_i64,
    ) {
        let fanout = if sequential { Fanout::Sequential } else { Fanout::Parallel };
        let load = one_after_another(customers);
        let ran = run(&load, seed, broadcast(branches, fanout, opening));
        // Its reason is judged elsewhere.
        let outcome = |outcome| if outcome == Outcome::Ok { outcome } else { INSUFFICIENT };
        equals_the_model(&load, opening, &ran, outcome)?;
    }

    #[test]
    fn broadcast_converges_and_loses_nothing_under_concurrency(
        (branches, customers) in (1..6_u32).prop_flat_map(|n| (Just(n), customers(n))),
        seed: u64,
        ack in prop::sample::select(Ack::ALL),
    ) {
        let load = Workload { customers, order: Order::Concurrent, ack };
        let ran = run(&load, seed, broadcast(branches, Fanout::Parallel, 100));
        let operations = load.customers.iter().flatten().map(|(_, operation)| operation);
        let moved: i128 = operations
            .zip(ran.answers.iter().flatten())
            .filter(|(_, answer)| answer.outcome == Outcome::Ok)
            .map(|(operation, _)| operation.delta())
            .sum();
        for stats in &ran.stats {
            prop_assert_eq!(i128::from(stats.balance.minor_units()), 100 + moved);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(500, 10_000)))]

    #[test]
    fn passbook_answers_as_the_model_one_after_another(
        (branches, customers) in prop::sample::select(&[1_u32, 2, 3, 10])
            .prop_flat_map(|n| (Just(n), customers(n))),
        seed: u64,
        opening in 0..300_i64,
        journal: bool,
    ) {
        let storage = if journal { Storage::Journal } else { Storage::Memory };
        passbook_equals_the_model(branches, customers, seed, opening, storage)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(10, 2_000)))]

    #[test]
    fn passbook_answers_as_the_model_at_fifty_branches(
        customers in customers(50),
        seed: u64,
        opening in 0..300_i64,
    ) {
        passbook_equals_the_model(50, customers, seed, opening, Storage::Memory)?;
    }
}

#[test]
fn broadcast_lock_never_deadlocks_under_concurrency() {
    for seed in 0..200 {
        let customers = (0..12).map(|customer| {
            let branch = |step: u32| BranchId((customer + step) % 3 + 1);
            let steps = (0..6).map(|step| match step % 3 {
                0 => (branch(step), Operation::deposit(5)),
                1 => (branch(step), Operation::Query),
                _ => (branch(step), Operation::withdraw(3)),
            });
            steps.collect()
        });
        let load =
            Workload { customers: customers.collect(), order: Order::Concurrent, ack: Ack::All };
        let locked = broadcast(3, Fanout::Parallel, 100).into_iter().map(|started| {
            let replica = started.replica.with_locking(Locking::UntilPropagated);
            Started { replica, ..started }
        });
        let ran = run(&load, seed, locked.collect());
        assert!(ran.answers.iter().all(|answers| answers.len() == 6), "seed {seed}");
        let end = Money::new(100 + 12 * (2 * 5 - 2 * 3));
        assert!(ran.stats.iter().all(|stats| stats.balance == end), "seed {seed}");
    }
}

fn race_for_the_last_money(seed: u64) -> Ran {
    let customers = (1..=3).map(|branch| vec![(BranchId(branch), Operation::withdraw(100))]);
    let load = Workload { customers: customers.collect(), order: Order::Concurrent, ack: Ack::All };
    run(&load, seed, broadcast(3, Fanout::Parallel, 100))
}

#[test]
fn broadcast_overdraws_near_zero_and_stats_show_it() {
    let overdrawn = (0..100)
        .filter(|seed| {
            let ran = race_for_the_last_money(*seed);
            ran.stats.iter().any(|stats| stats.lowest_balance.is_negative())
        })
        .count();
    assert!(overdrawn > 50, "only {overdrawn} of 100 seeds overdrew");
}

#[test]
fn same_seed_is_same_run() {
    assert_eq!(race_for_the_last_money(5), race_for_the_last_money(5));
    assert!((0..50).any(|seed| race_for_the_last_money(seed) != race_for_the_last_money(5)));
}
