//! Connecting to a peer, again and again until it succeeds.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use super::handle::{BranchCommand, Command, CommandSender};
use super::info::Peer;
use super::reachability::ConnectFailure;
use crate::wire::{CONNECTION_WINDOW_BYTES, root_cause};

/// A peer that does not accept a connection within this is taken for unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Before another attempt; doubled up to the second after each failure.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How to connect to a branch.
pub(super) fn endpoint(address: SocketAddr) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}

/// Repeats `attempt` until it succeeds, with a backoff. Reports each failure to the driver.
pub(super) async fn connect<C, T, A: Future<Output = Result<T, Status>>>(
    peer: Peer,
    driver: &CommandSender<C>,
    mut attempt: impl FnMut() -> A,
) -> T {
    let since = Instant::now();
    let mut backoff = BACKOFF_MIN;
    loop {
        let error = match attempt().await {
            Ok(connected) => return connected,
            Err(error) => error,
        };
        let definite = [Code::InvalidArgument, Code::FailedPrecondition, Code::Unimplemented];
        let (cause, is_refused) = match error.source() {
            Some(_) => (root_cause(&error), false),
            None => (error.message().to_owned(), definite.contains(&error.code())),
        };
        let failure = ConnectFailure { peer, cause, is_refused, since, at: Instant::now() };
        // Nobody needs it if the driver has ended.
        let _ = driver.send(Command::Branch(BranchCommand::ConnectFailed(failure))).await;
        sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}
