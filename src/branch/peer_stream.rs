//! The stream of frames to one peer, on a connection of its own or a shared one.
//!
//! Of two branches the one with the smaller number opens it, and opens it again when it breaks. What does not
//! fit into the queue towards a slow peer is dropped: a scheme on streams repeats what was not answered, so
//! memory stays bounded and nothing is lost.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use super::connecting::{self, BACKOFF_MIN, connect};
use super::handle::{Command, StreamHandle};
use super::info::Peer;
use super::stream_driver::StreamCommand;
use crate::wire::to_message;
use crate::wire::v1::Frame;
use crate::wire::v1::peer_client::PeerClient;
use bank::BranchId;
use replication::passbook::Message;

/// A peer that is silent is asked for a sign of life after the first, and given up after the second.
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
pub(super) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Frames that may wait for a slow peer.
const FRAMES: usize = 64;
/// Metadata of a stream: the branch that opens it, and the branch that it leads to.
const BRANCH: &str = "passbook-branch";
const TO: &str = "passbook-to";

/// Names one stream of this branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct StreamId(pub(super) u64);

/// A queue of frames towards a peer.
pub(super) type Outgoing = mpsc::Sender<Result<Frame, Status>>;

/// A queue of frames towards a peer, and its other end.
pub(super) fn queue() -> (Outgoing, ReceiverStream<Result<Frame, Status>>) {
    let (frames, queued) = mpsc::channel(FRAMES);
    (frames, ReceiverStream::new(queued))
}

/// The branch that opens a stream, if it names itself.
pub(super) fn opener(metadata: &MetadataMap) -> Option<BranchId> {
    named(metadata, BRANCH)
}

/// The branch that a stream leads to, if the metadata names it.
pub(super) fn addressee(metadata: &MetadataMap) -> Option<BranchId> {
    named(metadata, TO)
}

fn named(metadata: &MetadataMap, key: &str) -> Option<BranchId> {
    metadata.get(key)?.to_str().ok()?.parse().ok().map(BranchId)
}

/// How to connect to where streams are accepted.
pub(super) fn endpoint(address: SocketAddr) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = connecting::endpoint(address)?
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    Ok(endpoint)
}

/// Opens the stream to one peer, again and again.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) from: BranchId,
    pub(super) peer: Peer,
    /// The connection to use, if the branch shares one.
    pub(super) shared: Option<Channel>,
    pub(super) driver: StreamHandle,
}

impl Dialer {
    /// Until `ending`; a stream that is open then is left to end by itself.
    pub(super) async fn run(self, ending: CancellationToken) {
        let peer = self.peer;
        let connecting = || connect(peer, &self.driver.commands, || self.dial());
        while let Some((frames, incoming)) = ending.run_until_cancelled(connecting()).await {
            read(&self.driver, peer.id, frames, incoming).await;
            ending.run_until_cancelled(sleep(BACKOFF_MIN)).await;
        }
    }

    /// A stream that is open, both its ends.
    async fn dial(&self) -> Result<(Outgoing, Streaming<Frame>), Status> {
        let connect = async { endpoint(self.peer.address)?.connect().await };
        let channel = match &self.shared {
            Some(shared) => shared.clone(),
            None => connect.await.map_err(|error| Status::from_error(error.into()))?,
        };
        let (frames, queued) = queue();
        let mut request = Request::new(queued.filter_map(Result::ok));
        for (key, branch) in [(BRANCH, self.from), (TO, self.peer.id)] {
            let name: MetadataValue<Ascii> = MetadataValue::from(branch.0);
            request.metadata_mut().insert(key, name);
        }
        let incoming = PeerClient::new(channel).link(request).await?.into_inner();
        Ok((frames, incoming))
    }
}

/// Announces a stream to the driver and passes on the messages that arrive, until the stream breaks or the driver
/// has ended.
pub(super) async fn read(
    driver: &StreamHandle,
    peer: BranchId,
    outgoing: Outgoing,
    mut incoming: Streaming<Frame>,
) {
    let (commands, stream) = (&driver.commands, driver.next_stream());
    // Nobody needs these if the driver has ended.
    let _ = commands.send(Command::Peer(StreamCommand::Opened { peer, stream, outgoing })).await;
    let reading = async {
        while let Ok(Some(frame)) = incoming.message().await {
            let messages: Option<Vec<Message>> =
                frame.messages.into_iter().map(to_message).collect();
            let Some(messages) = messages else {
                return;
            };
            let received = StreamCommand::Received { peer, stream, messages };
            if commands.send(Command::Peer(received)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = commands.closed() => {}
    }
    let _ = commands.send(Command::Peer(StreamCommand::Closed { peer, stream })).await;
}
