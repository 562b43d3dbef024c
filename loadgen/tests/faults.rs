//! Branches that die or stand still while customers are served: a process each, under the passbook scheme.
#![cfg(target_os = "linux")]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::inspect_client::InspectClient;
use passbook::wire::v1::{Ack, StateRequest, WriteReply, WriteRequest, WriteResult};
use serde_json::Value;
use support::branches::Addresses;
use support::{folder, json, loadgen};
use tempfile::TempDir;
use testkit::processes::{Process, children, ports, signal, until};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// When an operation is given up.
const TIMEOUT: &str = "1s";
/// So many writes, a fair part of them at each, show that branches go on.
const PROGRESS: u64 = 300;
/// How long a branch stands still. The pause is the fault itself: nothing is waited for by it.
const STANDSTILL: Duration = Duration::from_secs(5);

/// Branches as processes, of which each can be killed and started again where it was.
struct Branches {
    addresses: Addresses,
    /// Those that run, by place.
    processes: Vec<Option<Process>>,
    calls: Runtime,
}

impl Branches {
    fn start(count: usize) -> Self {
        let addresses = Addresses::reserve(count);
        let mut branches = Self { addresses, processes: Vec::new(), calls: runtime() };
        branches.processes = (1..=count).map(|id| Some(branches.serve(id))).collect();
        for process in branches.processes.iter_mut().flatten() {
            // Before it listens, who is to load it would find nobody there.
            process.started(1);
        }
        branches
    }

    /// Always with the same arguments.
    fn serve(&self, id: usize) -> Process {
        let all = 1..=self.addresses.all.len();
        let peers: Vec<usize> = all.filter(|peer| *peer != id).collect();
        self.addresses.serve(id, &peers, &["--replication", "passbook"])
    }

    /// Waits until customers have written at branch 1.
    fn begin(&self, run: &Process) {
        until("customers are served", || {
            let said = run.said();
            assert!(!said.contains("error: "), "{said}");
            let count = accepted(&self.calls, self.addresses.of(1));
            count.filter(|count| *count >= PROGRESS)
        });
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
        ids.map(|id| accepted(&self.calls, self.addresses.of(id)).expect("it answers"))
    }

    /// Waits until customers have written more at each of these.
    fn go_on<const N: usize>(&self, ids: [usize; N]) {
        let before = self.accepted(ids);
        until("the others go on", || {
            let now = self.accepted(ids);
            let part = PROGRESS / u64::try_from(N).expect("few");
            now.iter().zip(before).all(|(now, before)| *now >= before + part).then_some(())
        });
    }

    fn deposit(&self, id: usize, ack: Ack, limit: Duration) -> Result<WriteReply, Status> {
        deposit(&self.calls, self.addresses.of(id), ack, limit)
    }

    /// Customers who come until they are told to stop.
    fn load(&self, home: &TempDir, ack: &str, more: &[&str]) -> Process {
        let target =
            self.addresses.all.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
        let mut command = loadgen(home);
        command.args(["--target", &target, "--customers", "30", "--roam", "0.2"]);
        command.args(["--think", "10ms"]);
        command.args(["--duration", "1h", "--timeout", TIMEOUT, "--ack", ack]);
        Process::start(command.args(["--metrics-listen", "127.0.0.1:0"]).args(more))
    }
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
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

/// How many operations of a run's customers have ended so, by its metrics.
fn ended(run: &Process, outcome: &str) -> u64 {
    let address = until("the run is on", || {
        let said = run.said();
        let address = said.lines().find_map(|line| line.strip_prefix("metrics at "));
        address.map(str::to_owned)
    });
    let text = ureq::get(&address).call().expect("served").body_mut().read_to_string();
    let text = text.expect("text");
    let counts = text.lines().filter(|line| line.starts_with("passbook_customer_operations_total"));
    let counts = counts.filter(|line| line.contains(&format!("outcome=\"{outcome}\"")));
    counts
        .map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a count"))
        .sum()
}

/// Ends a run, which must not find anything wrong and cannot know everything: its summary, and what it printed.
fn unknown(home: &TempDir, run: Process) -> (Value, String) {
    ends(home, run, "unknown", 5)
}

fn ends(home: &TempDir, run: Process, verdict: &str, code: i32) -> (Value, String) {
    signal(run.pid(), "-INT");
    let (status, report, said) = run.reported();
    assert_eq!(status.code(), Some(code), "{report}{said}");
    let summary = json(&home.path().join("passbook-run/summary.json"));
    assert_eq!((&summary["verdict"], &summary["interrupted"]), (&verdict.into(), &true.into()));
    for check in summary["checks"].as_array().expect("checks") {
        let broken = check["verdict"] == "fail" && check["promised"] == true;
        assert!(!broken, "{report}");
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
    let mut branches = Branches::start(3);
    let run = branches.load(&home, "majority", &[]);
    branches.begin(&run);
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
    let told = format!("branch 2 at {} did not answer at the end", branches.addresses.of(2));
    assert!(report.contains(&told), "{report}");
    for property in ["conservation", "convergence", "overdraft"] {
        assert_eq!(verdict(&summary, property), "unknown", "a dead branch's state: {report}");
    }
    assert!(sum(&summary, "unknown") > 0, "customers of the dead branch were not answered");
}

/// Where there are many branches the first passes on what the others write, and proves for them.
#[test]
fn when_the_hub_is_killed_the_others_go_on_without_one() {
    let home = folder();
    let mut branches = Branches::start(9);
    let run = branches.load(&home, "majority", &[]);
    branches.begin(&run);
    branches.kill(1);
    let others = [2, 3, 4, 5, 6, 7, 8, 9];
    branches.go_on(others);
    for id in others {
        let reply = branches.deposit(id, Ack::Majority, Duration::from_mins(1)).expect("answered");
        assert!(reply.result() == WriteResult::Success && reply.achieved >= 5, "{reply:?}");
    }

    let (summary, report) = unknown(&home, run);
    let lost = &summary["cluster"]["lost"];
    assert_eq!((lost[0]["branch"].as_u64(), lost[1].is_null()), (Some(1), true), "{lost}");
    for property in ["conservation", "convergence", "overdraft"] {
        assert_eq!(verdict(&summary, property), "unknown", "a dead branch's state: {report}");
    }
}

#[test]
fn without_a_branch_nothing_is_acknowledged_by_all() {
    let home = folder();
    let mut branches = Branches::start(3);
    let run = branches.load(&home, "all", &[]);
    branches.begin(&run);
    branches.kill(3);
    let refused = until("writes are refused before they are staged", || {
        let reply = branches.deposit(1, Ack::All, Duration::from_secs(1)).ok()?;
        (reply.result() != WriteResult::Success).then_some(reply)
    });
    assert_eq!(refused.result(), WriteResult::TooFewBranches);
    until("customers are refused as well", || (ended(&run, "rejected") > 0).then_some(()));
    let majority = branches.deposit(2, Ack::Majority, Duration::from_mins(1)).expect("answered");
    assert_eq!((majority.result(), majority.achieved), (WriteResult::Success, 2));

    let (summary, report) = unknown(&home, run);
    assert_eq!(summary["cluster"]["lost"][0]["branch"], 3);
    let rejected = summary["rejections"]["too_few_branches"].as_u64();
    assert!(rejected > Some(0), "{report}");
    assert!(sum(&summary, "unknown") > 0, "what was on its way is not known: {report}");
    assert!(report.contains("fewer branches are connected than shall acknowledge"), "{report}");
}

#[test]
fn a_branch_that_stands_still_for_a_while_is_caught_up_with_when_it_goes_on() {
    let home = folder();
    let branches = Branches::start(3);
    let run = branches.load(&home, "majority", &["--max-error-share", "100%"]);
    branches.begin(&run);
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
    let all =
        until("it has caught up", || branches.deposit(1, Ack::All, Duration::from_secs(1)).ok());
    assert_eq!((all.result(), all.achieved), (WriteResult::Success, 3));
    branches.go_on([1, 2, 3]);

    // Too little was answered meanwhile, which is not what this is about. What became of the unanswered writes is in the
    // logs: no branch has lost its own.
    let (summary, report) = ends(&home, run, "pass", 130);
    assert_eq!(summary["cluster"]["lost"].as_array().map(Vec::len), Some(0), "{report}");
    assert!(sum(&summary, "unknown") > 0, "customers of branch 3 were not answered meanwhile");
}

#[test]
fn a_branch_of_process_that_is_killed_is_named_in_the_report() {
    let home = folder();
    let calls = runtime();
    let mut command = loadgen(&home);
    command.args(["--process", "--replication", "passbook", "--ack", "majority"]);
    command.args([
        "--customers",
        "30",
        "--think",
        "10ms",
        "--duration",
        "1h",
        "--timeout",
        TIMEOUT,
    ]);
    let run = Process::start(command.args(["--metrics-listen", "127.0.0.1:0"]));
    until("the run is on", || (ended(&run, "ok") > 0).then_some(()));
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

/// Waits until a branch has said `expected` on standard error; all that it has said.
fn says(branch: &Process, expected: &str) -> String {
    until("it says why", || {
        let said = branch.said();
        said.contains(expected).then_some(said)
    })
}

#[test]
fn branches_of_different_opening_balances_say_so_on_both_sides_and_can_be_mended() {
    let addresses = Addresses::reserve(2);
    let with = |balance| ["--replication", "passbook", "--opening-balance", balance];
    let one = addresses.serve(1, &[2], &with("1000"));
    let two = addresses.serve(2, &[1], &with("500"));
    let said = says(&one, "start all with the same");
    let expected = format!(
        "warning: branch 2 at {} runs with opening balance 500, this one with 1000: ",
        addresses.of(2)
    );
    assert!(said.starts_with(&expected) && said.lines().count() == 1, "{said}");
    let said = says(&two, "start all with the same");
    assert!(said.contains("runs with opening balance 1000, this one with 500"), "{said}");
    signal(two.pid(), "-TERM");
    assert_eq!(two.ended().0.code(), Some(0));

    // The one that was started rightly goes on.
    let _two = addresses.serve(2, &[1], &with("1000"));
    let made = until("both serve", || {
        deposit(&runtime(), addresses.of(1), Ack::All, Duration::from_secs(1)).ok()
    });
    assert_eq!((made.result(), made.balance), (WriteResult::Success, 1000));
    assert_eq!(one.said().lines().count(), 1, "once: {}", one.said());
}

#[test]
fn branches_that_do_not_mean_the_same_cluster_say_so() {
    let addresses = Addresses::reserve(3);
    let passbook = ["--replication", "passbook"];
    let one = addresses.serve(1, &[2, 3], &passbook);
    let two = addresses.serve(2, &[1, 3], &passbook);
    let three = addresses.serve(3, &[1], &passbook);
    let said = says(&one, "start all");
    let fellow = format!("branch 3 at {}", addresses.of(3));
    let expected = format!("{fellow} is in a cluster of branches 1, 3, this one of 1, 2, 3: ");
    assert!(said.contains(&expected), "{said}");
    let said = says(&two, "does not let this one in");
    assert!(
        said.contains(&format!("{fellow} does not let this one in: branch 2 is not a")),
        "{said}"
    );
    says(&three, "is in a cluster of branches 1, 2, 3, this one of 1, 3: ");
    says(&three, "connection from branch 2, which is not in this branch's --peer list");
}

#[test]
fn branches_of_different_schemes_say_so() {
    let addresses = Addresses::reserve(2);
    let one = addresses.serve(1, &[2], &["--replication", "passbook"]);
    let two = addresses.serve(2, &[1], &["--replication", "broadcast"]);
    says(
        &one,
        "does not let this one in: this call between branches is not one of replication broadcast",
    );
    says(&two, "branch 1 replicates by another scheme than broadcast, which is this one's");
}
