//! Several workers: the same operations as one, and what they recorded is merged without loss.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;
use support::{EXERCISE, code, folder, json, run, stderr, stdout, write};
use tempfile::TempDir;

/// The operations in the history of a run, in the order of the file.
fn operations(home: &TempDir) -> Vec<Value> {
    let text = fs::read_to_string(home.path().join("passbook-run/history.jsonl")).expect("there");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["session"].is_string() || line["session"].is_u64()).collect()
}

fn summary(home: &TempDir) -> Value {
    json(&home.path().join("passbook-run/summary.json"))
}

/// All operations with any outcome.
fn counted(summary: &Value) -> u64 {
    let kinds = summary["operations"].as_object().expect("kinds").values();
    let outcomes = kinds.flat_map(|kind| kind.as_object().expect("outcomes").values());
    outcomes.map(|count| count.as_u64().expect("a count")).sum()
}

/// Runs with so many workers, and asserts that nothing was lost when what they recorded was merged. Returns the input.
fn complete_input(workers: &str, more: &[&str]) -> String {
    let home = folder();
    let arguments = ["--customers", "20", "--events", "15", "--seed", "9", "--think", "1ms"];
    let ran = run(&home, &[&arguments[..], &["--workers", workers], more].concat());
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    let summary = summary(&home);
    assert_eq!(summary["generator"]["workers"].to_string(), workers);
    assert_eq!(counted(&summary), 300, "{workers}: {summary}");
    assert_eq!(summary["latency"]["all"]["response"]["count"], 300, "{workers}");
    let operations = operations(&home);
    assert_eq!(operations.len(), 300, "{workers}");
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for operation in &operations {
        let number = next.entry(operation["session"].to_string()).or_default();
        *number += 1;
        assert_eq!(operation["number"], *number, "a session is in order: {operation}");
    }
    assert_eq!(next.len(), 20, "a session a customer");
    let ends = operations.iter().map(|operation| operation["completed"].as_u64());
    assert!(ends.clone().is_sorted(), "{workers}: in the order of their answers");
    let last = ends.max().flatten().expect("answered");
    let first = operations.iter().filter_map(|operation| operation["invoked"].as_u64()).min();
    let lasted = Duration::from_nanos(last - first.expect("sent"));
    let window = summary["measured_s"].as_f64().expect("a window");
    assert!(window >= lasted.as_secs_f64(), "{workers}: {window} {lasted:?}");
    fs::read_to_string(home.path().join("passbook-run/input.json")).expect("there")
}

#[test]
fn operations_are_complete_and_the_same_over_any_workers() {
    let alone = complete_input("1", &[]);
    for workers in ["2", "3"] {
        assert!(complete_input(workers, &[]) == alone, "{workers}: other operations");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn two_workers_at_a_running_cluster_lose_nothing() {
    let home = folder();
    let input = write(&home, "cluster.json", EXERCISE);
    let mut command = std::process::Command::new(support::branches::branch());
    command.arg("cluster").arg(input).args(["--base-port", "0"]);
    let mut cluster = testkit::processes::Process::start(&mut command);
    let target = cluster.started(3).into_iter().map(|(_, port)| format!("127.0.0.1:{port}"));
    let target = target.collect::<Vec<_>>().join(",");
    complete_input("2", &["--target", &target]);
    testkit::processes::signal(cluster.pid(), "-TERM");
    cluster.ended();
}

#[test]
fn bound_on_the_record_is_that_of_all_workers_together() {
    let home = folder();
    let arguments = ["--customers", "7", "--events", "10", "--workers", "2", "--record", "33"];
    let ran = run(&home, &arguments);
    assert_eq!(code(&ran), 5, "{}{}", stdout(&ran), stderr(&ran));
    assert_eq!(operations(&home).len(), 33);
    let summary = summary(&home);
    assert_eq!((counted(&summary), &summary["unrecorded"]["left_out"]), (70, &37.into()));
}

#[test]
fn replay_has_the_same_answers_over_any_workers() {
    for order in ["sequential", "concurrent"] {
        let outputs = ["1", "3"].map(|workers| {
            let home = folder();
            write(&home, "input.json", EXERCISE);
            let replay = ["replay", "input.json", "--order", order, "--workers", workers];
            let ran = run(&home, &replay);
            assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
            json(&home.path().join("output.json"))
        });
        assert_eq!(outputs[0], outputs[1], "{order}");
    }
}

#[test]
fn report_names_the_workers_and_never_more_than_customers() {
    let home = folder();
    let ran = run(&home, &["--customers", "2", "--events", "3", "--workers", "5"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    assert!(stdout(&ran).contains("\ngenerator: 2 workers, "), "{}", stdout(&ran));
    let refused = run(&home, &["--workers", "0"]);
    assert_eq!(code(&refused), 2, "{}", stderr(&refused));
}
