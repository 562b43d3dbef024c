//! `branch cluster`: what it says, what it refuses, and that nothing of it stays.
#![cfg(target_os = "linux")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use testkit::processes::{Process, children, listens, nothing_stays, signal};

/// With a comma too many, which is read and warned of.
const THREE: &str = r#"[
  {"id": 7, "type": "branch", "balance": 400},
  {"id": 1, "type": "branch", "balance": 400},
  {"id": 4, "type": "branch", "balance": 400},
]"#;
const ONE: &str = r#"[{"id": 1, "type": "branch", "balance": 400}]"#;

/// A folder with this as `input.json`.
fn home(text: &str) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().join("input.json");
    std::fs::write(&path, text).expect("written");
    (home, path)
}

fn cluster(input: &PathBuf, base_port: &str) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_branch"));
    Process::start(command.arg("cluster").arg(input).args(["--base-port", base_port]))
}

/// Three branches at work: the cluster, their processes and their ports.
fn three() -> (Process, Vec<u32>, Vec<u16>) {
    let (_home, input) = home(THREE);
    let mut cluster = cluster(&input, "0");
    let started = cluster.started(3);
    let ids: Vec<u32> = started.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [7, 1, 4], "in the order of the file");
    let ports: Vec<u16> = started.iter().map(|(_, port)| *port).collect();
    assert!(ports.iter().all(|port| listens(*port)));
    let pids = children(cluster.pid());
    assert_eq!(pids.len(), 3, "a process each");
    (cluster, pids, ports)
}

#[test]
fn sigterm_and_ctrl_c_end_all_in_order() {
    for name in ["-TERM", "-INT"] {
        let (cluster, pids, ports) = three();
        signal(cluster.pid(), name);
        let (status, said) = cluster.ended();
        assert_eq!(status.code(), Some(0), "{name}: {said}");
        assert!(pids.iter().all(|pid| !testkit::processes::runs(*pid)), "they end before it does");
        nothing_stays(&pids, &ports);
        assert!(said.contains("input.json:4:") && said.starts_with("warning: "), "{said}");
    }
}

#[test]
fn sigterm_to_every_process_is_no_failure() {
    let (cluster, pids, ports) = three();
    let all = std::iter::once(cluster.pid()).chain(pids.iter().copied());
    let all: Vec<String> = all.map(|pid| pid.to_string()).collect();
    // It fails where the cluster, first in the list, has ended a branch before its turn came.
    let _ = Command::new("kill").arg("-TERM").args(all).output().expect("kill");
    let (status, said) = cluster.ended();
    assert_eq!(status.code(), Some(0), "{said}");
    nothing_stays(&pids, &ports);
}

#[test]
fn kill_9_of_the_cluster_leaves_no_branch() {
    let (cluster, pids, ports) = three();
    signal(cluster.pid(), "-KILL");
    nothing_stays(&pids, &ports);
    let (status, _) = cluster.ended();
    assert_eq!(status.code(), None, "it was killed");
}

#[test]
fn a_branch_that_dies_is_named_and_ends_the_cluster() {
    let (cluster, pids, ports) = three();
    signal(pids[1], "-KILL");
    let (status, said) = cluster.ended();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("(process {}) ended by itself: signal: 9", pids[1])), "{said}");
    nothing_stays(&pids, &ports);
}

#[test]
fn a_second_cluster_on_the_same_ports_is_refused() {
    let (_home, input) = home(ONE);
    let mut first = cluster(&input, "0");
    let [(1, port)] = first.started(1)[..] else { panic!("branch 1") };
    let (status, said) = cluster(&input, &(port - 1).to_string()).ended();
    assert_eq!(status.code(), Some(1), "{said}");
    let expected = format!("error: branch 1 cannot listen on port {port}: ");
    assert!(said.starts_with(&expected) && said.contains("--base-port"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(listens(port), "the first goes on");
    let pids = children(first.pid());
    signal(first.pid(), "-TERM");
    assert_eq!(first.ended().0.code(), Some(0));
    nothing_stays(&pids, &[port]);
}

#[test]
fn a_taken_port_ends_the_branches_that_have_theirs() {
    let (_home, input) = home(
        r#"[{"id": 1, "type": "branch", "balance": 4}, {"id": 2, "type": "branch", "balance": 4}]"#,
    );
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    // Branch 1's port is the one before, whoever has that; branch 2's is taken.
    let (status, said) = cluster(&input, &(port - 2).to_string()).ended();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("cannot listen on port"), "{said}");
}

#[test]
fn bad_input_and_ports_beyond_the_last_are_refused() {
    let refused = [
        (ONE, "65535", "branch 1 would listen on port 65535 + 1"),
        (ONE, "65536", "--base-port"),
        ("[", "0", "input.json:1:"),
        ("[]", "0", "there is no branch"),
    ];
    for (text, base_port, expected) in refused {
        let (_home, input) = home(text);
        let (status, said) = cluster(&input, base_port).ended();
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{said} lacks {expected}");
    }
    let (home, _) = home(ONE);
    let (status, said) = cluster(&home.path().join("nowhere.json"), "0").ended();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("cannot be read"), "{said}");
}
