//! Programs in Python with grpcio, by the contracts in `proto/exercise`: their client at our branches, their
//! bank under our customers. Skipped where there is no grpcio, unless `PASSBOOK_REQUIRE_GRPCIO` is 1.

mod support;

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bank::{BranchId, Money};
use passbook::cluster::{Cluster, ClusterSpec};
use replication::{Fanout, Locking, Scheme};
use support::{EXERCISE, code, folder, json, run, stderr, stdout, write};
use tempfile::TempDir;

fn manifest() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str) -> PathBuf {
    manifest().join("tests/python").join(name)
}

fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    // No files beside the scripts.
    command.env("PYTHONDONTWRITEBYTECODE", "1").args(arguments);
    command
}

/// What grpcio-tools makes of the contracts; `None` where there is none and none is required.
fn generated() -> Option<TempDir> {
    let there = python(&["-c", "import grpc, grpc_tools"]).output();
    if !there.is_ok_and(|there| there.status.success()) {
        let required = std::env::var("PASSBOOK_REQUIRE_GRPCIO").is_ok_and(|value| value == "1");
        assert!(!required, "python3 cannot import grpc and grpc_tools; pip install grpcio-tools");
        // Past the capture of tests that pass, or nobody would ever see it.
        let _ = writeln!(
            io::stderr(),
            "skipped: python3 cannot import grpc and grpc_tools; pip install grpcio-tools to run this test"
        );
        return None;
    }
    let folder = folder();
    let contracts = manifest().join("../proto/exercise");
    let out = folder.path().display();
    let mut protoc = python(&["-m", "grpc_tools.protoc", "-I"]);
    protoc.arg(&contracts).arg(format!("--python_out={out}"));
    protoc.arg(format!("--grpc_python_out={out}")).args(["bank.proto", "bankservice.proto"]);
    let made = protoc.output().expect("grpcio-tools ran");
    assert!(made.status.success(), "{}", stderr(&made));
    Some(folder)
}

/// A bank in Python. It ends with the test.
struct PythonBank {
    process: Child,
    target: String,
}

impl PythonBank {
    fn start(generated: &Path, arguments: &[&str]) -> Self {
        let mut command = python(&[]);
        command.arg(script("bank.py")).arg(generated).args(arguments);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let stdout = process.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        Self { process, target: line.trim().to_owned() }
    }
}

impl Drop for PythonBank {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_python_client_reads_400_570_500_at_our_branches() {
    let Some(generated) = generated() else { return };
    for wire in ["bank", "bankservice"] {
        let ids = (1..=3).map(BranchId).collect();
        let scheme = Scheme::Broadcast { fanout: Fanout::Parallel, locking: Locking::Unlocked };
        let spec = ClusterSpec::new(ids, Money::new(400), scheme);
        let cluster = Cluster::start(&spec).expect("started");
        let mut client = python(&[]);
        client.arg(script("client.py")).arg(generated.path()).arg(wire);
        client.args(cluster.addresses().iter().map(|(_, address)| address.to_string()));
        let ran = client.output().expect("python3 ran");
        assert_eq!(stdout(&ran), "400 570 500\n", "{wire}: {}", stderr(&ran));
        cluster.end().expect("ended well");
    }
}

#[test]
fn a_replay_on_a_python_bank_passes() {
    let Some(generated) = generated() else { return };
    let home = folder();
    write(&home, "input.json", EXERCISE);
    let bank = PythonBank::start(generated.path(), &["400"]);
    let arguments = ["replay", "input.json", "--wire", "bank", "--target", &bank.target];
    let ran = run(&home, &arguments);
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    let output = json(&home.path().join("output.json"));
    let shown = [&output[0]["recv"][0], &output[1]["recv"][1], &output[2]["recv"][1]];
    assert_eq!(shown.map(|entry| entry["balance"].as_i64()), [Some(400), Some(570), Some(500)]);
}

#[test]
fn a_python_bank_that_waits_for_itself_ends_in_a_verdict_that_names_the_calls() {
    let Some(generated) = generated() else { return };
    let home = folder();
    let bank = PythonBank::start(generated.path(), &["1000", "crowded"]);
    let arguments = ["--customers", "60", "--events", "5", "--timeout", "2s", "--wire", "bank"];
    let ran = run(&home, &[&arguments[..], &["--target", &bank.target]].concat());
    let report = stdout(&ran);
    assert!([3, 5].contains(&code(&ran)), "{report}{}", stderr(&ran));
    let summary = json(&home.path().join("passbook-run/summary.json"));
    let kinds = ["deposit", "withdraw", "query"];
    let unknown = kinds.map(|kind| summary["operations"][kind]["unknown"].as_u64());
    let unknown: u64 = unknown.iter().flatten().sum();
    assert!(unknown >= 30, "every thread of every branch was taken: {report}");
    let told = format!("{unknown} operations never answered (timeout 2s");
    assert!(report.contains(&told), "{report}");
    assert!(report.contains("        customer ") && report.contains(" at branch "), "{report}");
    // Five operations of two seconds each are the most that a customer can wait.
    let measured = summary["measured_s"].as_f64().expect("a time");
    assert!(measured < 10.0 + 5.0, "{measured} s");
}
