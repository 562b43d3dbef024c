//! Serving a branch from its first to its last connection.

use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_reflection::server::Builder;

use super::link::Link;
use super::methods::{CONTRACTS, Methods};
use super::owner::Branch;
use super::seeds::Seeds;
use super::services::{DEADLINE_MAX, Services};
use super::stream::{Dialer, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use crate::wire::CONNECTION_WINDOW_BYTES;
use crate::wire::seeds::bank::bank_server::BankServer as SeedBankServer;
use crate::wire::seeds::bankservice::bank_service_server::BankServiceServer;
use crate::wire::v1::bank_server::BankServer;
use crate::wire::v1::inspect_server::InspectServer;
use crate::wire::v1::peer_server::PeerServer;
use replication::Transport;
use replication::passbook::Stop;

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
    Transport(#[from] tonic::transport::Error),
    /// The contracts cannot be described to callers.
    #[error("failed to describe the contracts: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The descriptors of the contracts cannot be read.
    #[error("failed to read the descriptors of the contracts: {0}")]
    Descriptors(#[from] prost::DecodeError),
    /// Its replication scheme ended it.
    #[error(transparent)]
    Stopped(#[from] Stop),
}

/// Every contract a branch serves, for callers who ask.
fn described() -> Builder<'static> {
    let builder = Builder::configure().include_reflection_service(false);
    CONTRACTS.into_iter().fold(builder, Builder::register_encoded_file_descriptor_set)
}

impl Branch {
    /// Serves the branch on `listener` until `shutdown`. Then, in this order: customers are refused, own
    /// propagations end, links to peers close, open calls end.
    ///
    /// Its health is "serving" as soon as it has tried to connect to every peer and its scheme is ready.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        self.serve_and_tell(listener, shutdown, || ()).await
    }

    /// As [`Branch::serve`], and calls `tell` once, when the health becomes "serving".
    pub async fn serve_and_tell(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
        tell: impl FnOnce() + Send,
    ) -> Result<(), ServeError> {
        let Self { info, mut owner, handle, lines } = self;
        let mut links = JoinSet::new();
        let mut attempts = Vec::new();
        for peer in &info.peers {
            let (from, to, address) = (info.id, peer.id, peer.address);
            match info.transport {
                Transport::Calls => {
                    let (queue, propagations) = Link::queue();
                    let (attempted, attempt) = oneshot::channel();
                    owner.link(to, queue);
                    attempts.push(attempt);
                    let link = Link { from, to, address, clock: handle.clock };
                    links.spawn(link.run(propagations, attempted, handle.reports()));
                }
                Transport::Streams if from < to => {
                    let (line, handle) = (lines.get(to), handle.clone());
                    let dialer = Dialer { from, to, address, line, handle };
                    links.spawn(dialer.run(shutdown.clone()));
                }
                // It opens the stream.
                Transport::Streams => {}
            }
        }
        let (can_serve, replica_ready) = oneshot::channel();
        owner.tell_ready(can_serve);
        attempts.push(replica_ready);
        let closing = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "it is awaited below")]
        let owner = tokio::spawn({
            let (shutdown, closing) = (shutdown.clone(), closing.clone());
            async move {
                let ended = owner.run(shutdown).await;
                // From now on all that anybody can be told is that the branch is going away.
                closing.cancel();
                ended
            }
        });

        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_not_serving::<BankServer<Services>>().await;
        let became_ready = async move {
            for attempt in attempts {
                // A link that ended without an attempt does not keep the branch from serving.
                let _ = attempt.await;
            }
            health.set_serving::<BankServer<Services>>().await;
            tell();
        };

        let seeds = Seeds::new(&info, handle.clone());
        let services = Services::new(info, handle);
        let serving = Server::builder()
            .layer(Methods::of(&CONTRACTS)?)
            .timeout(DEADLINE_MAX)
            .max_concurrent_streams(STREAMS_MAX)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
            .add_service(BankServer::new(services.clone()))
            .add_service(PeerServer::new(services.clone()))
            .add_service(InspectServer::new(services))
            .add_service(SeedBankServer::new(seeds.clone()))
            .add_service(BankServiceServer::new(seeds))
            .add_service(health_service)
            .add_service(described().build_v1()?)
            .add_service(described().build_v1alpha()?)
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                closing.clone().cancelled_owned(),
            );
        let ending = async {
            let in_order = async {
                shutdown.cancelled().await;
                // The owner closes the links' queues when its propagations have ended. Closing a
                // connection from the link's side takes a fraction of what it takes from the server's.
                let links_ended = async { while links.join_next().await.is_some() {} };
                let _ = timeout(GRACE, links_ended).await;
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
        owner.abort();
        // If it was ended here, how it ended says nothing.
        if let Ok(Err(stop)) = owner.await {
            return Err(stop.into());
        }
        Ok(served?)
    }
}
