//! `branch member`: a branch of a cluster of processes. Only the process that starts it talks to it.

use std::io::{BufReader, stdin, stdout};
use std::net::Ipv4Addr;

use anyhow::Context;
use bank::{BranchId, Money};
use clap::Args;
use passbook::arguments::SchemeArguments;
use passbook::branch::{Branch, Peer};
use passbook::cluster::{Lifeline, Said, asked_to_end, send};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Failure, say_warning};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[arg(long)]
    id: u32,
    /// On 127.0.0.1; 0 takes a free one
    #[arg(long)]
    port: u16,
    #[arg(long)]
    opening_balance: i64,
    #[command(flatten)]
    scheme: SchemeArguments,
}

/// Binds, hears of its peers, and serves until the parent ends or a signal asks for it.
pub(crate) async fn serve(arguments: &Arguments) -> Result<(), Failure> {
    let mut lifeline =
        Lifeline::hold(BufReader::new(stdin())).context("failed to start a thread")?;
    let shutdown = lifeline.cut();
    // Ends with this function.
    let mut beside = JoinSet::new();
    let ending = shutdown.clone();
    beside.spawn(async move {
        asked_to_end().await;
        ending.cancel();
    });
    let listener = match listen(arguments.port).await {
        Ok(listener) => listener,
        Err(error) => {
            tell(&Said::Failed(error.to_string()));
            return Err(Failure::Told);
        }
    };
    let peers = tokio::select! {
        peers = lifeline.peers() => peers,
        () = shutdown.cancelled() => None,
    };
    match peers {
        Some(peers) => work(arguments, listener, peers, shutdown).await,
        None => Ok(()),
    }
}

async fn listen(port: u16) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    tell(&Said::Listening(listener.local_addr()?.port()));
    Ok(listener)
}

async fn work(
    arguments: &Arguments,
    listener: TcpListener,
    peers: Vec<Peer>,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let (id, opening) = (BranchId(arguments.id), Money::new(arguments.opening_balance));
    let ids = peers.iter().map(|peer| peer.id).collect();
    let scheme = arguments.scheme.scheme().map_err(Failure::Asked)?;
    #[expect(clippy::disallowed_methods, reason = "no other incarnation has this name")]
    let replica = scheme.replica(id, ids, opening, rand::random());
    let branch = Branch::new(id, peers, opening, replica)
        .on_warning(|warning| say_warning(&warning.to_string()));
    let served = branch.serve_and_notify(listener, shutdown, || tell(&Said::Serving)).await;
    Ok(served.context("failed to serve")?)
}

/// If the parent does not hear it, it is gone, and the lifeline says so as well.
fn tell(said: &Said) {
    let _ = send(said, &mut stdout());
}
