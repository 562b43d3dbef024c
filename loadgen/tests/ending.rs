//! How a run ends: signals, a full disk, output that cannot be written, remains of killed runs, metrics after the report.
#![cfg(target_os = "linux")]

mod support;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use passbook::wire::exercise::bank::bank_server::{Bank, BankServer};
use passbook::wire::exercise::bank::{TransactionRequest, TransactionResponse};
use serde_json::Value;
use support::{code, folder, json, loadgen, run, stderr, stdout, write};
use tempfile::TempDir;
use testkit::processes::{Process, signal, until};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

const SMALL: [&str; 4] = ["--customers", "3", "--events", "5"];

/// What a bank does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    Nothing,
    /// After so many calls none is answered any more.
    HangsAfter(usize),
    /// Every second query is an error.
    FailsEverySecondQuery,
}

/// An account behind one address, by the contract `bank`.
struct FaultyBank {
    fault: Fault,
    calls: AtomicUsize,
    queries: AtomicUsize,
    balance: AtomicI32,
}

#[tonic::async_trait]
impl Bank for FaultyBank {
    async fn msg_delivery(
        &self,
        request: Request<TransactionRequest>,
    ) -> Result<Response<TransactionResponse>, Status> {
        let TransactionRequest { operation, amount, .. } = request.into_inner();
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if matches!(self.fault, Fault::HangsAfter(served) if calls >= served) {
            std::future::pending::<()>().await;
        }
        let balance = match operation.as_str() {
            "deposit" => self.balance.fetch_add(amount, Ordering::Relaxed) + amount,
            "withdraw" => self.balance.fetch_sub(amount, Ordering::Relaxed) - amount,
            _ => {
                let queries = self.queries.fetch_add(1, Ordering::Relaxed);
                if self.fault == Fault::FailsEverySecondQuery && queries % 2 == 1 {
                    return Err(Status::unavailable("shedding load"));
                }
                self.balance.load(Ordering::Relaxed)
            }
        };
        Ok(Response::new(TransactionResponse { status: "success".to_owned(), balance }))
    }
}

/// A bank that serves until it is dropped.
struct Served {
    bank: Arc<FaultyBank>,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Served {
    fn start(fault: Fault) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (calls, queries) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let bank =
            Arc::new(FaultyBank { fault, calls, queries, balance: AtomicI32::new(1_000_000) });
        let service = BankServer::from_arc(Arc::clone(&bank));
        let serving = Server::builder().add_service(service);
        runtime.spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { bank, address, _runtime: runtime }
    }

    /// A run on this bank. HUP has its effect also where it is ignored around the test, as by nohup.
    fn load(&self, home: &TempDir, arguments: &[&str]) -> Process {
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_loadgen")]);
        command.current_dir(home.path());
        command.args(["--wire", "bank", "--target", &self.address.to_string()]);
        Process::start(command.args(arguments))
    }

    fn wait_for_calls(&self, count: usize) {
        until("calls have come", || {
            (self.bank.calls.load(Ordering::Relaxed) >= count).then_some(())
        });
    }
}

fn wait_for_line(process: &Process, line: &str) {
    until(line, || process.said().contains(line).then_some(()));
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> =
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn summary(home: &TempDir) -> Value {
    json(&home.path().join("passbook-run/summary.json"))
}

/// Five customers of a bank that hangs, all of whom wait for an answer until `timeout`.
fn start_hanging(home: &TempDir, timeout: &str) -> (Served, Process) {
    let served = Served::start(Fault::HangsAfter(20));
    let arguments = ["--customers", "5", "--duration", "10m", "--timeout", timeout];
    let run = served.load(home, &arguments);
    served.wait_for_calls(25);
    (served, run)
}

#[test]
fn second_signal_reports_without_waiting_for_answers() {
    let home = folder();
    let (_served, run) = start_hanging(&home, "1m");
    signal(run.pid(), "-INT");
    wait_for_line(&run, "interrupted: waiting for the last answers, at most 1m");
    signal(run.pid(), "-INT");
    let (status, report, said) = run.reported();
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(report.contains("ended early"), "{report}");
    assert!(report.contains("was not waited for"), "{report}");
    let operations = &summary(&home)["operations"];
    let unknown = ["deposit", "withdraw", "query"].map(|kind| operations[kind]["unknown"].as_u64());
    assert_eq!(unknown.into_iter().flatten().sum::<u64>(), 5, "what was under way: {operations}");
    assert_eq!(entries(home.path()), ["passbook-run"]);
}

#[test]
fn second_signal_ends_final_queries() {
    let home = folder();
    let (_served, run) = start_hanging(&home, "1s");
    signal(run.pid(), "-TERM");
    wait_for_line(&run, "waiting until the branches have settled, at most 10s");
    signal(run.pid(), "-TERM");
    let (status, report, said) = run.reported();
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(report.contains("was not waited for"), "{report}");
}

#[test]
fn third_signal_leaves_without_a_report() {
    let home = folder();
    let (_served, run) = start_hanging(&home, "1m");
    // All three are there before the process goes on.
    for name in ["-STOP", "-INT", "-TERM", "-HUP", "-CONT"] {
        signal(run.pid(), name);
    }
    let (status, report, said) = run.reported();
    assert_eq!((status.code(), report.as_str()), (Some(130), ""), "{said}");
    assert!(said.contains("left without a report"), "{said}");
}

#[test]
fn hangup_ends_a_run_in_order() {
    let home = folder();
    let served = Served::start(Fault::Nothing);
    let run = served.load(&home, &["--customers", "1", "--duration", "10m"]);
    served.wait_for_calls(20);
    signal(run.pid(), "-HUP");
    let (status, report, said) = run.reported();
    assert_eq!(status.code(), Some(130), "{report}{said}");
    assert!(report.contains("ended early"), "{report}");
}

#[test]
fn hangup_is_ignored_where_it_was_ignored_before() {
    let home = folder();
    let served = Served::start(Fault::Nothing);
    let binary = env!("CARGO_BIN_EXE_loadgen");
    let script = format!(
        "trap '' HUP; exec {binary} --wire bank --target {} --customers 1 --duration 10m",
        served.address
    );
    let run = Process::start(Command::new("sh").args(["-c", &script]).current_dir(home.path()));
    served.wait_for_calls(20);
    signal(run.pid(), "-HUP");
    let served_so_far = served.bank.calls.load(Ordering::Relaxed);
    served.wait_for_calls(served_so_far + 20);
    signal(run.pid(), "-INT");
    let (status, report, said) = run.reported();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(report.contains("ended early"), "{report}");
}

#[test]
fn branch_that_fails_every_second_query_is_asked_again() {
    let served = Served::start(Fault::FailsEverySecondQuery);
    let home = folder();
    write(
        &home,
        "input.json",
        r#"[{"id": 1, "type": "customer", "events": [{"id": 1, "interface": "deposit", "money": 5}]},
            {"id": 1, "type": "branch", "balance": 1000000}]"#,
    );
    let target = served.address.to_string();
    let arguments = ["replay", "input.json", "--wire", "bank", "--target", &target, "--out", "run"];
    let ran = run(&home, &arguments);
    assert_eq!(code(&ran), 0, "{}{}", stdout(&ran), stderr(&ran));
    assert!(!stdout(&ran).contains("did not answer"), "{}", stdout(&ran));
}

/// A run whose files may not grow, as on a full disk.
fn start_on_full_disk(home: &TempDir, arguments: &str) -> Process {
    let binary = env!("CARGO_BIN_EXE_loadgen");
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec {binary} --customers 20 --duration 10m {arguments}"
    );
    Process::start(Command::new("sh").args(["-c", &script]).current_dir(home.path()))
}

#[test]
fn unwritable_record_ends_the_run_and_keeps_the_older_one() {
    let home = folder();
    let ran = run(&home, &SMALL);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let read = |name: &str| fs::read(home.path().join("passbook-run").join(name)).expect("there");
    let before = ["summary.json", "history.jsonl"].map(read);
    let (status, report, said) = start_on_full_disk(&home, "").reported();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(report.contains("UNKNOWN") && report.contains("\nall "), "{report}");
    assert!(report.contains("could not be recorded"), "{report}");
    let error = said.lines().find(|line| line.starts_with("error: cannot write passbook-run/"));
    assert!(error.is_some_and(|error| error.ends_with("is as it was")), "{said}");
    assert_eq!(["summary.json", "history.jsonl"].map(read), before);
    assert_eq!(entries(home.path()), ["passbook-run"]);
}

#[test]
fn large_runs_announce_what_they_write() {
    let home = folder();
    let served = Served::start(Fault::Nothing);
    let run = served.load(&home, &["--customers", "10", "--events", "1000000"]);
    wait_for_line(&run, "this run writes about 7.0 GB to passbook-run; ");
    signal(run.pid(), "-INT");
    let (_, _, said) = run.reported();
    assert!(said.contains(" free"), "{said}");
    let ran = support::run(&home, &SMALL);
    assert!(!stderr(&ran).contains("this run writes"), "{}", stderr(&ran));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let home = folder();
    assert_eq!(code(&run(&home, &SMALL)), 0);
    write(&home, "input.json", support::EXERCISE);
    for arguments in [
        &SMALL[..],
        &["--customers", "1", "--events", "1", "-q"],
        &["--customers", "1", "--events", "1", "--replication", "broadcast,passbook"],
        &["replay", "input.json", "--verbose"],
        &["check", "passbook-run/broadcast"],
        &["guarantees"],
        &["--help"],
    ] {
        let full = File::options().write(true).open("/dev/full").expect("there");
        let ran = loadgen(&home).args(arguments).stdout(full).output().expect("loadgen ran");
        assert_eq!(code(&ran), 1, "{arguments:?}: {}", stderr(&ran));
        let said = stderr(&ran);
        let errors = said.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{arguments:?}: {said}");
        assert!(said.contains("cannot write to standard output"), "{arguments:?}: {said}");
    }
}

#[test]
fn answers_go_to_standard_output_through_a_link() {
    let home = folder();
    write(&home, "input.json", support::EXERCISE);
    let link = home.path().join("link");
    std::os::unix::fs::symlink("/dev/fd/1", &link).expect("linked");
    let arguments = ["replay", "input.json", "-o", "link"];
    let to_pipe = run(&home, &arguments);
    assert_eq!(code(&to_pipe), 0, "{}", stderr(&to_pipe));
    assert!(link.is_symlink());
    assert!(stdout(&to_pipe).starts_with("[\n"), "{}", stdout(&to_pipe));

    let path = home.path().join("printed");
    let printed = File::create(&path).expect("created");
    let to_file = loadgen(&home).args(arguments).stdout(printed).output().expect("loadgen ran");
    assert_eq!(code(&to_file), 0, "{}", stderr(&to_file));
    let printed = fs::read_to_string(&path).expect("there");
    assert!(printed.starts_with("[\n") && printed.ends_with("none dropped\n"), "{printed}");
}

#[test]
fn closed_pipe_is_silent() {
    let home = folder();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ran = loadgen(&home).args(SMALL).stdout(writer).output().expect("loadgen ran");
    assert_eq!(code(&ran), 0);
    assert!(!stderr(&ran).contains("error: "), "{}", stderr(&ran));
}

#[test]
fn remains_of_a_killed_run_are_removed_by_the_next() {
    let home = folder();
    let mut command = loadgen(&home);
    let killed = Process::start(command.args(["--customers", "2", "--duration", "10m"]));
    until("its folder is there", || {
        let names = entries(home.path());
        let is_hidden = |name: &String| name.starts_with('.') && home.path().join(name).is_dir();
        names.iter().any(is_hidden).then_some(())
    });
    signal(killed.pid(), "-KILL");
    assert_eq!(killed.ended().0.code(), None);
    assert_ne!(entries(home.path()), Vec::<String>::new());
    let ran = run(&home, &[&SMALL[..], &["--out", "other"]].concat());
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    assert_eq!(entries(home.path()), ["other"]);
}

#[test]
fn second_run_into_the_same_folder_is_refused() {
    let home = folder();
    let served = Served::start(Fault::Nothing);
    let first = served.load(&home, &["--customers", "1", "--duration", "10m"]);
    served.wait_for_calls(20);
    let second = run(&home, &SMALL);
    assert_eq!(code(&second), 2, "{}", stderr(&second));
    assert!(stderr(&second).contains("another run is writing"), "{}", stderr(&second));
    signal(first.pid(), "-INT");
    let (status, _, said) = first.reported();
    assert_eq!(status.code(), Some(130), "{said}");
    assert_eq!(summary(&home)["interrupted"], true);
    assert_eq!(entries(home.path()), ["passbook-run"]);
}

#[test]
fn folder_with_the_input_of_a_person_is_not_replaced() {
    let home = folder();
    fs::create_dir(home.path().join("mine")).expect("made");
    write(&home, "mine/input.json", support::EXERCISE);
    let ran = run(&home, &[&SMALL[..], &["--out", "mine"]].concat());
    assert_eq!(code(&ran), 2, "{}", stderr(&ran));
    assert!(stderr(&ran).contains("is not a run folder"), "{}", stderr(&ran));
    let kept = fs::read_to_string(home.path().join("mine/input.json")).expect("there");
    assert_eq!(kept, support::EXERCISE);
}

#[test]
fn metrics_linger_after_the_report_until_a_signal() {
    let home = folder();
    let mut command = loadgen(&home);
    command.args(SMALL).args(["--metrics-listen", "127.0.0.1:0", "--metrics-linger", "10m"]);
    let run = Process::start(&mut command);
    wait_for_line(&run, "metrics stay at ");
    let said = run.said();
    let address = said.lines().find_map(|line| line.strip_prefix("metrics at "));
    let scrape = || {
        let body = ureq::get(address.expect("where they are")).call().expect("an answer");
        body.into_body().read_to_string().expect("text")
    };
    let body = scrape();
    let sum = |name: &str| -> u64 {
        let lines = body.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    };
    assert_eq!(sum("passbook_customer_operations_total{"), 15, "{body}");
    assert!(sum("passbook_branch_requests_total{") >= 15, "those of the branches, too: {body}");
    signal(run.pid(), "-INT");
    let (status, report, said) = run.reported();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(report.contains("PASS") && !report.contains("ended early"), "{report}");
    let alone = support::run(&home, &["--metrics-linger", "1s"]);
    assert_eq!(code(&alone), 2, "it needs --metrics-listen");
}

#[test]
fn quiet_line_has_verdict_broken_property_and_seed() {
    let home = folder();
    let line = |arguments: &[&str]| stdout(&run(&home, arguments));
    assert_eq!(line(&[&SMALL[..], &["-q", "--seed", "7"]].concat()), "pass, seed 7\n");
    assert_eq!(line(&["check", "passbook-run", "-q"]), "pass, seed 7\n");
    let unrecorded = [&SMALL[..], &["-q", "--record", "none"]].concat();
    assert_eq!(line(&unrecorded), "unchecked, seed 1\n");
    assert_eq!(line(&[&unrecorded[..], &["--unchecked-ok"]].concat()), "unchecked, seed 1\n");
    let both = ["-q", "--replication", "broadcast,passbook", "--customers", "1", "--events", "2"];
    assert_eq!(line(&both), "broadcast pass, seed 1\npassbook pass, seed 1\n");
    write(&home, "input.json", support::EXERCISE);
    write(&home, "output.json", r#"[{"id": 1, "recv": [{"interface": "query", "balance": 7}]}]"#);
    let foreign = line(&["check", "-q", "--input", "input.json", "output.json"]);
    assert!(foreign.starts_with("fail ") && foreign.lines().count() == 1, "{foreign}");
    let near_zero = ["--replication", "broadcast", "--opening-balance", "100", "--mix", "10:90:0"];
    let broken = line(&[&["-q", "--events", "10"][..], &near_zero].concat());
    assert!(broken.starts_with("fail ") && broken.contains("overdraft"), "{broken}");
    assert!(broken.ends_with(", seed 1\n") && broken.lines().count() == 1, "{broken}");
}

#[test]
fn quiet_line_of_an_interrupted_run_shows_the_early_end() {
    let home = folder();
    let served = Served::start(Fault::Nothing);
    let run = served.load(&home, &["--customers", "2", "--duration", "10m", "-q"]);
    served.wait_for_calls(20);
    signal(run.pid(), "-INT");
    let (_, line, said) = run.reported();
    assert!(line.ends_with(", seed 1, ended early\n") && line.lines().count() == 1, "{line}{said}");
}

#[test]
fn quiet_line_of_an_unwritable_record_gives_that_as_reason() {
    let home = folder();
    let (status, line, said) = start_on_full_disk(&home, "-q").reported();
    assert_eq!(status.code(), Some(1), "{said}");
    assert_eq!(line, "unknown (not recorded), seed 1, ended early\n", "{said}");
}
