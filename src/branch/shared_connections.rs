//! Connections that the branches of a thread share for their streams to the branches of another thread.
//!
//! A connection costs far more than a stream on it, and N branches have N² / 2 streams. The listener reads to which branch
//! a stream leads and leaves the rest to that branch, so for the branches themselves nothing is different.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

use super::peer_stream::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, addressee, endpoint};
use super::server::{Branch, ServeError};
use super::services::Services;
use crate::wire::Failure;
use crate::wire::v1::peer_server::{Peer, PeerServer};
use crate::wire::v1::{Frame, PropagateReply, PropagateRequest};
use bank::BranchId;

/// Streams on one connection: more than there can be.
const STREAMS_MAX: u32 = 1 << 24;
/// How much may be under way on a connection, and on each stream as much as on a connection of its own. So no
/// branch that is slow to read holds up another's streams.
const WINDOW_BYTES: u32 = (1 << 31) - 1;

/// Accepts the streams to the branches of a thread.
#[derive(Clone, Debug)]
pub struct SharedListener {
    branches: Arc<HashMap<BranchId, Services>>,
}

impl SharedListener {
    /// Accepts streams to these branches.
    pub fn new<'a>(branches: impl IntoIterator<Item = &'a Branch>) -> Self {
        let services = |branch: &Branch| Services::new(branch.info().clone(), branch.handle());
        let branches = branches.into_iter().map(|branch| (branch.id(), services(branch)));
        Self { branches: Arc::new(branches.collect()) }
    }

    /// Accepts streams on `listener` until it is dropped.
    pub async fn serve(self, listener: TcpListener) -> Result<(), ServeError> {
        let serving = Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .initial_connection_window_size(WINDOW_BYTES)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .add_service(PeerServer::new(self))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        Ok(serving.await?)
    }
}

#[tonic::async_trait]
impl Peer for SharedListener {
    type LinkStream = ReceiverStream<Result<Frame, Status>>;

    async fn link(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        let to = addressee(request.metadata());
        match to.and_then(|to| self.branches.get(&to)) {
            Some(branch) if branch.is_served() => branch.link(request).await,
            // The peer tries again with a backoff, as where nobody listens.
            Some(_) => Err(Failure::ShuttingDown.into()),
            None => {
                let text = "the stream does not name a branch behind this listener".to_owned();
                Err(Failure::BadRequest(text).into())
            }
        }
    }

    async fn propagate_deposit(
        &self,
        _request: Request<PropagateRequest>,
    ) -> Result<Response<PropagateReply>, Status> {
        Err(only_streams())
    }

    async fn propagate_withdraw(
        &self,
        _request: Request<PropagateRequest>,
    ) -> Result<Response<PropagateReply>, Status> {
        Err(only_streams())
    }
}

fn only_streams() -> Status {
    Status::unimplemented("this listener accepts streams only")
}

/// One connection to each shared listener, by the branches behind it.
#[derive(Clone, Debug, Default)]
pub struct SharedConnections(Arc<HashMap<BranchId, Channel>>);

impl SharedConnections {
    /// Takes the address of each listener and the branches behind it. Connects when a stream is opened; to be called
    /// within a runtime.
    pub fn new<'a>(
        listeners: impl IntoIterator<Item = (SocketAddr, &'a [BranchId])>,
    ) -> Result<Self, ServeError> {
        let mut channels = HashMap::new();
        for (address, branches) in listeners {
            let endpoint = endpoint(address)?.initial_connection_window_size(WINDOW_BYTES);
            let channel = endpoint.connect_lazy();
            channels.extend(branches.iter().map(|branch| (*branch, channel.clone())));
        }
        Ok(Self(Arc::new(channels)))
    }

    pub(super) fn get(&self, branch: BranchId) -> Option<Channel> {
        self.0.get(&branch).cloned()
    }
}
