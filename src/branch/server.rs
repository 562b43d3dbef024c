//! Serving a branch from its first to its last connection.

use std::collections::HashMap;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_reflection::server::Builder;

use super::call_driver::{CallCommand, CallDriver};
use super::clock::Clock;
use super::driver::{Core, QUEUE, run};
use super::handle::{BranchHandle, Command, CommandSender, StreamHandle, Transport};
use super::info::{BranchInfo, Peer};
use super::methods::{CONTRACTS, Methods};
use super::peer_stream::{Dialer, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use super::services::{DEADLINE_MAX, Services};
use super::shared_connections::SharedConnections;
use super::stream_driver::{StreamCommand, StreamDriver};
use super::unary_peer::UnaryPeer;
use super::warnings::{Warn, Warning};
use crate::wire::exercise::bank::bank_server::BankServer as ExerciseBankServer;
use crate::wire::exercise::bankservice::bank_service_server::BankServiceServer;
use crate::wire::v1::bank_server::BankServer;
use crate::wire::v1::inspect_server::InspectServer;
use crate::wire::v1::peer_server::PeerServer;
use crate::wire::{CONNECTION_WINDOW_BYTES, root_cause};
use bank::{BranchId, Money};
use replication::passbook::Stop;
use replication::{CallReplica, Replica, StreamReplica};

/// How long each step of the shutdown may take.
const GRACE: Duration = Duration::from_secs(5);
/// Calls under way on one connection: hyper's 200 would make a load generator queue unseen.
const STREAMS_MAX: u32 = 16_384;
/// Callers that give up reset their calls. That is load here, not an attack.
const RESETS_PENDING_MAX: usize = 4_096;

/// A branch could not be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The server failed.
    #[error("failed to serve: {0}")]
    Transport(String),
    /// The contracts cannot be described to callers.
    #[error("failed to describe the contracts: {0}")]
    Reflection(tonic_reflection::server::Error),
    /// The descriptors of the contracts cannot be read.
    #[error("failed to read the descriptors of the contracts: {0}")]
    Descriptors(prost::DecodeError),
    /// Its replication scheme ended it.
    #[error(transparent)]
    Stopped(#[from] Stop),
}

impl From<tonic::transport::Error> for ServeError {
    fn from(error: tonic::transport::Error) -> Self {
        Self::Transport(root_cause(&error))
    }
}

/// Every contract a branch serves, for callers who ask.
fn described() -> Builder<'static> {
    let builder = Builder::configure().include_reflection_service(false);
    CONTRACTS.into_iter().fold(builder, Builder::register_encoded_file_descriptor_set)
}

/// A replica with both ends of the queue of its driver.
enum Driven {
    Calls {
        replica: Box<CallReplica>,
        commands: CommandSender<CallCommand>,
        queue: mpsc::Receiver<Command<CallCommand>>,
    },
    Streams {
        replica: Box<StreamReplica>,
        handle: StreamHandle,
        queue: mpsc::Receiver<Command<StreamCommand>>,
    },
}

/// A branch that is ready to be served.
pub struct Branch {
    info: BranchInfo,
    driven: Driven,
    handle: BranchHandle,
    connections: SharedConnections,
    warn: Option<Warn>,
}

/// The tasks of a branch that do not serve calls.
struct Tasks {
    /// Connects to peers.
    peers: JoinSet<()>,
    /// Each ends when the branch has tried to connect to a peer, or its replica is ready.
    starting: Vec<oneshot::Receiver<()>>,
    driver: JoinSet<Result<(), Stop>>,
}

impl Branch {
    /// A branch that keeps its account by `replica`.
    pub fn new(id: BranchId, peers: Vec<Peer>, opening: Money, replica: Replica) -> Self {
        let (replication, transport, driven) = match replica {
            Replica::Broadcast(replica) => {
                let (commands, queue) = mpsc::channel(QUEUE);
                let transport = Transport::Calls(commands.clone());
                (replica.name(), transport, Driven::Calls { replica, commands, queue })
            }
            Replica::Passbook(replica) => {
                let (commands, queue) = mpsc::channel(QUEUE);
                let handle = StreamHandle::new(commands);
                let transport = Transport::Streams(handle.clone());
                (replica.name(), transport, Driven::Streams { replica, handle, queue })
            }
        };
        let handle = BranchHandle::new(transport, replication);
        let info = BranchInfo { id, peers, opening, replication };
        Self { info, driven, handle, connections: SharedConnections::default(), warn: None }
    }

    /// Opens streams on `connections` to the peers that they lead to, and on connections of its own to the others.
    #[must_use]
    pub fn with_connections(mut self, connections: SharedConnections) -> Self {
        self.connections = connections;
        self
    }

    /// Calls `warn` for each fault that keeps the branch from working with others, once.
    #[must_use]
    pub fn on_warning(mut self, warn: impl Fn(&Warning) + Send + 'static) -> Self {
        self.warn = Some(Box::new(warn));
        self
    }

    /// The branch's number.
    pub fn id(&self) -> BranchId {
        self.info.id
    }

    /// Reaches the branch from within the process.
    pub fn handle(&self) -> BranchHandle {
        self.handle.clone()
    }

    pub(super) const fn info(&self) -> &BranchInfo {
        &self.info
    }

    /// Serves the branch on `listener` until `shutdown`. Then, in this order: customers are refused, own
    /// propagations end, connections to peers close, open calls end.
    ///
    /// Its health is "serving" as soon as it has tried to connect to every peer and its scheme is ready.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        self.serve_and_notify(listener, shutdown, || ()).await
    }

    /// As [`Branch::serve`], and calls `notify` once, when the health becomes "serving".
    pub async fn serve_and_notify(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
        notify: impl FnOnce() + Send,
    ) -> Result<(), ServeError> {
        let Self { info, driven, handle, connections, warn } = self;
        let closing = CancellationToken::new();
        let Tasks { mut peers, starting, mut driver } =
            start(&info, driven, handle.clock, &connections, warn, &shutdown, closing.clone());

        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_not_serving::<BankServer<Services>>().await;
        let became_ready = async move {
            for step in starting {
                // A task that ended without an attempt does not keep the branch from serving.
                let _ = step.await;
            }
            health.set_serving::<BankServer<Services>>().await;
            notify();
        };

        let services = Services::new(info, handle.clone());
        let serving = Server::builder()
            .layer(Methods::of(&CONTRACTS).map_err(ServeError::Descriptors)?)
            .timeout(DEADLINE_MAX)
            .max_concurrent_streams(STREAMS_MAX)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
            .add_service(BankServer::new(services.clone()))
            .add_service(PeerServer::new(services.clone()))
            .add_service(InspectServer::new(services.clone()))
            .add_service(ExerciseBankServer::new(services.clone()))
            .add_service(BankServiceServer::new(services))
            .add_service(health_service)
            .add_service(described().build_v1().map_err(ServeError::Reflection)?)
            .add_service(described().build_v1alpha().map_err(ServeError::Reflection)?)
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                closing.clone().cancelled_owned(),
            );
        let ending = async {
            let in_order = async {
                shutdown.cancelled().await;
                // The driver disconnects when its propagations have ended. Closing a connection from the client's
                // side takes a fraction of what it takes from the server's.
                let disconnected = async { while peers.join_next().await.is_some() {} };
                let _ = timeout(GRACE, disconnected).await;
            };
            closing.run_until_cancelled(in_order).await;
            closing.cancel();
            sleep(GRACE).await;
        };
        let (mut serving, mut ending) = (std::pin::pin!(serving), std::pin::pin!(ending));
        let mut became_ready = std::pin::pin!(became_ready);
        let mut ready = false;
        let served = loop {
            tokio::select! {
                served = &mut serving => break served,
                // Whatever is still open after the grace is dropped with the server.
                () = &mut ending => break Ok(()),
                () = &mut became_ready, if !ready => ready = true,
            }
        };
        // Nobody is left to ask it, but for handles within the process.
        driver.abort_all();
        let ended = driver.join_next().await;
        if let Ok(streams) = handle.streams() {
            // Readers end with the driver.
            streams.readers.close();
            streams.readers.wait().await;
        }
        // If the driver was aborted here, how it ended means nothing.
        if let Some(Ok(Err(stop))) = ended {
            return Err(stop.into());
        }
        Ok(served?)
    }
}

/// Starts the tasks of a branch. `closing` is cancelled when the driver ends.
fn start(
    info: &BranchInfo,
    driven: Driven,
    clock: Clock,
    connections: &SharedConnections,
    warn: Option<Warn>,
    shutdown: &CancellationToken,
    closing: CancellationToken,
) -> Tasks {
    let from = info.id;
    let mut peers = JoinSet::new();
    let (ready, replica_ready) = oneshot::channel();
    let mut starting = vec![replica_ready];
    let mut driver = JoinSet::new();
    match driven {
        Driven::Calls { replica, commands, queue } => {
            let mut propagations = HashMap::new();
            for peer in info.peers.iter().copied() {
                let (sender, receiver) = UnaryPeer::queue();
                let (attempted, attempt) = oneshot::channel();
                propagations.insert(peer.id, sender);
                starting.push(attempt);
                let peer = UnaryPeer { from, peer, clock, driver: commands.clone() };
                peers.spawn(peer.run(receiver, attempted));
            }
            let core = Core::new(info, replica, clock, warn, ready);
            let calls = CallDriver::new(info, propagations);
            driver.spawn(run(calls, core, queue, shutdown.clone(), closing.drop_guard()));
        }
        Driven::Streams { replica, handle, queue } => {
            // The branch with the smaller number opens the stream.
            for peer in info.peers.iter().copied().filter(|peer| from < peer.id) {
                let (shared, driver) = (connections.get(peer.id), handle.clone());
                peers.spawn(Dialer { from, peer, shared, driver }.run(shutdown.clone()));
            }
            let core = Core::new(info, replica, clock, warn, ready);
            let streams = StreamDriver::new(info);
            driver.spawn(run(streams, core, queue, shutdown.clone(), closing.drop_guard()));
        }
    }
    Tasks { peers, starting, driver }
}
