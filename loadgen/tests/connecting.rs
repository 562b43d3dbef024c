//! Runs on servers that are not there, not ready, not alone, or of another contract: what is reported, and what is
//! waited for.
#![cfg(target_os = "linux")]

mod support;

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use passbook::wire::exercise::bank::bank_server::{Bank, BankServer};
use passbook::wire::exercise::bank::{TransactionRequest, TransactionResponse};
use passbook::wire::v1::PropagateRequest;
use passbook::wire::v1::peer_client::PeerClient;
use support::branches::Addresses;
use support::{code, folder, loadgen, run, stderr, stdout};
use tempfile::TempDir;
use testkit::processes::{Process, signal, until};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A short run.
const SHORT: [&str; 4] = ["--customers", "1", "--events", "2"];

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

/// `loadgen` on these branches, not yet ended.
fn start(home: &TempDir, target: &str, more: &[&str]) -> Process {
    Process::start(loadgen(home).args(SHORT).args(["--target", target]).args(more))
}

/// What a run on these branches reports on standard error, and with which code it ends.
fn refused(target: &str, more: &[&str]) -> (i32, String) {
    let home = folder();
    let ran = run(&home, &[&SHORT[..], &["--target", target], more].concat());
    (code(&ran), stderr(&ran))
}

/// An address that neither accepts nor refuses connections: its queue of them is full.
fn silent_host() -> (SocketAddr, tokio::net::TcpListener, Vec<TcpStream>) {
    let runtime = runtime();
    let _context = runtime.enter();
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("bound");
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(stream);
    }
    (address, listener, queued)
}

#[test]
fn silent_host_takes_the_timeout_of_operations() {
    let (address, _listener, _queued) = silent_host();
    for wire in ["passbook", "bank"] {
        let more = ["--timeout", "150ms", "--wire", wire];
        let (code, reported) = refused(&address.to_string(), &more);
        assert_eq!(code, 1, "{reported}");
        assert!(reported.contains("no connection within 150ms"), "{reported}");
    }
}

#[test]
fn refused_connection_is_not_waited_for_unless_asked() {
    let nobody = Addresses::reserve(1).of(1).to_string();
    for wire in ["passbook", "bank"] {
        let (code, reported) = refused(&nobody, &["--wire", wire]);
        assert_eq!(code, 1, "{reported}");
        assert!(reported.contains("cannot be reached: connection refused; "), "{reported}");
        assert!(!reported.contains("waiting for"), "{reported}");
        let (code, reported) = refused(&nobody, &["--wire", wire, "--wait", "100ms"]);
        assert_eq!(code, 1, "{reported}");
        assert!(
            reported.starts_with(&format!("waiting for {nobody} (at most 100ms)")),
            "{reported}"
        );
        assert!(reported.contains("cannot be reached: connection refused; "), "{reported}");
    }
}

#[test]
fn wait_is_refused_without_a_running_cluster() {
    let home = folder();
    let ran = run(&home, &[&SHORT[..], &["--wait", "1s"]].concat());
    assert_eq!(code(&ran), 2, "{}", stdout(&ran));
    assert!(stderr(&ran).contains("--wait is for a cluster that runs already"), "{}", stderr(&ran));
}

#[test]
fn run_with_wait_begins_when_all_branches_are_up() {
    for wire in ["passbook", "bank"] {
        let addresses = Addresses::reserve(2);
        let target = format!("{},{}", addresses.of(1), addresses.of(2));
        // It is up, and cannot reach its peer yet.
        let mut first = addresses.serve(1, &[2], &[]);
        first.started(1);
        let home = folder();
        let run = start(&home, &target, &["--wait", "60s", "--wire", wire]);
        let expected = format!("waiting for {} (at most 60s)", addresses.of(2));
        until("it waits", || run.said().contains(&expected).then_some(()));
        let _second = addresses.serve(2, &[1], &[]);
        let (status, report, reported) = run.reported();
        assert_eq!(status.code(), Some(0), "{wire}: {report}{reported}");
        assert_eq!(reported.matches("waiting for").count(), 1, "{reported}");
    }
}

#[test]
fn same_address_is_refused_on_every_wire() {
    let address = Addresses::reserve(1).of(1);
    let target = format!("{address},localhost:{}", address.port());
    for wire in ["passbook", "bank", "bankservice"] {
        let (code, reported) = refused(&target, &["--wire", wire]);
        assert_eq!(code, 2, "{reported}");
        assert!(reported.contains("are the same address; give each branch once"), "{reported}");
    }
}

#[test]
fn base_port_is_refused_without_a_number_of_branches() {
    let home = folder();
    let ran = run(&home, &[&SHORT[..], &["--base-port", "50050"]].concat());
    assert_eq!(code(&ran), 2, "{}", stdout(&ran));
    assert!(stderr(&ran).contains("add --branches N"), "{}", stderr(&ran));
}

#[test]
fn peer_that_cannot_be_reached_is_named_by_both_sides() {
    for scheme in ["passbook", "broadcast"] {
        let (addresses, elsewhere) = (Addresses::reserve(2), Addresses::reserve(1));
        let more = ["--replication", scheme];
        let wrong = format!("2={}", elsewhere.of(1));
        let mut first = addresses.serve(1, &[], &[&more[..], &["--peer", &wrong]].concat());
        let mut second = addresses.serve(2, &[1], &more);
        first.started(1);
        second.started(1);
        // In either order: only the first of the two opens connections to the other.
        for target in [[1, 2], [2, 1]].map(|[a, b]| [addresses.of(a), addresses.of(b)]) {
            let target = target.map(|address| address.to_string()).join(",");
            let (code, reported) = refused(&target, &[]);
            assert_eq!(code, 1, "{scheme}: {reported}");
            let expected = format!(
                "branch 1 at {} cannot reach its peer 2 at {}: connection refused; ",
                addresses.of(1),
                elsewhere.of(1)
            );
            assert!(reported.contains(&expected), "{scheme}: {reported}");
        }
        let warning = format!("branch 1 cannot reach peer 2 at {}", elsewhere.of(1));
        until("the branch warns", || first.said().contains(&warning).then_some(()));
    }
}

#[test]
fn branches_that_were_started_differently_are_named() {
    let addresses = Addresses::reserve(2);
    let mut branches = [
        addresses.serve(1, &[2], &["--opening-balance", "5"]),
        addresses.serve(2, &[1], &["--opening-balance", "6"]),
    ];
    for branch in &mut branches {
        branch.started(1);
    }
    let (code, reported) = refused(&format!("{},{}", addresses.of(1), addresses.of(2)), &[]);
    assert_eq!(code, 1, "{reported}");
    assert!(reported.contains("it runs with opening balance "), "{reported}");
}

#[test]
fn run_beside_another_is_refused_and_names_the_cause() {
    let addresses = Addresses::reserve(2);
    let mut branches = [addresses.serve(1, &[2], &[]), addresses.serve(2, &[1], &[])];
    for branch in &mut branches {
        branch.started(1);
    }
    let target = format!("{},{}", addresses.of(1), addresses.of(2));
    let home = folder();
    let mut other = loadgen(&home);
    other.args(["--customers", "2", "--duration", "1h", "--mix", "9:0:1", "--target", &target]);
    let other = Process::start(other.args(["--metrics-listen", "127.0.0.1:0"]));
    let (url, _) = until("the other run is on", || {
        let said = other.said();
        let (_, rest) = said.split_once("metrics at ")?;
        rest.split_once('\n').map(|(url, rest)| (url.to_owned(), rest.to_owned()))
    });
    until("it writes", || {
        let body = ureq::get(&url).call().ok()?.body_mut().read_to_string().ok()?;
        let line = body.lines().find(|line| is_answered_deposits(line))?;
        line.rsplit_once(' ').filter(|(_, count)| *count != "0").map(drop)
    });
    for (wire, cluster) in [("passbook", "this cluster"), ("bank", "these branches")] {
        let (code, reported) = refused(&target, &["--wire", wire]);
        assert_eq!(code, 1, "{reported}");
        let expected = format!("somebody else is writing to {cluster}: branch ");
        assert!(reported.contains(&expected), "{wire}: {reported}");
    }
    signal(other.pid(), "-INT");
    let (status, reported) = other.ended();
    assert_eq!(status.code(), Some(130), "{reported}");
    // Alone again, the same run passes.
    let (code, reported) = refused(&target, &[]);
    assert_eq!(code, 0, "{reported}");
}

/// Whether a line of `/metrics` counts deposits that were carried out.
fn is_answered_deposits(line: &str) -> bool {
    !line.starts_with('#') && line.contains("deposit") && line.contains("\"ok\"")
}

#[test]
fn branches_that_differ_at_rest_are_named_with_amounts() {
    let addresses = Addresses::reserve(2);
    let scheme = ["--replication", "broadcast"];
    let mut branches = [addresses.serve(1, &[2], &scheme), addresses.serve(2, &[1], &scheme)];
    for branch in &mut branches {
        branch.started(1);
    }
    runtime().block_on(async {
        let mut peer = PeerClient::connect(format!("http://{}", addresses.of(1))).await;
        let peer = peer.as_mut().expect("connected");
        let write = PropagateRequest { origin: 2, write: 7, amount: 5 };
        peer.propagate_deposit(write).await.expect("applied");
    });
    let (code, reported) = refused(&format!("{},{}", addresses.of(1), addresses.of(2)), &[]);
    assert_eq!(code, 1, "{reported}");
    let expected = "branch 2 holds 1000000, branch 1 holds 1000005, and neither changes";
    assert!(reported.contains(expected), "{reported}");
}

/// A bank of one branch by `--wire bank`, whose first calls fail.
struct FlakyBank {
    failures_left: AtomicUsize,
}

#[tonic::async_trait]
impl Bank for FlakyBank {
    async fn msg_delivery(
        &self,
        request: Request<TransactionRequest>,
    ) -> Result<Response<TransactionResponse>, Status> {
        let left = self.failures_left.load(Ordering::Relaxed);
        if left > 0 {
            self.failures_left.store(left - 1, Ordering::Relaxed);
            return Err(Status::unavailable("shedding load"));
        }
        assert_eq!(request.get_ref().operation, "query", "the runs here only query");
        Ok(Response::new(TransactionResponse { status: "success".to_owned(), balance: 7 }))
    }
}

/// Serves a flaky bank until the runtime is dropped.
fn serve_flaky(runtime: &Runtime, failures: usize) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let bank = FlakyBank { failures_left: AtomicUsize::new(failures) };
    let server = Server::builder().add_service(BankServer::new(bank));
    runtime.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

#[test]
fn first_queries_that_fail_are_repeated() {
    let runtime = runtime();
    let target = serve_flaky(&runtime, 3).to_string();
    let (code, reported) = refused(&target, &["--wire", "bank", "--mix", "0:0:1"]);
    assert_eq!(code, 0, "{reported}");
}

#[test]
fn first_queries_that_always_fail_end_the_run() {
    let runtime = runtime();
    let target = serve_flaky(&runtime, usize::MAX).to_string();
    let (code, reported) = refused(&target, &["--wire", "bank", "--timeout", "200ms"]);
    assert_eq!(code, 1, "{reported}");
    assert!(
        reported.contains("does not answer a query by --wire bank: UNAVAILABLE: shedding load"),
        "{reported}"
    );
}

#[test]
fn server_of_another_wire_is_recognized() {
    let runtime = runtime();
    for wire in ["passbook", "bankservice"] {
        let target = serve_flaky(&runtime, 2).to_string();
        let (code, reported) = refused(&target, &["--wire", wire]);
        assert_eq!(code, 1, "{reported}");
        assert!(reported.contains("it answers queries by --wire bank: use that"), "{reported}");
    }
}

#[test]
fn server_of_no_known_wire_is_asked_about() {
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let target = listener.local_addr().expect("bound").to_string();
    let (_health, service) = tonic_health::server::health_reporter();
    let server = Server::builder().add_service(service);
    runtime.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    for (wire, others) in [("passbook", "bank or bankservice"), ("bank", "passbook or bankservice")]
    {
        let (code, reported) = refused(&target, &["--wire", wire]);
        assert_eq!(code, 1, "{reported}");
        let expected = format!("is it a server of --wire {others}?");
        assert!(reported.contains(&expected), "{reported}");
    }
}
