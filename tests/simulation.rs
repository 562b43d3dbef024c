//! The passbook scheme under seeds: the same machines that serve, on a simulated network and disks.

use passbook::replicate::sim::{Counters, Mix, Plan, Seen, run, story};

#[test]
fn no_seed_violates_anything_and_what_can_go_wrong_does() {
    let mut counters = Counters::default();
    for seed in 0..300 {
        let ran = run(&Plan::from_seed(seed, None), None);
        let again = format!("simulate --seeds 1 --first {seed} --story");
        assert_eq!(ran.violation, None, "{again}");
        counters.merge(&ran.counters);
    }
    for seen in [Seen::Borrows, Seen::Refusals, Seen::Kills, Seen::TornTails, Seen::AmnesiaStops] {
        assert!(counters.of(seen) > 0, "{} never seen in\n{counters}", seen.name());
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_telling_it_changes_nothing() {
    for mix in Mix::ALL {
        let plan = Plan::from_seed(7, Some(mix));
        let ran = run(&plan, None);
        assert_eq!(ran, run(&plan, None));
        assert_eq!(ran, story(&plan, None).ran);
        assert_ne!(ran.hash, run(&Plan::from_seed(8, Some(mix)), None).hash);
    }
}
