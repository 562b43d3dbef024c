//! Runs under the passbook scheme, which is the default: right also where broadcast is not, near zero and at once.

mod support;

use std::path::Path;

use bank::{BranchId, Money};
use passbook::cluster::{Cluster, ClusterSpec};
use replication::Scheme;
use serde_json::Value;
use support::{EXERCISE, ROAMING, code, folder, json, run, stderr, stdout, write};

/// The summary of a run that must pass, and what it printed.
fn passes(arguments: &[&str]) -> (Value, String) {
    let home = folder();
    let ran = run(&home, arguments);
    assert_eq!(code(&ran), 0, "{arguments:?}: {}{}", stdout(&ran), stderr(&ran));
    let summary = json(&home.path().join("passbook-run/summary.json"));
    assert_eq!(summary["verdict"], "pass");
    assert_eq!(summary["cluster"]["replication"], "passbook");
    (summary, stdout(&ran))
}

/// The lowest balance that the report tells.
fn lowest(report: &str) -> i64 {
    let told = report.split("lowest balance ").nth(1).expect("told");
    told.split_whitespace().next().expect("told").parse().expect("a number")
}

#[test]
fn near_zero_and_at_once_nothing_is_overdrawn() {
    let banks: [&[&str]; 3] = [
        &["--opening-balance", "100", "--mix", "10:90:0"],
        &["--opening-balance", "1000", "--mix", "40:50:10", "--roam", "0.5"],
        &["--opening-balance", "0", "--mix", "30:30:40"],
    ];
    for branches in ["1", "3", "10"] {
        for bank in banks {
            let size = ["--customers", "100", "--events", "8", "--branches", branches];
            let (summary, report) = passes(&[&size[..], &["--timeout", "1m"], bank].concat());
            assert!(lowest(&report) >= 0, "{branches} branches, {bank:?}: {report}");
            let operations = &summary["operations"];
            let refused = operations["withdraw"]["rejected"].as_u64();
            // Of the first, customers ask more than there can be.
            assert!(bank != banks[0] || refused > Some(0), "{report}");
            for kind in ["deposit", "withdraw", "query"] {
                assert_eq!(operations[kind]["unknown"], 0, "{branches} branches, {bank:?}");
            }
        }
    }
}

#[test]
fn each_ack_and_each_read_runs_and_is_reported() {
    let size = ["--customers", "50", "--events", "8", "--opening-balance", "500", "--roam", "0.5"];
    for ack in ["local", "majority", "all"] {
        for read in ["local", "session", "snapshot"] {
            let (summary, report) = passes(&[&size[..], &["--ack", ack, "--read", read]].concat());
            assert_eq!(
                (&summary["cluster"]["ack"], &summary["cluster"]["read"]),
                (&ack.into(), &read.into())
            );
            assert_eq!(report.contains(&format!("read {read}")), read != "local", "{report}");
            let mut checks = summary["checks"].as_array().expect("checks").iter();
            let own = checks.find(|check| check["property"] == "read your writes").expect("there");
            // Tokens hold whatever the ack.
            assert_eq!(own["promised"], ack == "all" || read != "local", "{report}");
        }
    }
}

#[test]
fn alone_a_write_costs_a_frame_to_each_peer_and_one_back_and_with_others_less() {
    let frames = |customers: &str| {
        let size = ["--customers", customers, "--events", "10", "--mix", "100:0:0"];
        let (summary, _) = passes(&size);
        summary["cluster"]["frames_per_write"].as_f64().expect("told")
    };
    // Two peers, and nobody is answered before both have acknowledged.
    let alone = frames("1");
    assert!(alone >= 4.0, "{alone}");
    let together = frames("200");
    assert!(together < 4.0, "{together}: what is written at once shares frames");
}

#[test]
fn the_slowest_write_is_shown_with_the_pushes_that_carried_it_and_the_one_that_it_waited_for() {
    let home = folder();
    let input = r#"[
      {"id": 1, "type": "customer", "events": [
        {"id": 1, "interface": "deposit", "money": 5, "branch": 2}]},
      {"id": 1, "type": "branch", "balance": 0},
      {"id": 2, "type": "branch", "balance": 0},
      {"id": 3, "type": "branch", "balance": 0}
    ]"#;
    write(&home, "input.json", input);
    let arguments = ["replay", "input.json", "--replication", "passbook", "--trace-sample", "100%"];
    let ran = run(&home, &[&arguments[..], &["--out", "run"]].concat());
    let said = stdout(&ran);
    assert_eq!(code(&ran), 0, "{said}{}", stderr(&ran));
    let row = |label: &str| {
        let found = said.lines().find(|line| line.trim_start().starts_with(label));
        found.unwrap_or_else(|| panic!("no {label:?} in {said}"))
    };
    row("fan-out, 2 of 2 acknowledged ");
    let pushes = ["push to branch 1 ", "push to branch 3 "].map(row);
    assert!(pushes.iter().all(|push| push.contains(" ms, after ")), "{said}");
    let stragglers = pushes.iter().filter(|push| push.contains(" (straggler) "));
    assert_eq!(stragglers.count(), 1, "{said}");
}

#[test]
fn branches_in_processes_replicate_by_it_as_well() {
    let size = ["--customers", "30", "--events", "8", "--opening-balance", "100", "--process"];
    let (_, report) = passes(&size);
    assert!(lowest(&report) >= 0, "{report}");
}

#[test]
fn running_branches_say_themselves_how_they_replicate() {
    let ids = (1..=3).map(BranchId).collect();
    let spec = ClusterSpec::new(ids, Money::new(50), Scheme::Passbook);
    let cluster = Cluster::start(&spec).expect("started");
    let addresses = cluster.addresses().iter().map(|(_, address)| address.to_string());
    let target = addresses.collect::<Vec<_>>().join(",");
    let home = folder();
    for round in 1..=2 {
        let size = ["--customers", "20", "--events", "8", "--mix", "10:80:10"];
        let ran = run(&home, &[&size[..], &["--target", &target]].concat());
        assert_eq!(code(&ran), 0, "run {round}: {}{}", stdout(&ran), stderr(&ran));
        assert!(stdout(&ran).contains("passbook, ack all, read session"), "{}", stdout(&ran));
    }
    cluster.end().expect("ended well");
}

#[test]
fn what_belongs_to_the_other_scheme_is_refused() {
    let refused: [(&[&str], &str); 8] = [
        (&["--lock"], "--lock is for --replication broadcast; add --replication broadcast"),
        (&["--fanout", "parallel"], "--fanout is for --replication broadcast; add --replication"),
        (&["--replication", "passbook", "--lock"], "--lock is for --replication broadcast"),
        (&["--replication", "passbook", "--fanout", "parallel"], "--fanout is for --replication"),
        (&["--replication", "broadcast", "--read", "snapshot"], "--read snapshot is for"),
        (&["--wire", "bank", "--replication", "passbook", "--read", "local"], "over --wire bank"),
        (
            &["--target", "127.0.0.1:1", "--replication", "passbook"],
            "--replication is for a cluster",
        ),
        (
            &["--base-port", "1", "--branches", "2", "--replication", "broadcast"],
            "--replication is for a cluster",
        ),
    ];
    for (arguments, expected) in refused {
        let home = folder();
        let ran = run(&home, arguments);
        let said = stderr(&ran);
        assert_eq!(code(&ran), 2, "{arguments:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{said}");
        assert_eq!((said.lines().count(), stdout(&ran).as_str()), (1, ""), "{said}");
    }
    let home = folder();
    write(&home, "input.json", EXERCISE);
    assert_eq!(code(&run(&home, &["replay", "input.json", "--lock"])), 2);
}

#[test]
fn a_replay_has_the_same_output_under_either_scheme_by_every_wire() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let case = |name: &str| {
        let path = cases.join(name).join("input.json");
        std::fs::read_to_string(path).expect("a case of the repository")
    };
    let inputs =
        [EXERCISE.to_owned(), ROAMING.to_owned(), case("dest"), case("refused-withdrawal")];
    for input in inputs {
        let home = folder();
        write(&home, "input.json", &input);
        let output = |replication: &str, wire: &str| {
            let arguments =
                ["replay", "input.json", "--replication", replication, "--wire", wire, "-o", "out"];
            let ran = run(&home, &arguments);
            assert_eq!(code(&ran), 0, "{wire}: {}{}", stdout(&ran), stderr(&ran));
            json(&home.path().join("out"))
        };
        let expected = output("broadcast", "passbook");
        for wire in ["passbook", "bank", "bankservice"] {
            assert_eq!(output("passbook", wire), expected, "{wire}");
        }
    }
}
