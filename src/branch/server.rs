//! Serving a branch from its first to its last connection.

use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::link::Link;
use super::owner::Branch;
use super::services::{DEADLINE_MAX, Services};
use crate::wire::v1::bank_server::BankServer;
use crate::wire::v1::inspect_server::InspectServer;
use crate::wire::v1::peer_server::PeerServer;

/// How long open calls, and then propagations under way, may take to end at shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// Calls under way on one connection: hyper's 200 would make a load generator queue unseen.
const STREAMS_MAX: u32 = 16_384;
/// Callers that give up reset their calls. That is load here, not an attack.
const RESETS_PENDING_MAX: usize = 4_096;
const WINDOW_BYTES: u32 = 1 << 20;

/// A branch could not be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The server failed.
    #[error("failed to serve: {0}")]
    Transport(#[from] tonic::transport::Error),
}

impl Branch {
    /// Serves the branch on `listener` until `shutdown`; then lets open calls and propagations end.
    ///
    /// Its health is "serving" as soon as it has tried to connect to every peer.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let Self { info, mut owner, handle } = self;
        let mut links = JoinSet::new();
        let mut attempts = Vec::new();
        for peer in &info.peers {
            let (queue, propagations) = Link::queue();
            let (attempted, attempt) = oneshot::channel();
            owner.link(peer.id, queue);
            attempts.push(attempt);
            let link =
                Link { from: info.id, to: peer.id, address: peer.address, clock: handle.clock };
            links.spawn(link.run(propagations, attempted, handle.reports()));
        }
        let (end_owner, ending) = oneshot::channel();
        let mut owner = tokio::spawn(owner.run(ending));

        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_not_serving::<BankServer<Services>>().await;
        let became_ready = async move {
            for attempt in attempts {
                // A link that ended without an attempt does not keep the branch from serving.
                let _ = attempt.await;
            }
            health.set_serving::<BankServer<Services>>().await;
        };

        let services = Services::new(info, handle);
        let (drained, mut draining) = oneshot::channel::<()>();
        let serving = Server::builder()
            .timeout(DEADLINE_MAX)
            .max_concurrent_streams(STREAMS_MAX)
            .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
            .initial_connection_window_size(WINDOW_BYTES)
            .add_service(BankServer::new(services.clone()))
            .add_service(PeerServer::new(services.clone()))
            .add_service(InspectServer::new(services))
            .add_service(health_service)
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                async move {
                    shutdown.cancelled().await;
                    drop(drained);
                },
            );
        let mut serving = std::pin::pin!(serving);
        let mut became_ready = std::pin::pin!(became_ready);
        let mut ready = false;
        let served = loop {
            tokio::select! {
                served = &mut serving => break served,
                () = &mut became_ready, if !ready => ready = true,
                _ = &mut draining => break timeout(GRACE, &mut serving).await.unwrap_or(Ok(())),
            }
        };
        // Whatever is still open after the grace is dropped with `serving`, the owner and the links.
        drop(end_owner);
        if timeout(GRACE, &mut owner).await.is_err() {
            owner.abort();
        }
        links.shutdown().await;
        Ok(served?)
    }
}
