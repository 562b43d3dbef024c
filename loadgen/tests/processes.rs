//! Runs on branches in processes of their own: those of `--process`, and those of `branch cluster`.
#![cfg(target_os = "linux")]

mod support;

use std::process::Command;

use support::branches::branch;
use support::{EXERCISE, code, folder, json, loadgen, run, stderr, stdout, write};
use tempfile::TempDir;
use testkit::processes::{Process, children, nothing_stays, ports, runs, signal, until};

const ONE: &str = r#"[
  {"id": 1, "type": "customer", "events": [{"id": 1, "interface": "deposit", "money": 5}]},
  {"id": 1, "type": "branch", "balance": 1000}
]"#;

/// `branch cluster` on free ports, and the ports in the order of the file.
fn cluster(home: &TempDir, text: &str, branches: usize) -> (Process, Vec<u16>) {
    let input = write(home, "input.json", text);
    let mut command = Command::new(branch());
    let mut cluster = Process::start(command.arg("cluster").arg(input).args(["--base-port", "0"]));
    let ports = cluster.started(branches).into_iter().map(|(_, port)| port).collect();
    (cluster, ports)
}

fn end(cluster: Process, ports: &[u16]) {
    let pids = children(cluster.pid());
    signal(cluster.pid(), "-TERM");
    let (status, said) = cluster.ended();
    assert_eq!(status.code(), Some(0), "{said}");
    nothing_stays(&pids, ports);
}

#[test]
fn a_replay_on_branch_cluster_and_one_with_process_give_what_an_embedded_one_gives() {
    let home = folder();
    let (cluster, ports) = cluster(&home, EXERCISE, 3);
    let target = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    let ways: [&[&str]; 3] = [&[], &["--process"], &["--target", &target]];
    let mut outputs = ways.iter().map(|way| {
        let ran = run(&home, &[&["replay", "input.json"], *way].concat());
        assert_eq!(code(&ran), 0, "{way:?}: {}{}", stdout(&ran), stderr(&ran));
        json(&home.path().join("output.json"))
    });
    let expected = outputs.next().expect("embedded");
    assert_eq!(expected[2]["recv"][1]["balance"], 500);
    for output in outputs {
        assert_eq!(output, expected);
    }
    end(cluster, &ports);
}

#[test]
fn a_base_port_finds_the_branches_by_their_ids() {
    let home = folder();
    let (cluster, ports) = cluster(&home, ONE, 1);
    let base = (ports[0] - 1).to_string();
    let ran = run(&home, &["replay", "input.json", "--base-port", &base]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let synthetic = ["--customers", "1", "--events", "5", "--branches", "1"];
    let ran = run(&home, &[&synthetic[..], &["--base-port", &base]].concat());
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let summary = json(&home.path().join("passbook-run/summary.json"));
    assert_eq!(summary["cluster"]["opening_balance"], 1005, "the replay's deposit is in it");
    end(cluster, &ports);
}

/// A run that goes on until it is ended, with its branches' processes and ports.
fn long_run(home: &TempDir) -> (Process, Vec<u32>, Vec<u16>) {
    let mut command = loadgen(home);
    command.args(["--process", "--customers", "3", "--duration", "1h"]);
    let run = Process::start(command.args(["--metrics-listen", "127.0.0.1:0"]));
    // Metrics are served when all branches are ready.
    until("the run is on", || run.said().contains("metrics at").then_some(()));
    let pids = children(run.pid());
    assert_eq!(pids.len(), 3, "a process each: {}", run.said());
    let ports = ports(&pids);
    assert_eq!(ports.len(), 3, "a port each");
    (run, pids, ports)
}

#[test]
fn kill_9_of_a_run_leaves_no_branch() {
    let home = folder();
    let (run, pids, ports) = long_run(&home);
    signal(run.pid(), "-KILL");
    nothing_stays(&pids, &ports);
}

#[test]
fn an_interrupted_run_reports_and_ends_its_branches() {
    let home = folder();
    let (run, pids, ports) = long_run(&home);
    signal(run.pid(), "-INT");
    let (status, said) = run.ended();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(pids.iter().all(|pid| !runs(*pid)), "they end before it does");
    nothing_stays(&pids, &ports);
    assert_eq!(json(&home.path().join("passbook-run/summary.json"))["verdict"], "pass");
}

#[test]
fn without_the_branch_binary_the_message_says_how_to_build_it() {
    // A link, on the file system of the original: a copy that another test's fork still holds open for
    // writing cannot be run.
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let alone = home.path().join("loadgen");
    std::fs::hard_link(env!("CARGO_BIN_EXE_loadgen"), &alone).expect("linked");
    let mut command = Command::new(&alone);
    command.current_dir(home.path()).args(["--customers", "1", "--process"]);
    let (status, said) = Process::start(&mut command).ended();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("cargo build --bin branch"), "{said}");
}

#[test]
fn one_way_to_name_the_branches_at_a_time() {
    let bad: [&[&str]; 6] = [
        &["--process", "--target", "127.0.0.1:1"],
        &["--process", "--base-port", "50050"],
        &["--base-port", "50050", "--target", "127.0.0.1:1"],
        &["--base-port", "50050", "--fanout", "parallel"],
        &["--base-port", "0"],
        &["--base-port", "65534", "--branches", "2"],
    ];
    for arguments in bad {
        let home = folder();
        let ran = run(&home, arguments);
        assert_eq!(code(&ran), 2, "{arguments:?}: {}", stderr(&ran));
        assert!(stderr(&ran).starts_with("error: "), "{}", stderr(&ran));
    }
}
