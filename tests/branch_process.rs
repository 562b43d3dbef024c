//! `branch serve` as a process, and branches over real sockets: what peers, customers and auditors may rely on.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use bank::{BranchId, Money};
use passbook::branch::{Branch, Peer};
use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::inspect_client::InspectClient;
use passbook::wire::v1::peer_client::PeerClient;
use passbook::wire::v1::{
    PropagateRequest, QueryRequest, StateReply, StateRequest, WriteRequest, WriteResult,
};
use replication::{Broadcast, Fanout, Replica};
use testkit::processes::{Process, signal, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

fn branch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_branch"));
    command.arg("serve").args(arguments).env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    command
}

/// Starts branch 1, which broadcasts, on a free port with a peer 2 at `peer`; where it listens. It is given
/// names, and its peer is at 127.0.0.1.
fn start_branch_1(peer: SocketAddr) -> (Process, SocketAddr) {
    start_branch_1_by("broadcast", peer)
}

/// As [`start_branch_1`], by the replication scheme of that name.
fn start_branch_1_by(scheme: &str, peer: SocketAddr) -> (Process, SocketAddr) {
    let peer = format!("2=localhost:{}", peer.port());
    let arguments = ["--id", "1", "--listen", "localhost:0", "--peer", &peer];
    let settings = ["--opening-balance", "100", "--replication", scheme];
    let mut process = Process::start(&mut branch(&[&arguments[..], &settings].concat()));
    let [(1, port)] = process.started(1)[..] else { panic!("one branch, and its number") };
    (process, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
    endpoint.connect().await.expect("connected")
}

fn write(amount: i64) -> WriteRequest {
    WriteRequest { amount, ..WriteRequest::default() }
}

async fn state(channel: &Channel) -> StateReply {
    let mut inspect = InspectClient::new(channel.clone());
    inspect.state(StateRequest {}).await.expect("answered").into_inner()
}

/// Branch 2 in this process, on a listener that was bound before branch 1 knew it.
fn serve_branch_2(listener: TcpListener, branch_1: SocketAddr, shutdown: &CancellationToken) {
    let opening = Money::new(100);
    let replica = Broadcast::new(BranchId(2), vec![BranchId(1)], Fanout::Parallel, opening);
    let peers = vec![Peer { id: BranchId(1), address: branch_1 }];
    let branch = Branch::new(BranchId(2), peers, opening, Replica::Broadcast(Box::new(replica)));
    drop(tokio::spawn(branch.serve(listener, shutdown.clone())));
}

#[tokio::test]
async fn a_process_and_a_library_branch_replicate_to_each_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address_2 = listener.local_addr().expect("bound");
    let (process, address_1) = start_branch_1(address_2);
    let shutdown = CancellationToken::new();
    serve_branch_2(listener, address_1, &shutdown);
    let (one, two) = (channel(address_1).await, channel(address_2).await);

    let reply = BankClient::new(one.clone()).deposit(write(50)).await.expect("answered");
    assert_eq!((reply.get_ref().result(), reply.get_ref().balance), (WriteResult::Success, 150));
    let query = QueryRequest::default();
    let there = BankClient::new(two.clone()).query(query).await.expect("answered");
    assert_eq!(there.get_ref().balance, 150);
    let reply = BankClient::new(two.clone()).withdraw(write(151)).await.expect("answered");
    assert_eq!(reply.get_ref().result(), WriteResult::InsufficientFunds);
    let reply = BankClient::new(two.clone()).withdraw(write(150)).await.expect("answered");
    assert_eq!(reply.get_ref().result(), WriteResult::Success);
    let (at_1, at_2) = (state(&one).await, state(&two).await);
    assert_eq!((at_1.balance, at_1.lowest_balance, at_1.accepted, at_1.applied), (0, 0, 1, 1));
    assert_eq!((at_2.balance, at_2.outstanding, at_2.undelivered), (0, 0, 0));
    // One write each, accepted: a request to the other branch and its answer.
    assert_eq!((at_1.frames_sent, at_2.frames_sent), (Some(2), Some(2)));
    assert_eq!((at_1.branch, at_1.peers, at_1.opening_balance), (1, vec![2], 100));
    drop((one, two));

    // Ending on SIGTERM, in order, is success.
    signal(process.pid(), "-TERM");
    // Branch 2 goes on meanwhile: its connection ends with the other side's.
    let (status, said) = tokio::task::spawn_blocking(|| process.ended()).await.expect("waited");
    assert!(status.success(), "{said}");
    shutdown.cancel();
}

#[tokio::test]
async fn a_write_that_a_peer_does_not_acknowledge_is_unknown_and_stays() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let nobody = listener.local_addr().expect("bound");
    drop(listener);
    let (_process, address) = start_branch_1(nobody);
    let one = channel(address).await;
    let status = BankClient::new(one.clone()).deposit(write(5)).await.expect_err("unknown");
    assert_eq!(status.code(), Code::Aborted, "{status}");
    assert!(status.message().contains("may or may not"), "{status}");
    let state = state(&one).await;
    assert_eq!((state.balance, state.undelivered, state.outstanding), (105, 1, 0));
    assert_eq!(state.frames_sent, Some(1), "a request without an answer");
}

#[tokio::test]
async fn a_peer_that_never_answers_costs_the_callers_deadline_and_no_more() {
    // It accepts connections, as listening sockets do, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (_process, address) = start_branch_1(silent.local_addr().expect("bound"));
    let one = channel(address).await;
    let mut request = tonic::Request::new(write(5));
    request.set_timeout(Duration::from_millis(200));
    let status = BankClient::new(one.clone()).deposit(request).await.expect_err("unknown");
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled | Code::Aborted),
        "{status}"
    );
    // The branch gives the propagation up as well: the deadline went on to the peer's call.
    for _ in 0..100_000 {
        let state = state(&one).await;
        if (state.outstanding, state.undelivered) == (0, 1) {
            return;
        }
    }
    panic!("the propagation was never given up");
}

/// An address where nobody listens.
async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound")
}

#[tokio::test]
async fn branch_names_the_peer_that_refuses_connections() {
    for scheme in ["passbook", "broadcast"] {
        let nobody = closed_port().await;
        let (process, address) = start_branch_1_by(scheme, nobody);
        let warning = || Some(process.said()).filter(|said| said.contains('\n'));
        let warning = until("the branch warns", warning);
        let expected =
            format!("warning: branch 1 cannot reach peer 2 at {nobody}: connection refused; ");
        assert!(warning.starts_with(&expected), "{scheme}: {warning}");
        let state = state(&channel(address).await).await;
        let unreachable = state.unreachable.first().expect("one");
        assert_eq!((unreachable.branch, &unreachable.address), (2, &nobody.to_string()));
        assert_eq!(
            (unreachable.cause.as_str(), state.unreachable.len()),
            ("connection refused", 1)
        );
    }
}

#[tokio::test]
async fn peer_that_appears_is_no_longer_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address_2 = listener.local_addr().expect("bound");
    drop(listener);
    let (_process, address_1) = start_branch_1(address_2);
    let one = channel(address_1).await;
    while state(&one).await.unreachable.is_empty() {}
    let listener = TcpListener::bind(address_2).await.expect("the same port");
    let shutdown = CancellationToken::new();
    serve_branch_2(listener, address_1, &shutdown);
    while !state(&one).await.unreachable.is_empty() {}
    shutdown.cancel();
}

/// The answer to a call of `method`, whatever it is.
async fn call(channel: &Channel, method: &'static str) -> Result<(), tonic::Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.expect("connected");
    let path = http::uri::PathAndQuery::from_static(method);
    let codec = tonic_prost::ProstCodec::<StateRequest, StateReply>::default();
    client.unary(tonic::Request::new(StateRequest {}), path, codec).await.map(|_| ())
}

#[tokio::test]
async fn unknown_method_is_answered_with_the_served_ones() {
    let (_process, address) = start_branch_1(closed_port().await);
    let one = channel(address).await;
    // Of a service that is served, and of none.
    for method in ["/passbook.v1.Bank/Transfer", "/x.Y/Z"] {
        let status = call(&one, method).await.expect_err("not served");
        assert_eq!(status.code(), Code::Unimplemented, "{status}");
        let message = status.message();
        assert!(message.starts_with(&format!("no method {method} here; ")), "{message}");
        assert!(message.contains("passbook.v1.Bank/Deposit"), "{message}");
        assert!(message.contains("BankService.BankService/Query"), "{message}");
    }
    call(&one, "/passbook.v1.Inspect/State").await.expect("served");
}

#[tokio::test]
async fn branch_survives_callers_that_do_not_speak_http2() {
    let (_process, address) = start_branch_1(closed_port().await);
    let hello: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\nHost: branch\r\n\r\n",
        // The beginning of a TLS handshake.
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
        b"\x00\xff\x00\xff",
    ];
    for bytes in hello {
        let mut stream = TcpStream::connect(address).await.expect("accepted");
        stream.write_all(bytes).await.expect("sent");
        stream.shutdown().await.expect("ended");
        let mut answer = Vec::new();
        // The branch closes the connection, in order or not.
        let _ = stream.read_to_end(&mut answer).await;
    }
    assert_eq!(state(&channel(address).await).await.balance, 100);
}

#[tokio::test]
async fn nonsense_from_the_network_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (_process, address) = start_branch_1(listener.local_addr().expect("bound"));
    let one = channel(address).await;
    let mut bank = BankClient::new(one.clone());
    let status = bank.deposit(write(-1)).await.expect_err("negative");
    assert_eq!(status.code(), Code::InvalidArgument);
    let status = bank.deposit(WriteRequest { ack: 99, ..write(1) }).await.expect_err("no such ack");
    assert_eq!(status.code(), Code::InvalidArgument);
    let status = bank.deposit(write(i64::MAX)).await.expect_err("overflow");
    assert_eq!(status.code(), Code::OutOfRange);
    let strange = PropagateRequest { origin: 9, write: 1, amount: 5 };
    let status =
        PeerClient::new(one.clone()).propagate_deposit(strange).await.expect_err("strange");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("branch 9"), "{status}");
    assert_eq!(state(&one).await.balance, 100);
}

#[test]
fn bad_arguments_are_refused_and_a_taken_port_is_said() {
    let bad: [(&[&str], i32, &str); 9] = [
        (&["--id", "1", "--listen", "127.0.0.1:0", "--lock"], 2, "add --replication broadcast"),
        (
            &["--id", "1", "--listen", "127.0.0.1:0", "--replication", "broadcast,passbook"],
            2,
            "--replication names several schemes",
        ),
        (&["--id", "1"], 2, "--listen"),
        (&["--id", "one", "--listen", "127.0.0.1:0"], 2, "invalid value"),
        (&["--id", "1", "--listen", "127.0.0.1:0", "--peer", "2"], 2, "ID=HOST:PORT"),
        (&["--id", "1", "--listen", "127.0.0.1:0", "--peer", "1=127.0.0.1:9"], 2, "itself"),
        (&["--id", "1", "--listen", "127.0.0.1:9", "--peer", "2=127.0.0.1:9"], 2, "own --listen"),
        (
            &[
                "--id",
                "1",
                "--listen",
                "127.0.0.1:0",
                "--peer",
                "2=127.0.0.1:9",
                "--peer",
                "3=127.0.0.1:9",
            ],
            2,
            "--peer 2 and --peer 3 have the same address",
        ),
        (
            &[
                "--id",
                "1",
                "--listen",
                "127.0.0.1:0",
                "--peer",
                "2=127.0.0.1:8",
                "--peer",
                "2=127.0.0.1:9",
            ],
            2,
            "twice",
        ),
    ];
    for (arguments, code, expected) in bad {
        let ran = branch(arguments).output().expect("ran");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said} lacks {expected}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let ran = branch(&["--id", "1", "--listen", &address]).output().expect("ran");
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains(&address));
}
