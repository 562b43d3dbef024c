//! The way to one peer as a stream of frames, on a connection of its own or one that branches share.
//!
//! Of two branches the one with the smaller number opens it, and opens it again when it breaks. What does not
//! fit into the queue towards a slow peer is dropped: a scheme on streams repeats what was not answered, so
//! memory stays bounded and nothing is lost.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Streaming};

use super::handle::{BranchHandle, Command};
use super::owner::Peer;
use super::reachability::ConnectFailure;
use crate::wire::v1::Frame;
use crate::wire::v1::peer_client::PeerClient;
use crate::wire::{CONNECTION_WINDOW_BYTES, root_cause, to_message};
use bank::BranchId;
use replication::passbook::Message;

/// A peer that does not accept a connection within this is taken for unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Before a stream is opened again; doubled up to the second after each failure.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(20);
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A peer that is silent is asked for a sign of life after the first, and given up after the second.
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
pub(super) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Frames that may wait for a slow peer.
const FRAMES: usize = 64;
/// The metadata by which who opens a stream names itself, and the branch that it leads to.
const BRANCH: &str = "passbook-branch";
const TO: &str = "passbook-to";

/// Names one stream of this branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct StreamId(pub(super) u64);

/// A queue of frames towards a peer, and its other end.
pub(super) fn queue<T>() -> (mpsc::Sender<T>, ReceiverStream<T>) {
    let (frames, queued) = mpsc::channel(FRAMES);
    (frames, ReceiverStream::new(queued))
}

/// The branch that opens a stream, if it says so.
pub(super) fn opener(metadata: &MetadataMap) -> Option<BranchId> {
    named(metadata, BRANCH)
}

/// The branch that a stream leads to, if it says so.
pub(super) fn addressee(metadata: &MetadataMap) -> Option<BranchId> {
    named(metadata, TO)
}

fn named(metadata: &MetadataMap, key: &str) -> Option<BranchId> {
    metadata.get(key)?.to_str().ok()?.parse().ok().map(BranchId)
}

/// How to connect to where streams are accepted.
pub(super) fn endpoint(address: SocketAddr) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    Ok(endpoint)
}

/// Opens the stream to one peer, again and again.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) from: BranchId,
    pub(super) to: BranchId,
    pub(super) address: SocketAddr,
    /// The connection to use, if it shares one.
    pub(super) line: Option<Channel>,
    pub(super) handle: BranchHandle,
}

impl Dialer {
    /// Until `ending`; a stream that is open then is left to end by itself.
    pub(super) async fn run(self, ending: CancellationToken) {
        let mut backoff = BACKOFF_MIN;
        let mut since = Instant::now();
        while let Some(dialed) = ending.run_until_cancelled(self.dial()).await {
            match dialed {
                Ok((frames, incoming)) => {
                    listen(&self.handle, self.to, Outgoing::Dialed(frames), incoming).await;
                    backoff = BACKOFF_MIN;
                    since = Instant::now();
                }
                Err(error) => {
                    // Nobody is there to hear it if the branch has ended.
                    let _ = self.handle.reports().send(self.failed(&error, since)).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
            ending.run_until_cancelled(sleep(backoff)).await;
        }
    }

    /// Reports a failed attempt to open the stream, the first of which began at `since`.
    fn failed(&self, error: &DialError, since: Instant) -> Command {
        let peer = Peer { id: self.to, address: self.address };
        let (cause, is_refused) = match error {
            DialError::Connect(error) => (root_cause(error), false),
            DialError::Refused(status) if status.source().is_some() => (root_cause(status), false),
            DialError::Refused(status) => {
                let definite =
                    [Code::InvalidArgument, Code::FailedPrecondition, Code::Unimplemented];
                (status.message().to_owned(), definite.contains(&status.code()))
            }
        };
        let at = Instant::now();
        Command::ConnectFailed(ConnectFailure { peer, cause, is_refused, since, at })
    }

    /// A stream that is open, both its ends.
    async fn dial(&self) -> Result<(mpsc::Sender<Frame>, Streaming<Frame>), DialError> {
        let channel = match &self.line {
            Some(shared) => shared.clone(),
            None => endpoint(self.address)?.connect().await?,
        };
        let (frames, queued) = queue();
        let mut request = Request::new(queued);
        for (key, branch) in [(BRANCH, self.from), (TO, self.to)] {
            let name: MetadataValue<Ascii> = MetadataValue::from(branch.0);
            request.metadata_mut().insert(key, name);
        }
        let incoming = PeerClient::new(channel).link(request).await?.into_inner();
        Ok((frames, incoming))
    }
}

/// A stream could not be opened.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Connect(#[from] tonic::transport::Error),
    #[error(transparent)]
    Refused(#[from] tonic::Status),
}

/// The queue of a stream; an accepted one carries answers in gRPC's sense.
#[derive(Debug)]
pub(super) enum Outgoing {
    Dialed(mpsc::Sender<Frame>),
    Accepted(mpsc::Sender<Result<Frame, tonic::Status>>),
}

impl Outgoing {
    /// Whether there was room for it.
    pub(super) fn offer(&self, frame: Frame) -> bool {
        match self {
            Self::Dialed(frames) => frames.try_send(frame).is_ok(),
            Self::Accepted(frames) => frames.try_send(Ok(frame)).is_ok(),
        }
    }

    /// How many frames wait in it.
    pub(super) fn queued(&self) -> usize {
        match self {
            Self::Dialed(frames) => frames.max_capacity() - frames.capacity(),
            Self::Accepted(frames) => frames.max_capacity() - frames.capacity(),
        }
    }
}

/// Announces a stream to the owner and hands on what comes in, until it breaks.
pub(super) async fn listen(
    handle: &BranchHandle,
    peer: BranchId,
    outgoing: Outgoing,
    mut incoming: Streaming<Frame>,
) {
    let (owner, stream) = (handle.reports(), handle.next_stream());
    // Nobody is there to hear it if the branch has ended.
    let _ = owner.send(Command::Linked { peer, stream, outgoing }).await;
    while let Ok(Some(frame)) = incoming.message().await {
        let messages: Option<Vec<Message>> = frame.messages.into_iter().map(to_message).collect();
        let Some(messages) = messages else {
            break;
        };
        if owner.send(Command::Heard { peer, stream, messages }).await.is_err() {
            break;
        }
    }
    let _ = owner.send(Command::Unlinked { peer, stream }).await;
}
