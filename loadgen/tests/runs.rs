//! Whole runs of the binary: exit codes, artifacts, the report.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use support::{EXERCISE, ROAMING, code, folder, json, loadgen, run, stderr, stdout, write};
use tempfile::TempDir;
use testkit::processes::until;

#[test]
fn a_synthetic_run_passes_and_leaves_its_artifacts() {
    let home = folder();
    let ran = run(&home, &["--customers", "30", "--events", "10", "--seed", "7"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let report = stdout(&ran);
    for expected in [
        "PASS  300 operations",
        "conservation",
        "convergence",
        "read your writes",
        "seed 7",
        "frames: ",
    ] {
        assert!(report.contains(expected), "{expected} is not in\n{report}");
    }
    let out = home.path().join("passbook-run");
    let summary = json(&out.join("summary.json"));
    assert_eq!(summary["schema"], 3);
    assert_eq!(summary["verdict"], "pass");
    let cluster = &summary["cluster"];
    let (sent, each) = (cluster["frames_sent"].as_u64(), cluster["frames_per_write"].as_f64());
    assert!(sent > Some(0) && each > Some(0.0), "{cluster}");
    assert_eq!(summary["latency"]["all"]["response"]["count"], 300);
    let kinds = ["deposit", "withdraw", "query"];
    let ok = kinds.map(|kind| summary["operations"][kind]["ok"].as_u64().expect("a count"));
    assert_eq!(ok.iter().sum::<u64>(), 300);
    assert_eq!(json(&out.join("input.json")).as_array().map(Vec::len), Some(33));
    let output = json(&out.join("output.json"));
    assert_eq!(output.as_array().map(Vec::len), Some(30));
    assert_eq!(output[0]["recv"].as_array().map(Vec::len), Some(10));
    assert!(output[0]["recv"][0]["branch"].is_u64());
    assert!(out.join("traces.otlp.jsonl").is_file());
}

#[test]
fn the_lock_holds_up_customers_and_deadlocks_nobody() {
    let home = folder();
    for ack in ["all", "majority", "local"] {
        let arguments = ["--customers", "60", "--events", "10", "--roam", "0.5", "--ack", ack];
        let locked = ["--replication", "broadcast", "--lock", "--trace-sample", "100%"];
        let ran = run(&home, &[&arguments[..], &locked].concat());
        assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
        assert!(stdout(&ran).contains("parallel fan-out, locked, ack"), "{}", stdout(&ran));
    }
}

#[test]
fn reading_ones_own_writes_is_promised_only_when_every_branch_acknowledges() {
    let home = folder();
    for (ack, promised) in [("all", true), ("majority", false), ("local", false)] {
        let broadcast = ["--replication", "broadcast", "--ack", ack];
        let ran = run(&home, &[&["--customers", "1", "--events", "10"][..], &broadcast].concat());
        assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
        let summary = json(&home.path().join("passbook-run/summary.json"));
        assert_eq!(summary["cluster"]["ack"], ack);
        let mut checks = summary["checks"].as_array().expect("checks").iter();
        let own = checks.find(|check| check["property"] == "read your writes").expect("there");
        assert_eq!(own["promised"], promised, "{ack}");
    }
}

#[test]
fn the_same_seed_asks_the_same() {
    let home = folder();
    for out in ["a", "b"] {
        let ran = run(&home, &["--customers", "5", "--events", "20", "--seed", "3", "--out", out]);
        assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    }
    let input = |out: &str| json(&home.path().join(out).join("input.json"));
    assert_eq!(input("a"), input("b"));
}

#[test]
fn a_synthetic_runs_input_can_be_replayed() {
    let home = folder();
    let ran = run(&home, &["--customers", "5", "--events", "5", "--out", "made"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let ran = run(&home, &["replay", "made/input.json", "-o", "again.json", "-q"]);
    assert_eq!((code(&ran), stdout(&ran).as_str()), (0, "pass\n"), "{}", stderr(&ran));
}

#[test]
fn replay_of_the_exercises_example_is_grouped_by_customer() {
    let home = folder();
    write(&home, "input.json", EXERCISE);
    let broadcast = ["--replication", "broadcast", "--trace-sample", "100%"];
    let ran = run(&home, &[&["replay", "input.json", "--verbose"][..], &broadcast].concat());
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let expected = json!([
        {"id": 1, "recv": [{"interface": "query", "balance": 400}]},
        {"id": 2, "recv": [
            {"interface": "deposit", "result": "success"}, {"interface": "query", "balance": 570}]},
        {"id": 3, "recv": [
            {"interface": "withdraw", "result": "success"}, {"interface": "query", "balance": 500}]},
    ]);
    assert_eq!(json(&home.path().join("output.json")), expected);
    let said = stdout(&ran);
    assert!(said.contains("customer 2\n  deposit: success\n  query: balance 570\n"), "{said}");
    assert!(said.contains("fan-out, 2 of 2 acknowledged"), "{said}");
}

#[test]
fn concurrent_replay_answers_queries_at_the_end_in_the_third_documents_form() {
    let home = folder();
    write(&home, "input.json", EXERCISE);
    let arguments = ["replay", "input.json", "-o", "out.txt", "--order", "concurrent"];
    let ran = run(&home, &[&arguments[..], &["--style", "lines"]].concat());
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    assert!(stdout(&ran).contains("PASS        final balance"), "{}", stdout(&ran));
    assert!(stdout(&ran).contains("all at once, queries last"), "{}", stdout(&ran));
    let expected = "{'id': 1, 'recv': [{'interface': 'query', 'result': 'success', 'money': 500}]}\n\
        {'id': 2, 'recv': [{'interface': 'deposit', 'result': 'success'}, \
        {'interface': 'query', 'result': 'success', 'money': 500}]}\n\
        {'id': 3, 'recv': [{'interface': 'withdraw', 'result': 'success'}, \
        {'interface': 'query', 'result': 'success', 'money': 500}]}\n";
    let written = std::fs::read_to_string(home.path().join("out.txt")).expect("written");
    assert_eq!(written, expected);
    let checked = run(&home, &["check", "--input", "input.json", "out.txt", "-q"]);
    assert_eq!((code(&checked), stdout(&checked).as_str()), (0, "pass\n"));
}

#[test]
fn replay_of_a_roaming_customer_is_written_per_event_for_every_fanout_and_ack_all() {
    for fanout in ["sequential", "parallel"] {
        let home = folder();
        write(&home, "input.json", ROAMING);
        let broadcast = ["--replication", "broadcast", "--fanout", fanout];
        let arguments = ["replay", "input.json", "--out", "run"];
        let ran = run(&home, &[&arguments[..], &broadcast].concat());
        assert_eq!(code(&ran), 0, "{}", stderr(&ran));
        let expected = json!([
            {"id": 5, "recv": [{"interface": "deposit", "branch": 1, "result": "success"}]},
            {"id": 5, "recv": [{"interface": "query", "branch": 2, "balance": 400}]},
            {"id": 5, "recv": [{"interface": "withdraw", "branch": 2, "result": "fail"}]},
        ]);
        assert_eq!(json(&home.path().join("run/output.json")), expected);
        assert!(!home.path().join("output.json").exists(), "only where it was asked for");
    }
}

#[test]
fn concurrency_near_zero_fails_broadcast_at_the_gate_and_one_customer_does_not() {
    let home = folder();
    let near_zero = ["--events", "10", "--opening-balance", "100", "--mix", "10:90:0"];
    let near_zero = [&near_zero[..], &["--replication", "broadcast", "--customers"]].concat();
    let ran = run(&home, &[&near_zero[..], &["500"]].concat());
    assert_eq!(code(&ran), 3, "{}", stderr(&ran));
    assert!(stdout(&ran).contains("FAIL        overdraft"), "{}", stdout(&ran));
    let summary = json(&home.path().join("passbook-run/summary.json"));
    let mut checks = summary["checks"].as_array().expect("checks").iter();
    let overdraft = checks.find(|check| check["property"] == "overdraft").expect("there");
    assert_eq!(overdraft["verdict"], "fail");
    assert!(overdraft["violations"].as_u64() > Some(0));
    let history = std::fs::read_to_string(home.path().join("passbook-run/history.jsonl"));
    let history = history.expect("recorded");
    let told = overdraft["first_violations"].as_array().expect("violations");
    let told = told.iter().find_map(|told| told["operations"].as_array().filter(|o| !o.is_empty()));
    for operation in told.expect("a counterexample with operations") {
        let (customer, event) = (&operation["customer"], &operation["event"]);
        let customer = format!("\"customer\":{customer},");
        let event = format!("\"event\":{event},");
        let found = history.lines().any(|line| line.contains(&customer) && line.contains(&event));
        assert!(found, "{operation} is not in the history");
    }
    // The same verdict, table and story from the files alone.
    let again = run(&home, &["check", "passbook-run"]);
    assert_eq!(code(&again), 3);
    let said = stdout(&again);
    let found = said.split_once("\n  ").expect("a table").1.trim_end();
    assert!(stdout(&ran).contains(found), "{said}");

    let ran = run(&home, &[&near_zero[..], &["1"]].concat());
    assert_eq!(code(&ran), 0, "{}", stdout(&ran));
}

/// A run that goes on until somebody ends it, and what a scrape of it shows once customers are at work.
fn start_endless(home: &TempDir) -> (Child, String) {
    let mut command = loadgen(home);
    command.args(["--customers", "5", "--duration", "10m", "--metrics-listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let mut said = String::new();
    let stderr = child.stderr.take().expect("piped");
    BufReader::new(stderr).read_line(&mut said).expect("a line");
    let address = said.trim().strip_prefix("metrics at ").expect("where they are").to_owned();
    let scraped = until("a scrape shows deposits", || {
        let body = ureq::get(&address).call().ok()?;
        let body = body.into_body().read_to_string().ok()?;
        let counted = body.lines().any(|line| {
            line.starts_with(
                "passbook_customer_operations_total{operation=\"deposit\",outcome=\"ok\"}",
            ) && !line.ends_with("} 0")
        });
        counted.then_some(body)
    });
    (child, scraped)
}

#[test]
fn an_interrupted_run_is_judged_and_reported() {
    let home = folder();
    let (child, _) = start_endless(&home);
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().expect("kill");
    assert!(killed.success());
    let ran = child.wait_with_output().expect("ended");
    assert_eq!(code(&ran), 130);
    assert!(stdout(&ran).contains("ended early"), "{}", stdout(&ran));
    let summary = json(&home.path().join("passbook-run/summary.json"));
    assert_eq!((&summary["interrupted"], &summary["verdict"]), (&json!(true), &json!("pass")));
}

#[test]
fn metrics_are_served_while_the_run_lasts() {
    let home = folder();
    let (mut child, scraped) = start_endless(&home);
    child.kill().expect("killed");
    child.wait().expect("ended");
    for name in passbook::telemetry::names::ALL {
        assert!(
            scraped.contains(&format!("# TYPE {}", name.name)),
            "no {} in\n{scraped}",
            name.name
        );
    }
    assert!(scraped.ends_with("# EOF\n"));
}
