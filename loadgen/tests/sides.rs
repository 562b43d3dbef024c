//! Runs under several schemes: the same workload, a table, a folder of run folders, one exit code.

mod support;

use std::fs;

use loadgen::load::Phase;
use loadgen::scenario::{ClusterChoice, Scenario, Stop, Synthetic, Workload};
use loadgen::{Comparison, ExitCode, Hooks, Interrupt, Progress, run_each};
use replication::{Fanout, Locking, Scheme};
use serde_json::{Value, json};
use support::{EXERCISE, code, folder, run, stderr, stdout, write};

const BOTH: [&str; 2] = ["--replication", "broadcast,passbook"];

/// The line of the table that begins with `scheme`.
fn line<'a>(report: &'a str, scheme: &str) -> &'a str {
    let mut table = report.lines().skip_while(|line| !line.starts_with("scheme "));
    let line = table.find(|line| line.starts_with(&format!("{scheme} ")));
    line.unwrap_or_else(|| panic!("no line of {scheme} in\n{report}"))
}

fn comparison(home: &tempfile::TempDir) -> Value {
    support::json(&home.path().join("passbook-run/comparison.json"))
}

#[test]
fn with_plenty_of_money_both_pass_and_stand_beside_each_other() {
    let ways: [&[&str]; 2] = [&[], &["--process"]];
    for way in ways {
        let home = folder();
        let size = ["--customers", "20", "--events", "10", "--seed", "7"];
        let ran = run(&home, &[&size[..], &BOTH, way].concat());
        let report = stdout(&ran);
        assert_eq!(code(&ran), 0, "{report}{}", stderr(&ran));
        for scheme in ["broadcast", "passbook"] {
            assert!(line(&report, scheme).ends_with("  pass"), "{report}");
        }
        assert!(!report.contains("checks of"), "{report}");
        let told = "one after another: broadcast, parallel fan-out; passbook, read session\n";
        assert!(report.contains(told), "{report}");

        let run_folder = |scheme: &str| home.path().join("passbook-run").join(scheme);
        let asked = |scheme: &str| support::json(&run_folder(scheme).join("input.json"));
        assert_eq!(asked("broadcast"), asked("passbook"), "the same workload");
        let compared = comparison(&home);
        assert_eq!((&compared["exit_code"], &compared["seed"]), (&json!(0), &json!(7)));
        for (index, scheme) in ["broadcast", "passbook"].into_iter().enumerate() {
            let side = &compared["schemes"][index];
            assert_eq!(side["replication"], scheme);
            assert_eq!(side["response"]["count"], 200);
            assert!(side["response"]["p50_us"].is_f64(), "{side}");
            assert_eq!(side["response"]["p99_us"], Value::Null, "200 are too few");
            let summary = support::json(&run_folder(scheme).join("summary.json"));
            assert_eq!(summary["cluster"]["replication"], scheme);
            assert_eq!(summary["cluster"]["frames_per_write"], side["frames_per_write"]);
            assert_eq!(summary["throughput_per_s"], side["throughput_per_s"]);
        }
        // A request and an answer for each of two peers.
        assert_eq!(compared["schemes"][0]["frames_per_write"], 4.0, "{way:?}");
        assert!(compared["schemes"][1]["frames_sent"].as_u64() > Some(0), "{way:?}");
    }
}

#[test]
fn near_zero_the_scheme_that_is_wrong_is_named_and_decides_the_exit_code() {
    let home = folder();
    let near_zero = ["--opening-balance", "100", "--mix", "10:90:0", "--timeout", "1m"];
    let size = ["--customers", "500", "--events", "10"];
    let ran = run(&home, &[&size[..], &near_zero, &BOTH].concat());
    let report = stdout(&ran);
    assert_eq!(code(&ran), 3, "{report}{}", stderr(&ran));
    assert!(line(&report, "broadcast").contains("  FAIL (overdraft"), "{report}");
    assert!(line(&report, "passbook").ends_with("  pass"), "{report}");
    assert!(report.contains("checks of broadcast\n  FAIL        overdraft"), "{report}");
    let schemes = &comparison(&home)["schemes"];
    assert_eq!((&schemes[0]["verdict"], &schemes[1]["verdict"]), (&json!("fail"), &json!("pass")));
    assert_eq!(schemes[0]["because"][0], "overdraft");

    let small = ["--customers", "1", "--events", "5", "-q"];
    let ran = run(&home, &[&small[..], &BOTH].concat());
    assert_eq!(
        (code(&ran), stdout(&ran).as_str()),
        (0, "broadcast pass, seed 1\npassbook pass, seed 1\n")
    );
}

#[test]
fn settings_of_broadcast_go_to_broadcast() {
    let home = folder();
    let size = ["--customers", "5", "--events", "5", "--verbose"];
    let settings = ["--fanout", "sequential", "--lock"];
    let ran = run(&home, &[&size[..], &BOTH, &settings].concat());
    let report = stdout(&ran);
    assert_eq!(code(&ran), 0, "{report}{}", stderr(&ran));
    let told = "one after another: broadcast, sequential fan-out, locked; passbook, read session\n";
    assert!(report.contains(told), "{report}");
    // Every run's own report, and every customer's answers.
    assert_eq!(report.matches("PASS  25 operations").count(), 2, "{report}");
    assert_eq!(report.matches("customer 5\n").count(), 2, "{report}");
    assert!(report.contains("  passbook-run/broadcast/  input.json"), "{report}");
    let schemes = &comparison(&home)["schemes"];
    assert_eq!((&schemes[0]["lock"], &schemes[0]["fanout"]), (&json!(true), &json!("sequential")));
    assert_eq!((&schemes[1]["lock"], &schemes[1]["fanout"]), (&json!(false), &json!(null)));
}

#[test]
fn a_replay_has_its_answers_in_the_folders() {
    let home = folder();
    write(&home, "input.json", EXERCISE);
    let replay = ["replay", "input.json"];
    let ran = run(&home, &[&replay[..], &BOTH].concat());
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    assert!(stdout(&ran).contains("replay of input.json"), "{}", stdout(&ran));
    assert!(!home.path().join("output.json").exists());
    for scheme in ["broadcast", "passbook"] {
        let answers = home.path().join("passbook-run").join(scheme).join("output.json");
        assert_eq!(support::json(&answers)[1]["recv"][1]["balance"], 570);
    }
}

#[test]
fn what_cannot_be_run_side_by_side_is_refused() {
    let home = folder();
    write(&home, "input.json", EXERCISE);
    let refused: [(&[&str], &str); 8] = [
        (&["--replication", "passbook,passbook"], "names passbook twice; name each scheme once"),
        (&["--replication", "passbook,raft"], "possible values: passbook, broadcast"),
        (&["--replication", "passbook,"], "possible values: passbook, broadcast"),
        (&["--target", "127.0.0.1:1", BOTH[0], BOTH[1]], "--replication is for a cluster"),
        (
            &["--base-port", "1", "--branches", "2", BOTH[0], BOTH[1]],
            "--replication is for a cluster",
        ),
        (&["--read", "snapshot", BOTH[0], BOTH[1]], "a query under broadcast is answered from"),
        (&["--wire", "bank", "--read", "local", BOTH[0], BOTH[1]], "over --wire bank"),
        (&["replay", "input.json", "-o", "out", BOTH[0], BOTH[1]], "-o takes the answers of one"),
    ];
    for (arguments, expected) in refused {
        let ran = run(&home, arguments);
        let said = stderr(&ran);
        assert_eq!(code(&ran), 2, "{arguments:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{said}");
        assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 1, "only input.json");
    }
}

#[test]
fn runs_that_cannot_be_done_leave_the_folder_as_it_was() {
    let home = folder();
    let small = ["--customers", "1", "--events", "1"];
    let ran = run(&home, &[&small[..], &BOTH].concat());
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let before = comparison(&home);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let ran = run(&home, &[&small[..], &BOTH, &["--metrics-listen", &address]].concat());
    let said = stderr(&ran);
    assert_eq!(code(&ran), 1, "{said}");
    assert!(said.contains("error: failed to serve metrics"), "{said}");
    assert_eq!(comparison(&home), before);
    assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 1, "nothing half made");

    let ran = run(&home, &small);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let there = home.path().join("passbook-run");
    assert!(there.join("summary.json").is_file() && !there.join("broadcast").exists());
}

/// Runs under both schemes that are interrupted as soon as `scheme` is in `phase`.
fn interrupted_at(scheme: &str, phase: Phase) -> Comparison {
    let home = folder();
    let broadcast = Scheme::Broadcast { fanout: Fanout::Parallel, locking: Locking::Unlocked };
    let workload = Workload::Synthetic(Synthetic {
        customers: 3,
        branches: 2,
        stop: Stop::After(std::time::Duration::from_millis(1)),
        ..Synthetic::default()
    });
    let out = Some(home.path().join("run"));
    let scenario = Scenario { out, ..Scenario::new(workload, ClusterChoice::Embedded(broadcast)) };
    let interrupt = Interrupt::default();
    let mut progress = |told: &Progress| {
        if (told.scheme, told.phase) == (Some(scheme), phase) {
            interrupt.raise();
        }
    };
    let hooks = Hooks {
        progress: &mut progress,
        interrupt: interrupt.clone(),
        metrics: None,
        tracing: None,
        replica: None,
    };
    let sides = run_each(&scenario, &[broadcast, Scheme::Passbook], hooks).expect("a run at least");
    assert!(home.path().join("run/broadcast/summary.json").is_file());
    sides
}

#[test]
fn an_interruption_ends_all_and_what_there_was_is_reported() {
    let at_work = interrupted_at("broadcast", Phase::Measure);
    let before_the_second = interrupted_at("passbook", Phase::WarmUp);
    for sides in [at_work, before_the_second] {
        assert_eq!((sides.exit_code(), sides.reports().len()), (ExitCode::Interrupted, 1));
        let text = sides.render();
        assert!(line(&text, "passbook").ends_with("not run: interrupted"), "{text}");
    }
    let second = interrupted_at("passbook", Phase::Measure);
    assert_eq!((second.exit_code(), second.reports().len()), (ExitCode::Interrupted, 2));
    let text = second.render();
    // Whether any operation was sent before is chance; without one there is nothing to judge.
    assert!(line(&text, "passbook").ends_with(", ended early"), "{text}");
    assert!(!text.contains("FAIL"), "{text}");
}
