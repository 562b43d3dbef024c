//! The passbook scheme under seeds: the same machines that serve, on a simulated network and disks.

use simulation::{Counter, Counters, FaultProfile, Plan, Transcript, run};
use strum::VariantArray as _;

#[test]
fn no_seed_violates_anything_and_what_can_go_wrong_does() {
    let mut counters = Counters::default();
    for seed in 0..300 {
        let ran = run(&Plan::from_seed(seed, None), None);
        let again = format!("simulate --seeds 1 --first {seed} --story");
        assert_eq!(ran.violation, None, "{again}");
        counters.merge(&ran.counters);
    }
    for seen in [
        Counter::Borrows,
        Counter::Refusals,
        Counter::Kills,
        Counter::TornTails,
        Counter::AmnesiaStops,
    ] {
        assert!(counters.of(seen) > 0, "{} never seen in\n{counters}", seen.name());
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_telling_it_changes_nothing() {
    for profile in FaultProfile::VARIANTS.iter().copied() {
        let plan = Plan::from_seed(7, Some(profile));
        let ran = run(&plan, None);
        assert_eq!(ran, run(&plan, None));
        assert_eq!(ran, Transcript::of(&plan, None).result);
        assert_ne!(ran.hash, run(&Plan::from_seed(8, Some(profile)), None).hash);
    }
}

/// A debug build is slow: `cargo test --release` runs many more.
const fn seeds(debug: u64, release: u64) -> u64 {
    if cfg!(debug_assertions) { debug } else { release }
}

#[test]
#[expect(clippy::print_stdout, reason = "the share is of interest also while it is small enough")]
fn nobody_starves_where_nothing_fails_and_customers_have_time() {
    let mut counters = Counters::default();
    let mut operations = 0;
    for seed in 0..seeds(300, 5_000) {
        let plan = Plan::from_seed(seed, Some(FaultProfile::NearZero));
        let ran = run(&plan, None);
        let again = format!("simulate --seeds 1 --first {seed} --mix near-zero --story");
        assert_eq!(ran.violation, None, "{again}");
        assert_eq!(ran.counters.of(Counter::UnknownOutcomes), 0, "{again}");
        operations += plan.operations();
        counters.merge(&ran.counters);
    }
    let [withdrawals, contended] =
        [Counter::Withdrawals, Counter::ContendedWithdrawals].map(|seen| counters.of(seen));
    println!("contended: {contended} of {withdrawals} withdrawals");
    let ends = [Counter::Done, Counter::Refusals, Counter::Contended].map(|seen| counters.of(seen));
    let ended = usize::try_from(ends.iter().sum::<u64>()).expect("not so many");
    assert_eq!(ended, operations, "done, refused or contended, and nothing else:\n{counters}");
    assert!(contended * 100 < withdrawals, "{contended} of {withdrawals} are contended");
}

#[cfg(feature = "mutants")]
#[test]
fn a_fault_put_in_on_purpose_is_found_made_smaller_and_told() {
    use replication::passbook::Mutant;
    use simulation::shrink;

    let mutant = Some(Mutant::ApplyRetryTwice);
    let failing = (0..100).map(|seed| Plan::from_seed(seed, None)).find_map(|plan| {
        let violation = run(&plan, mutant).violation?;
        Some((plan, violation.property))
    });
    let (plan, property) = failing.expect("found within 100 seeds");
    let shrunk = shrink(&plan, mutant, 1_000).expect("it fails");
    assert!(shrunk.plan.operations() <= 2, "{} are left", shrunk.plan.operations());
    let transcript = Transcript::of(&shrunk.plan, mutant);
    assert_eq!(
        transcript.result.violation.as_ref().map(|violation| violation.property),
        Some(property)
    );
    assert_eq!(transcript.result, run(&shrunk.plan, mutant), "it is the same run");
    assert!(transcript.to_string().contains("does not hold: "));
    assert!(shrink(&plan, None, 10).is_none(), "without the fault there is nothing to find");
}
