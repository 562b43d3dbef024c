//! What the end-to-end tests share: running the binary, small inputs, reading artifacts.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part")]

pub(crate) mod banks;
#[cfg(target_os = "linux")]
pub(crate) mod branches;
pub(crate) mod ledgers;
pub(crate) mod traces;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use loadgen::{Hooks, Interrupt, RunReport, Scenario};
use passbook::cluster::MakeReplica;
use serde_json::Value;
use tempfile::TempDir;

/// The first document's example: 400, 570, 500.
pub(crate) const EXERCISE: &str = r#"[
  {"id": 1, "type": "customer", "events": [{"id": 1, "interface": "query"}]},
  {"id": 2, "type": "customer", "events": [
    {"id": 2, "interface": "deposit", "money": 170}, {"id": 3, "interface": "query"}]},
  {"id": 3, "type": "customer", "events": [
    {"id": 4, "interface": "withdraw", "money": 70}, {"id": 5, "interface": "query"}]},
  {"id": 1, "type": "branch", "balance": 400},
  {"id": 2, "type": "branch", "balance": 400},
  {"id": 3, "type": "branch", "balance": 400}
]"#;

/// One customer who roams: a write at one branch, the query at another.
pub(crate) const ROAMING: &str = r#"[
  {"id": 5, "type": "customer", "events": [
    {"id": 1, "interface": "deposit", "money": 400, "branch": 1},
    {"id": 2, "interface": "query", "branch": 2},
    {"id": 3, "interface": "withdraw", "money": 401, "branch": 2}]},
  {"id": 1, "type": "branch", "balance": 0},
  {"id": 2, "type": "branch", "balance": 0}
]"#;

pub(crate) fn loadgen(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.current_dir(folder.path()).env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    command
}

pub(crate) fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    loadgen(folder).args(arguments).output().expect("loadgen ran")
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().expect("not killed")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub(crate) fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("written");
    path
}

pub(crate) fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("a file that is there");
    serde_json::from_str(&text).expect("JSON")
}

/// The report of `scenario` on embedded branches with these replicas. Must be one that can be run.
pub(crate) fn run_with(scenario: &Scenario, replica: MakeReplica) -> RunReport {
    let hooks = Hooks {
        progress: &mut |_| {},
        interrupt: Interrupt::default(),
        metrics: None,
        tracing: None,
        replica: Some(replica),
    };
    loadgen::run(scenario, hooks).expect("a run")
}
