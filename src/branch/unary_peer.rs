//! Propagates writes to one peer: a unary call for each, any number of them under way.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::call_driver::CallCommand;
use super::clock::Clock;
use super::handle::{BranchCommand, Command, CommandSender};
use super::info::Peer;
use super::peer_stream::{BACKOFF_MAX, BACKOFF_MIN, CONNECT_TIMEOUT};
use super::reachability::ConnectFailure;
use crate::telemetry::{CallSpan, TraceContext};
use crate::wire::v1::PropagateRequest;
use crate::wire::v1::peer_client::PeerClient;
use crate::wire::{CONNECTION_WINDOW_BYTES, root_cause};
use bank::{BranchId, Write, WriteKind};
use replication::broadcast::WriteId;

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

/// What is known of a write at a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Applied,
    /// The peer definitely did not apply it.
    Refused,
    /// It was not answered: it may have been applied.
    Lost,
}

/// How a propagation to a peer ended.
#[derive(Debug)]
pub(super) struct PropagationResult {
    pub(super) to: BranchId,
    pub(super) id: WriteId,
    pub(super) delivery: Delivery,
    pub(super) took: Duration,
}

/// Calls one peer.
#[derive(Debug)]
pub(super) struct UnaryPeer {
    pub(super) from: BranchId,
    pub(super) peer: Peer,
    pub(super) clock: Clock,
    pub(super) driver: CommandSender<CallCommand>,
}

impl UnaryPeer {
    /// A queue of propagations to a peer.
    pub(super) fn queue() -> (mpsc::Sender<Propagation>, mpsc::Receiver<Propagation>) {
        mpsc::channel(QUEUE)
    }

    /// Connects, notifies `attempted` whether or not it succeeded, and propagates until the queue is closed and
    /// everything under way has ended. Reports how each propagation ended, and whether the peer is reached.
    pub(super) async fn run(
        self,
        mut queue: mpsc::Receiver<Propagation>,
        attempted: oneshot::Sender<()>,
    ) {
        let endpoint = self.endpoint();
        let begun = Instant::now();
        let first = endpoint.connect().await;
        // The receiver is gone if the branch is ending already.
        let _ = attempted.send(());
        let failure = first.as_ref().err().map(|error| self.failed(error, begun));
        let client = PeerClient::new(first.unwrap_or_else(|_| endpoint.connect_lazy()));
        let reaching = self.reach(endpoint, failure);
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
                Some(result) = under_way.next() => {
                    self.driver.report(Command::Peer(CallCommand::Ended(result))).await;
                }
                () = &mut reaching, if !reached => reached = true,
            }
        }
    }

    fn endpoint(&self) -> Endpoint {
        let address = self.peer.address;
        Endpoint::from_shared(format!("http://{address}"))
            .unwrap_or_else(|_| Endpoint::from_static("http://[::]:0"))
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .buffer_size(UNDER_WAY)
    }

    /// Reports a failed attempt to connect, the first of which began at `since`.
    fn failed(&self, error: &tonic::transport::Error, since: Instant) -> ConnectFailure {
        let (cause, at) = (root_cause(error), Instant::now());
        ConnectFailure { peer: self.peer, cause, is_refused: false, since, at }
    }

    /// Tries to connect again after a first `failure`, until it succeeds, and reports each attempt. Propagations do
    /// not wait for it: they connect by themselves.
    async fn reach(&self, endpoint: Endpoint, mut failure: Option<ConnectFailure>) {
        let mut backoff = BACKOFF_MIN;
        while let Some(failed) = failure {
            let since = failed.since;
            self.driver.report(Command::Branch(BranchCommand::ConnectFailed(failed))).await;
            sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
            failure = endpoint.connect().await.err().map(|error| self.failed(&error, since));
        }
        let connected = BranchCommand::Connected { peer: self.peer.id };
        self.driver.report(Command::Branch(connected)).await;
    }

    async fn call(
        &self,
        mut client: PeerClient<Channel>,
        propagation: Propagation,
    ) -> PropagationResult {
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
        let span = CallSpan::peer(parent, method, self.from, self.peer.id);
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
        PropagationResult { to: self.peer.id, id, delivery, took: begun.elapsed() }
    }
}
