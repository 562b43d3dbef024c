//! Passbook used by one customer after another answers exactly as one account would.

use proptest::prelude::*;

use super::tests::{model, workload};
use super::*;
use bank::{Money, Outcome, Rejection};
use replication::Passbook;
use replication::passbook::{Settings, Storage};

fn cluster(branches: u32, opening: i64, seed: u64, storage: Storage) -> Vec<Started<Passbook>> {
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

fn equals_the_model(
    branches: u32,
    customers: &[Vec<(BranchId, Operation)>],
    seed: u64,
    opening: i64,
    storage: Storage,
) -> Result<(), TestCaseError> {
    let plan = Plan {
        seed,
        customers: customers.to_vec(),
        order: Order::OneAfterAnother,
        ack: Ack::All,
        delay_max: Duration::from_millis(20),
    };
    let ran = run(&plan, cluster(branches, opening, seed, storage));
    let operations = || customers.iter().flatten().map(|(_, operation)| *operation);
    let expected: Vec<(Outcome, i64)> = model(opening, operations())
        .into_iter()
        .map(|(ok, balance)| {
            let refused = Outcome::Rejected(Rejection::InsufficientFunds);
            (if ok { Outcome::Ok } else { refused }, balance)
        })
        .collect();
    let answers: Vec<(Outcome, i64)> = ran
        .answers
        .iter()
        .flatten()
        .map(|answer| (answer.outcome, answer.balance.expect("carried").minor_units()))
        .collect();
    prop_assert_eq!(&answers, &expected);
    let last = expected.last().map_or(opening, |(_, balance)| *balance);
    for audit in &ran.audits {
        prop_assert_eq!(audit.balance, Money::new(last));
        prop_assert_eq!(audit.outstanding, 0);
        prop_assert!(!audit.lowest_balance.is_negative());
    }
    Ok(())
}

/// A debug build is slow: `cargo test --release` tries many more.
const fn cases(debug: u32, release: u32) -> u32 {
    if cfg!(debug_assertions) { debug } else { release }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(500, 10_000)))]

    #[test]
    fn one_after_another_every_answer_is_the_models(
        (branches, customers) in prop::sample::select(&[1_u32, 2, 3, 10])
            .prop_flat_map(|n| (Just(n), workload(n))),
        seed: u64,
        opening in 0..300_i64,
        journal: bool,
    ) {
        let storage = if journal { Storage::Journal } else { Storage::Memory };
        equals_the_model(branches, &customers, seed, opening, storage)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(10, 2_000)))]

    #[test]
    fn one_after_another_at_fifty_branches_too(
        customers in workload(50),
        seed: u64,
        opening in 0..300_i64,
    ) {
        equals_the_model(50, &customers, seed, opening, Storage::Memory)?;
    }
}
