//! Propagates writes to one peer: a unary call for each, any number of them under way.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::call_driver::CallCommand;
use super::clock::Clock;
use super::connecting::{self, connect};
use super::handle::{BranchCommand, Command, CommandSender};
use super::info::Peer;
use crate::telemetry::{CallSpan, TraceContext};
use crate::wire::v1::PropagateRequest;
use crate::wire::v1::peer_client::PeerClient;
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
        // Connects by itself. Carries the propagations until a connection is there.
        let mut client = PeerClient::new(endpoint.connect_lazy());
        let mut attempted = Some(attempted);
        let connecting = connect(self.peer, &self.driver, || {
            let (attempt, attempted) = (endpoint.connect(), attempted.take());
            async {
                let channel = attempt.await;
                // The receiver is gone if the branch is ending already.
                let _ = attempted.map(|attempted| attempted.send(()));
                channel.map_err(|error| Status::from_error(error.into()))
            }
        });
        let mut connecting = std::pin::pin!(connecting);
        let mut connected = false;
        let mut under_way = FuturesUnordered::new();
        let mut open = true;
        while open || !under_way.is_empty() {
            tokio::select! {
                next = queue.recv(), if open && under_way.len() < UNDER_WAY => match next {
                    Some(propagation) => under_way.push(self.call(client.clone(), propagation)),
                    None => open = false,
                },
                Some(result) = under_way.next() => {
                    // The driver outlives this task; if it does not, nobody needs the result.
                    let _ = self.driver.send(Command::Peer(CallCommand::Ended(result))).await;
                }
                channel = &mut connecting, if !connected => {
                    connected = true;
                    client = PeerClient::new(channel);
                    let connected = BranchCommand::Connected { peer: self.peer.id };
                    let _ = self.driver.send(Command::Branch(connected)).await;
                }
            }
        }
    }

    fn endpoint(&self) -> Endpoint {
        let endpoint = connecting::endpoint(self.peer.address);
        endpoint.unwrap_or_else(|_| Endpoint::from_static("http://[::]:0")).buffer_size(UNDER_WAY)
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
