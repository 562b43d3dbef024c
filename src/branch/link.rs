//! The way to one peer: a unary call for each propagation, any number of them under way.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::clock::Clock;
use super::handle::Command;
use super::owner::Peer;
use super::reachability::ConnectFailure;
use super::stream::{BACKOFF_MAX, BACKOFF_MIN};
use crate::telemetry::{CallSpan, TraceContext};
use crate::wire::v1::PropagateRequest;
use crate::wire::v1::peer_client::PeerClient;
use crate::wire::{CONNECTION_WINDOW_BYTES, root_cause};
use bank::{BranchId, Write, WriteKind};
use replication::WriteId;

/// A peer that does not accept a connection within this is taken for unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Propagations that may wait for a slow peer, and those that may be under way.
const QUEUE: usize = 16_384;
const UNDER_WAY: usize = 4_096;

/// A write on its way to a peer.
#[derive(Debug)]
pub(super) struct Propagation {
    pub(super) id: WriteId,
    pub(super) write: Write,
    pub(super) deadline: replication::Instant,
    /// The traced fan-out it belongs to.
    pub(super) parent: Option<TraceContext>,
}

/// How a propagation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Applied,
    /// The peer definitely did not apply it.
    Refused,
    /// It was not answered: it may have been applied.
    Lost,
}

/// What a link tells the owner.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) to: BranchId,
    pub(super) id: WriteId,
    pub(super) delivery: Delivery,
    pub(super) took: Duration,
}

/// One peer as a link needs to know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) from: BranchId,
    pub(super) to: BranchId,
    pub(super) address: SocketAddr,
    pub(super) clock: Clock,
}

impl Link {
    /// The queue of propagations to this peer.
    pub(super) fn queue() -> (mpsc::Sender<Propagation>, mpsc::Receiver<Propagation>) {
        mpsc::channel(QUEUE)
    }

    /// Connects, says so by `attempted` whether or not it succeeded, and propagates until the queue is
    /// closed and everything under way has ended. `report` receives how each ended, and whether the peer is reached.
    pub(super) async fn run(
        self,
        mut queue: mpsc::Receiver<Propagation>,
        attempted: oneshot::Sender<()>,
        report: mpsc::Sender<Command>,
    ) {
        let endpoint = self.endpoint();
        let begun = Instant::now();
        let first = endpoint.connect().await;
        // Nobody listens any more if the branch is ending already.
        let _ = attempted.send(());
        let failure = first.as_ref().err().map(|error| self.failed(error, begun));
        let client = PeerClient::new(first.unwrap_or_else(|_| endpoint.connect_lazy()));
        let reaching = self.reach(endpoint, failure, report.clone());
        let mut reaching = std::pin::pin!(reaching);
        let mut reached = false;
        let mut under_way = FuturesUnordered::new();
        let mut open = true;
        while open || !under_way.is_empty() {
            tokio::select! {
                next = queue.recv(), if open && under_way.len() < UNDER_WAY => match next {
                    Some(propagation) => under_way.push(self.call(client.clone(), propagation)),
                    None => open = false,
                },
                Some(delivered) = under_way.next() => {
                    // The owner outlives its links; if it does not, nobody wants to know.
                    let _ = report.send(Command::Delivered(delivered)).await;
                }
                () = &mut reaching, if !reached => reached = true,
            }
        }
    }

    fn endpoint(&self) -> Endpoint {
        let address = self.address;
        Endpoint::from_shared(format!("http://{address}"))
            .unwrap_or_else(|_| Endpoint::from_static("http://[::]:0"))
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .buffer_size(UNDER_WAY)
    }

    /// Reports a failed attempt to connect, the first of which began at `since`.
    fn failed(&self, error: &tonic::transport::Error, since: Instant) -> ConnectFailure {
        let peer = Peer { id: self.to, address: self.address };
        let (cause, at) = (root_cause(error), Instant::now());
        ConnectFailure { peer, cause, is_refused: false, since, at }
    }

    /// Tries to connect again after a first `failure`, until it succeeds, and reports each attempt. Propagations do
    /// not wait for it: they connect by themselves.
    async fn reach(
        &self,
        endpoint: Endpoint,
        mut failure: Option<ConnectFailure>,
        report: mpsc::Sender<Command>,
    ) {
        let mut backoff = BACKOFF_MIN;
        while let Some(failed) = failure {
            let since = failed.since;
            // The owner outlives its links; if it does not, nobody wants to know.
            let _ = report.send(Command::ConnectFailed(failed)).await;
            sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
            failure = endpoint.connect().await.err().map(|error| self.failed(&error, since));
        }
        let _ = report.send(Command::Connected { peer: self.to }).await;
    }

    async fn call(&self, mut client: PeerClient<Channel>, propagation: Propagation) -> Delivered {
        let Propagation { id, write, deadline, parent } = propagation;
        let begun = Instant::now();
        let mut request = Request::new(PropagateRequest {
            origin: id.origin.0,
            write: id.ticket.0,
            amount: write.amount.minor_units(),
        });
        request.set_timeout(self.clock.until(deadline));
        let (method, deposit) = match write.kind {
            WriteKind::Deposit => ("passbook.v1.Peer/PropagateDeposit", true),
            WriteKind::Withdraw => ("passbook.v1.Peer/PropagateWithdraw", false),
        };
        let span = CallSpan::peer(parent, method, self.from, self.to);
        span.inject(request.metadata_mut());
        let answer = if deposit {
            client.propagate_deposit(request).await
        } else {
            client.propagate_withdraw(request).await
        };
        let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
        span.end_client(code);
        let delivery = match code {
            Code::Ok => Delivery::Applied,
            Code::OutOfRange | Code::InvalidArgument | Code::FailedPrecondition => {
                Delivery::Refused
            }
            _ => Delivery::Lost,
        };
        Delivered { to: self.to, id, delivery, took: begun.elapsed() }
    }
}
