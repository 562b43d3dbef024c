//! Branches that die or stand still while customers are served: a process each, under the passbook scheme.
#![cfg(target_os = "linux")]

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::inspect_client::InspectClient;
use passbook::wire::v1::{Ack, StateRequest, WriteReply, WriteRequest, WriteResult};
use serde_json::Value;
use support::processes::{Process, children, ports, signal, until};
use support::{folder, json, loadgen};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// When an operation is given up.
const TIMEOUT: &str = "1s";
/// So many writes show that branches go on.
const PROGRESS: u64 = 300;
/// How long a branch stands still. The pause is the fault itself: nothing is waited for by it.
const STANDSTILL: Duration = Duration::from_secs(5);

/// Three branches as processes, of which each can be killed and started again where it was.
struct Branches {
    addresses: Vec<SocketAddr>,
    /// They keep the ports while nobody listens there: bound for reuse, they are in no branch's way.
    _reserved: Vec<TcpSocket>,
    /// Those that run, by place.
    processes: Vec<Option<Process>>,
    calls: Runtime,
}

impl Branches {
    fn start() -> Self {
        let reserve = |_| {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_reuseaddr(true).expect("a socket option");
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
            socket
        };
        let reserved: Vec<TcpSocket> = (1..=3).map(reserve).collect();
        let address = |socket: &TcpSocket| socket.local_addr().expect("bound");
        let addresses = reserved.iter().map(address).collect();
        let calls = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let calls = calls.expect("a runtime");
        let mut branches = Self { addresses, _reserved: reserved, processes: Vec::new(), calls };
        branches.processes = (1..=3).map(|id| Some(branches.serve(id))).collect();
        branches
    }

    /// `branch serve`, always with the same arguments.
    fn serve(&self, id: usize) -> Process {
        let mut command = Command::new(branch());
        command.args(["serve", "--replication", "passbook", "--id", &id.to_string()]);
        for (peer, address) in (1..).zip(&self.addresses) {
            match peer == id {
                true => command.args(["--listen", &address.to_string()]),
                false => command.args(["--peer", &format!("{peer}={address}")]),
            };
        }
        Process::start(&mut command)
    }

    fn pid(&self, id: usize) -> u32 {
        self.processes[id - 1].as_ref().expect("it runs").pid()
    }

    fn kill(&mut self, id: usize) {
        signal(self.pid(id), "-KILL");
        let (status, said) = self.processes[id - 1].take().expect("it runs").ended();
        assert_eq!((status.code(), said.as_str()), (None, ""));
    }

    /// How many writes each of these has accepted from customers.
    fn accepted<const N: usize>(&self, ids: [usize; N]) -> [u64; N] {
        ids.map(|id| accepted(&self.calls, self.addresses[id - 1]).expect("it answers"))
    }

    /// Waits until customers have written more at each of these.
    fn go_on<const N: usize>(&self, ids: [usize; N]) {
        let before = self.accepted(ids);
        until("the others go on", || {
            let now = self.accepted(ids);
            now.iter().zip(before).all(|(now, before)| *now >= before + PROGRESS).then_some(())
        });
    }

    fn deposit(&self, id: usize, ack: Ack, limit: Duration) -> Result<WriteReply, Status> {
        deposit(&self.calls, self.addresses[id - 1], ack, limit)
    }

    /// Customers who come until they are told to stop.
    fn load(&self, home: &TempDir, ack: &str) -> Process {
        let target = self.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
        let mut command = loadgen(home);
        command.args(["--target", &target, "--customers", "30", "--roam", "0.2"]);
        command.args(["--duration", "1h", "--timeout", TIMEOUT, "--ack", ack]);
        Process::start(&mut command)
    }
}

/// The `branch` binary, which belongs to the other package.
fn branch() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_loadgen")).with_file_name("branch");
    assert!(path.is_file(), "there is no {}: cargo build --bin branch", path.display());
    path
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("a URI").connect_lazy()
}

/// How many writes the branch has accepted; `None` if it does not answer.
fn accepted(calls: &Runtime, address: SocketAddr) -> Option<u64> {
    let state = async { InspectClient::new(channel(address)).state(StateRequest {}).await };
    calls.block_on(state).ok().map(|state| state.into_inner().accepted)
}

/// A deposit of nothing.
fn deposit(
    calls: &Runtime,
    address: SocketAddr,
    ack: Ack,
    limit: Duration,
) -> Result<WriteReply, Status> {
    let mut request = Request::new(WriteRequest { ack: ack.into(), ..WriteRequest::default() });
    request.set_timeout(limit);
    let made = async { BankClient::new(channel(address)).deposit(request).await };
    calls.block_on(made).map(tonic::Response::into_inner)
}

/// Ends a run: its report, which must not find anything wrong, and what it printed.
fn unknown(home: &TempDir, run: Process) -> (Value, String) {
    signal(run.pid(), "-INT");
    let (status, report, said) = run.reported();
    assert_eq!(status.code(), Some(5), "{report}{said}");
    let summary = json(&home.path().join("passbook-run/summary.json"));
    assert_eq!((&summary["verdict"], &summary["interrupted"]), (&"unknown".into(), &true.into()));
    for check in summary["checks"].as_array().expect("checks") {
        assert_ne!(check["verdict"], "fail", "{report}");
    }
    (summary, report)
}

fn verdict<'a>(summary: &'a Value, property: &str) -> &'a Value {
    let mut checks = summary["checks"].as_array().expect("checks").iter();
    let check = checks.find(|check| check["property"] == property).expect("looked at");
    &check["verdict"]
}

fn sum(summary: &Value, outcome: &str) -> u64 {
    let operations = summary["operations"].as_object().expect("operations");
    operations.values().map(|kind| kind[outcome].as_u64().expect("a count")).sum()
}

#[test]
fn a_killed_branch_is_named_the_others_go_on_and_it_is_not_let_in_again() {
    let home = folder();
    let mut branches = Branches::start();
    let run = branches.load(&home, "majority");
    until("customers are served", || {
        let accepted = accepted(&branches.calls, branches.addresses[0]);
        accepted.filter(|count| *count >= PROGRESS)
    });
    branches.kill(2);
    branches.go_on([1, 3]);

    let (status, said) = branches.serve(2).ended();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: amnesia: branch "), "{said}");
    assert!(said.contains("start the whole cluster anew") && said.lines().count() == 1, "{said}");
    branches.go_on([1, 3]);

    let (summary, report) = unknown(&home, run);
    let lost = &summary["cluster"]["lost"];
    assert_eq!((lost[0]["branch"].as_u64(), lost[1].is_null()), (Some(2), true), "{lost}");
    let told = format!("branch 2 at {} did not answer at the end", branches.addresses[1]);
    assert!(report.contains(&told), "{report}");
    for property in ["conservation", "convergence", "overdraft"] {
        assert_eq!(verdict(&summary, property), "unknown", "a dead branch's state: {report}");
    }
    assert!(sum(&summary, "unknown") > 0, "customers of the dead branch were not answered");
}

#[test]
fn without_a_branch_nothing_is_acknowledged_by_all() {
    let home = folder();
    let mut branches = Branches::start();
    let run = branches.load(&home, "all");
    until("customers are served", || {
        let accepted = accepted(&branches.calls, branches.addresses[0]);
        accepted.filter(|count| *count >= PROGRESS)
    });
    branches.kill(3);
    let refused = until("writes are refused before they are staged", || {
        let reply = branches.deposit(1, Ack::All, Duration::from_secs(1)).ok()?;
        (reply.result() != WriteResult::Success).then_some(reply)
    });
    assert_eq!(refused.result(), WriteResult::TooFewBranches);
    // So are those of customers who come from now on: they are at each branch, and none waits for long.
    let majority = branches.deposit(2, Ack::Majority, Duration::from_mins(1)).expect("answered");
    assert_eq!((majority.result(), majority.achieved), (WriteResult::Success, 2));

    let (summary, report) = unknown(&home, run);
    assert_eq!(summary["cluster"]["lost"][0]["branch"], 3);
    let rejected = summary["rejections"]["too_few_branches"].as_u64();
    assert!(rejected > Some(0), "{report}");
    assert!(report.contains("fewer branches are connected than shall acknowledge"), "{report}");
}

#[test]
fn a_branch_that_stands_still_for_a_while_is_caught_up_with_when_it_goes_on() {
    let home = folder();
    let branches = Branches::start();
    let run = branches.load(&home, "majority");
    until("customers are served", || {
        let accepted = accepted(&branches.calls, branches.addresses[0]);
        accepted.filter(|count| *count >= PROGRESS)
    });
    signal(branches.pid(3), "-STOP");
    let begun = Instant::now();
    let late = branches.deposit(1, Ack::All, Duration::from_millis(500)).expect_err("not by all");
    assert!(late.code() != tonic::Code::FailedPrecondition, "unknown, not rejected: {late}");
    branches.go_on([1, 2]);
    // The others are asked for as long as the fault lasts.
    while begun.elapsed() < STANDSTILL {
        let reply = branches.deposit(2, Ack::Majority, Duration::from_mins(1)).expect("answered");
        assert_eq!(reply.result(), WriteResult::Success);
    }
    signal(branches.pid(3), "-CONT");
    let all = until("it has caught up", || {
        branches.deposit(1, Ack::All, Duration::from_secs(1)).ok()
    });
    assert_eq!((all.result(), all.achieved), (WriteResult::Success, 3));
    branches.go_on([1, 2, 3]);

    let (summary, report) = unknown(&home, run);
    assert_eq!(summary["cluster"]["lost"].as_array().map(Vec::len), Some(0), "{report}");
    assert_eq!(verdict(&summary, "convergence"), "pass", "{report}");
    assert_eq!(verdict(&summary, "overdraft"), "pass", "{report}");
    assert!(sum(&summary, "unknown") > 0, "customers of branch 3 were not answered meanwhile");
}

#[test]
fn a_branch_of_process_that_is_killed_is_named_in_the_report() {
    let home = folder();
    let calls = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let calls = calls.expect("a runtime");
    let mut command = loadgen(&home);
    command.args(["--process", "--replication", "passbook", "--ack", "majority"]);
    command.args(["--customers", "9", "--duration", "1h", "--timeout", TIMEOUT]);
    let run = Process::start(command.args(["--metrics-listen", "127.0.0.1:0"]));
    // Metrics are served when all branches are ready.
    until("the run is on", || run.said().contains("metrics at").then_some(()));
    let pids = children(run.pid());
    let address = |pid: u32| SocketAddr::from(([127, 0, 0, 1], ports(&[pid])[0]));
    let (lost, rest) = (pids[0], [address(pids[1]), address(pids[2])]);
    let go_on = || {
        let count = |address| accepted(&calls, address).expect("it answers");
        let before = rest.map(count);
        until("branches go on", || {
            let now = rest.map(count);
            now.iter().zip(before).all(|(now, before)| *now >= before + PROGRESS).then_some(())
        });
    };
    go_on();
    signal(lost, "-KILL");
    go_on();
    let (summary, report) = unknown(&home, run);
    let told = &summary["cluster"]["lost"];
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
    let how = told[0]["how"].as_str().expect("a sentence");
    assert!(how.contains(&format!("(process {lost}) ended by itself: signal: 9")), "{how}");
    assert!(report.contains(how), "{report}");
    assert_eq!(verdict(&summary, "convergence"), "unknown");
}
