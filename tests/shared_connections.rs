//! Branches whose streams share a connection: a listener passes each stream to its branch, and to no other.

#![expect(
    clippy::disallowed_methods,
    reason = "a test ends with its tasks and need not repeat its names"
)]

use std::net::SocketAddr;
use std::time::Duration;

use bank::{BranchId, Money};
use passbook::branch::{Branch, Peer, ServeError, SharedConnections, SharedListener};
use passbook::wire::v1::bank_client::BankClient;
use passbook::wire::v1::peer_client::PeerClient;
use passbook::wire::v1::{Ack, Frame, PropagateRequest, WriteReply, WriteRequest, WriteResult};
use replication::{Fanout, Locking, Scheme};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// A generous bound on each call: it decides how long a failure takes, never a pass.
const PATIENCE: Duration = Duration::from_mins(1);

struct Running {
    bank: BankClient<Channel>,
    serving: JoinHandle<Result<(), ServeError>>,
    shutdown: CancellationToken,
    ready: Option<oneshot::Receiver<()>>,
}

impl Running {
    async fn made(&mut self, ack: Ack, timeout: Duration) -> Result<WriteReply, Status> {
        let request = WriteRequest { amount: 1, ack: ack.into(), ..WriteRequest::default() };
        let mut request = Request::new(request);
        request.set_timeout(timeout);
        self.bank.deposit(request).await.map(tonic::Response::into_inner)
    }

    async fn end(self) {
        self.shutdown.cancel();
        drop(self.bank);
        self.serving.await.expect("not died").expect("ended well");
    }
}

async fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
    endpoint.timeout(PATIENCE).connect_lazy()
}

/// Branches 1 to `branches` behind one shared listener, and its address. They cannot connect to each other directly:
/// nobody listens at the addresses that they have of each other.
async fn start(branches: u32, scheme: Scheme) -> (Vec<Running>, SocketAddr) {
    let (listener, shared) = bound().await;
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let ids: Vec<BranchId> = (1..=branches).map(BranchId).collect();
    let connections = SharedConnections::new([(shared, ids.as_slice())]).expect("an address");
    let made: Vec<Branch> = ids
        .iter()
        .map(|id| {
            let peers: Vec<BranchId> = ids.iter().copied().filter(|peer| peer != id).collect();
            let replica = scheme.replica(*id, peers.clone(), Money::new(100), rand::random());
            let peers = peers.into_iter().map(|id| Peer { id, address: nowhere });
            Branch::new(*id, peers.collect(), Money::new(100), replica)
                .with_connections(connections.clone())
        })
        .collect();
    tokio::spawn(SharedListener::new(&made).serve(listener));
    let mut running = Vec::new();
    for branch in made {
        let (listener, address) = bound().await;
        let (tell, ready) = oneshot::channel();
        let shutdown = CancellationToken::new();
        let serving = branch.serve_and_notify(listener, shutdown.clone(), || {
            // A test that does not wait for it does not listen.
            let _ = tell.send(());
        });
        let (serving, ready) = (tokio::spawn(serving), Some(ready));
        running.push(Running { bank: BankClient::new(channel(address)), serving, shutdown, ready });
    }
    (running, shared)
}

async fn start_ready(branches: u32) -> (Vec<Running>, SocketAddr) {
    let (mut running, shared) = start(branches, Scheme::Passbook).await;
    for branch in &mut running {
        branch.ready.take().expect("once").await.expect("it serves");
    }
    (running, shared)
}

/// What came of opening a stream from one branch to another.
async fn opened(shared: SocketAddr, from: Option<&str>, to: Option<&str>) -> Result<(), Status> {
    let mut request = Request::new(tokio_stream::pending::<Frame>());
    for (key, branch) in [("passbook-branch", from), ("passbook-to", to)] {
        if let Some(branch) = branch {
            request.metadata_mut().insert(key, branch.parse().expect("ASCII"));
        }
    }
    PeerClient::new(channel(shared)).link(request).await.map(|_| ())
}

#[tokio::test]
async fn branches_behind_an_shared_need_no_other_way_to_each_other() {
    let (mut branches, _) = start_ready(4).await;
    for branch in &mut branches {
        let reply = branch.made(Ack::All, PATIENCE).await.expect("answered");
        assert_eq!((reply.result(), reply.achieved), (WriteResult::Success, 4));
    }
    for branch in branches {
        branch.end().await;
    }
}

/// They share a connection, and that of the others must not end with one of them.
#[tokio::test]
async fn a_branch_that_ends_takes_no_stream_of_another_with_it() {
    let (mut branches, shared) = start_ready(3).await;
    let ended = branches.remove(1);
    ended.end().await;
    loop {
        let answered = branches[0].made(Ack::All, Duration::from_millis(100)).await;
        // Until it is known that a branch has ended its acknowledgement is awaited.
        if answered.is_ok_and(|reply| reply.result() == WriteResult::TooFewBranches) {
            break;
        }
    }
    for branch in &mut branches {
        let reply = branch.made(Ack::Majority, PATIENCE).await.expect("answered");
        assert_eq!((reply.result(), reply.achieved), (WriteResult::Success, 2));
    }
    let refused = opened(shared, Some("1"), Some("2")).await.expect_err("nobody is there");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    for branch in branches {
        branch.end().await;
    }
}

#[tokio::test]
async fn a_stream_that_names_no_branch_behind_the_shared_is_refused() {
    let (branches, shared) = start_ready(2).await;
    for to in [None, Some("3"), Some("two")] {
        let refused = opened(shared, Some("1"), to).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "to {to:?}: {refused}");
    }
    for from in [None, Some("2"), Some("9")] {
        let refused = opened(shared, from, Some("2")).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "from {from:?}: {refused}");
    }
    let mut peer = PeerClient::new(channel(shared));
    let refused = peer.propagate_deposit(PropagateRequest::default()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unimplemented, "{refused}");
    let refused = peer.propagate_withdraw(PropagateRequest::default()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unimplemented, "{refused}");
    for branch in branches {
        branch.end().await;
    }
}

#[tokio::test]
async fn a_branch_that_broadcasts_takes_no_stream_from_an_shared_either() {
    let broadcast = Scheme::Broadcast { fanout: Fanout::Parallel, locking: Locking::Unlocked };
    let (branches, shared) = start(2, broadcast).await;
    let refused = opened(shared, Some("1"), Some("2")).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    for branch in branches {
        branch.end().await;
    }
}
