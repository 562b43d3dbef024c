//! What was not recorded was not checked, and that is said.

mod support;

use support::{code, folder, json, run, stderr, stdout};

const SMALL: [&str; 4] = ["--customers", "5", "--events", "10"];

#[test]
fn a_run_that_is_not_recorded_is_unchecked_and_passes_only_if_that_is_accepted() {
    let home = folder();
    let summary = || json(&home.path().join("passbook-run/summary.json"));
    for (record, left_out) in [("none", 50), ("20", 30)] {
        let asked = [&SMALL[..], &["--record", record]].concat();
        let ran = run(&home, &asked);
        assert_eq!(code(&ran), 5, "{}", stdout(&ran));
        let told = format!("{left_out} operations were not recorded, as --record says");
        assert!(stdout(&ran).contains("UNCHECKED") && stdout(&ran).contains(&told));
        assert_eq!(summary()["verdict"], "unknown");
        assert_eq!(summary()["unrecorded"]["left_out"], left_out);
        // What does not depend on it is looked at all the same.
        let checks = summary()["checks"].as_array().expect("checks").clone();
        let converged = checks.iter().find(|check| check["property"] == "convergence");
        assert_eq!(converged.expect("looked at")["verdict"], "pass");

        let accepted = run(&home, &[&asked[..], &["--unchecked-ok"]].concat());
        assert_eq!(code(&accepted), 0, "{}", stdout(&accepted));
        let judged = run(&home, &["check", "passbook-run"]);
        assert_eq!(code(&judged), 5, "{}", stdout(&judged));
        assert!(stdout(&judged).contains("not all operations of the run are in history.jsonl"));
    }
}

#[test]
fn a_bound_that_is_not_reached_leaves_nothing_out() {
    let home = folder();
    let ran = run(&home, &[&SMALL[..], &["--record", "50"]].concat());
    assert_eq!(code(&ran), 0, "{}", stdout(&ran));
}

#[test]
fn a_broken_promise_is_not_accepted_with_what_is_unchecked() {
    let home = folder();
    let near_zero = ["--replication", "broadcast", "--opening-balance", "100", "--mix", "10:90:0"];
    let asked = ["--customers", "100", "--events", "20", "--record", "1000", "--unchecked-ok"];
    let ran = run(&home, &[&asked[..], &near_zero].concat());
    assert_eq!(code(&ran), 3, "{}", stdout(&ran));
}

#[test]
fn anything_else_is_refused() {
    let home = folder();
    for wrong in ["some", "-1", "1.5", ""] {
        let ran = run(&home, &[&SMALL[..], &["--record", wrong]].concat());
        assert_eq!(code(&ran), 2, "{wrong}");
        let said = stderr(&ran);
        assert!(said.contains("expected all, none or a number of operations"), "{wrong}: {said}");
    }
}
