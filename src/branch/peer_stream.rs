//! The stream of frames to one peer, on a connection of its own or a shared one.
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

use super::handle::{BranchCommand, Command, StreamHandle};
use super::info::Peer;
use super::reachability::ConnectFailure;
use super::stream_driver::StreamCommand;
use crate::wire::v1::Frame;
use crate::wire::v1::peer_client::PeerClient;
use crate::wire::{CONNECTION_WINDOW_BYTES, root_cause, to_message};
use bank::BranchId;
use replication::passbook::Message;

/// A peer that does not accept a connection within this is taken for unreachable.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Before a stream is opened again; doubled up to the second after each failure.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(20);
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(1);
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

/// A queue of frames towards a peer, and its other end.
pub(super) fn queue<T>() -> (mpsc::Sender<T>, ReceiverStream<T>) {
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
    pub(super) peer: Peer,
    /// The connection to use, if the branch shares one.
    pub(super) shared: Option<Channel>,
    pub(super) driver: StreamHandle,
}

impl Dialer {
    /// Until `ending`; a stream that is open then is left to end by itself.
    pub(super) async fn run(self, ending: CancellationToken) {
        let mut backoff = BACKOFF_MIN;
        let mut since = Instant::now();
        while let Some(dialed) = ending.run_until_cancelled(self.dial()).await {
            match dialed {
                Ok((frames, incoming)) => {
                    read(&self.driver, self.peer.id, Outgoing::Dialed(frames), incoming).await;
                    backoff = BACKOFF_MIN;
                    since = Instant::now();
                }
                Err(error) => {
                    let failed = BranchCommand::ConnectFailed(self.failed(&error, since));
                    self.driver.commands.report(Command::Branch(failed)).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
            ending.run_until_cancelled(sleep(backoff)).await;
        }
    }

    /// Reports a failed attempt to open the stream, the first of which began at `since`.
    fn failed(&self, error: &DialError, since: Instant) -> ConnectFailure {
        let (cause, is_refused) = match error {
            DialError::Connect(error) => (root_cause(error), false),
            DialError::Refused(status) if status.source().is_some() => (root_cause(status), false),
            DialError::Refused(status) => {
                let definite =
                    [Code::InvalidArgument, Code::FailedPrecondition, Code::Unimplemented];
                (status.message().to_owned(), definite.contains(&status.code()))
            }
        };
        ConnectFailure { peer: self.peer, cause, is_refused, since, at: Instant::now() }
    }

    /// A stream that is open, both its ends.
    async fn dial(&self) -> Result<(mpsc::Sender<Frame>, Streaming<Frame>), DialError> {
        let channel = match &self.shared {
            Some(shared) => shared.clone(),
            None => endpoint(self.peer.address)?.connect().await?,
        };
        let (frames, queued) = queue();
        let mut request = Request::new(queued);
        for (key, branch) in [(BRANCH, self.from), (TO, self.peer.id)] {
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
    /// Returns whether there was room for the frame.
    pub(super) fn offer(&self, frame: Frame) -> bool {
        match self {
            Self::Dialed(frames) => frames.try_send(frame).is_ok(),
            Self::Accepted(frames) => frames.try_send(Ok(frame)).is_ok(),
        }
    }

    /// The number of frames that wait.
    pub(super) fn queued(&self) -> usize {
        match self {
            Self::Dialed(frames) => frames.max_capacity() - frames.capacity(),
            Self::Accepted(frames) => frames.max_capacity() - frames.capacity(),
        }
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
    commands.report(Command::Peer(StreamCommand::Opened { peer, stream, outgoing })).await;
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
        () = commands.ended() => {}
    }
    commands.report(Command::Peer(StreamCommand::Closed { peer, stream })).await;
}
