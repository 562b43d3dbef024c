//! `branch`: one branch of the bank as a process, or all branches of an input file.

mod cluster;
mod member;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use bank::{BranchId, Money};
use clap::{Args, Parser, Subcommand};
use passbook::address::resolve;
use passbook::arguments::SchemeArguments;
use passbook::branch::{Branch, Peer, Warning};
use passbook::telemetry::{OtlpEndpoint, SpanCounters, Tracing, serve_metrics};
use replication::Scheme;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Runs branches of a replicated bank.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one branch until Ctrl-C or SIGTERM.
    ///
    /// Spans go to `OTEL_EXPORTER_OTLP_ENDPOINT` (gRPC) where that is set.
    Serve(Serve),
    /// Serve all branches of an input file, each as a process of its own, until Ctrl-C or SIGTERM.
    ///
    /// They end when this process ends, however it ends.
    Cluster(cluster::Arguments),
    /// Serve a branch of a cluster: what its process is told comes from standard input.
    #[command(hide = true)]
    Member(member::Arguments),
}

#[derive(Args, Debug)]
struct Serve {
    /// The branch's number in its cluster
    #[arg(long)]
    id: u32,
    /// Where to listen; port 0 takes a free one and prints it
    #[arg(long, value_name = "HOST:PORT", value_parser = resolve)]
    listen: SocketAddr,
    /// A fellow branch, as 2=127.0.0.1:50052; once for each
    #[arg(long = "peer", value_name = "ID=ADDRESS", value_parser = parse_peer)]
    peers: Vec<Peer>,
    /// What every branch holds at the start, minor units
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(0..))]
    opening_balance: i64,
    #[command(flatten)]
    scheme: SchemeArguments,
    /// Serve /metrics here
    #[arg(long, value_name = "HOST:PORT", value_parser = resolve)]
    metrics_listen: Option<SocketAddr>,
}

fn parse_peer(text: &str) -> Result<Peer, String> {
    let expected = "expected ID=HOST:PORT, such as 2=127.0.0.1:50052";
    let (id, address) = text.split_once('=').ok_or(expected)?;
    let id = id.parse().map_err(|_| expected)?;
    let address = resolve(address).map_err(|error| format!("{error}; {expected}"))?;
    Ok(Peer { id: BranchId(id), address })
}

/// Why the process ends with a code that is not 0.
enum Failure {
    /// Bad arguments or input: 2.
    Asked(String),
    /// It could not be done: 1.
    NotDone(anyhow::Error),
    /// As above, and whoever started this process has been told.
    Told,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::NotDone(error)
    }
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(serve) => validate(&serve)
            .map_err(Failure::Asked)
            .and_then(|scheme| run(async |spans| Ok(serve_branch(&serve, scheme, spans).await?))),
        Command::Cluster(arguments) => cluster::run(&arguments),
        Command::Member(member) => run(async |_| member::serve(&member).await),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Asked(message)) => {
            say_error(&message);
            ExitCode::from(2)
        }
        Err(Failure::NotDone(error)) => {
            say_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
        Err(Failure::Told) => ExitCode::FAILURE,
    }
}

fn validate(serve: &Serve) -> Result<Scheme, String> {
    for (index, peer) in serve.peers.iter().enumerate() {
        if peer.id.0 == serve.id {
            return Err(format!(
                "--peer {} is this branch itself; name fellow branches only",
                peer.id
            ));
        }
        if serve.peers.iter().take(index).any(|other| other.id == peer.id) {
            return Err(format!("--peer {} is given twice; give each fellow branch once", peer.id));
        }
        let address = peer.address;
        if let Some(other) = serve.peers.iter().take(index).find(|other| other.address == address) {
            return Err(format!(
                "--peer {} and --peer {} have the same address {address}; give each its own",
                other.id, peer.id
            ));
        }
        if address == serve.listen {
            return Err(format!(
                "--peer {} has this branch's own --listen address {address}; give that of the peer",
                peer.id
            ));
        }
    }
    serve.scheme.scheme()
}

/// Runs `work` between the beginning and the end of tracing.
fn run(work: impl AsyncFnOnce(Option<SpanCounters>) -> Result<(), Failure>) -> Result<(), Failure> {
    let endpoint = OtlpEndpoint::from_variables(|name| std::env::var(name).ok())
        .map_err(|error| Failure::Asked(error.to_string()))?;
    // Best effort: a branch with few peers does not need more than the default.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    // Nothing is kept here: a process that runs for weeks has no end at which to write a file.
    let tracing = endpoint.as_ref().map(|endpoint| Tracing::install(0, Some(endpoint)));
    let tracing = tracing.transpose().map_err(anyhow::Error::from)?;
    let counters = tracing.as_ref().map(Tracing::counters);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(anyhow::Error::from)?;
    let worked = runtime.block_on(work(counters));
    drop(runtime);
    if let (Some(tracing), Some(endpoint)) = (tracing, endpoint) {
        let counts = tracing.finish();
        if counts.export_failed > 0 {
            say_error(&format!(
                "{} of {} spans were not accepted by {endpoint}",
                counts.export_failed, counts.ended
            ));
        }
    }
    worked
}

async fn serve_branch(
    serve: &Serve,
    scheme: Scheme,
    spans: Option<SpanCounters>,
) -> anyhow::Result<()> {
    let (id, opening) = (BranchId(serve.id), Money::new(serve.opening_balance));
    let peers = serve.peers.iter().map(|peer| peer.id).collect();
    #[expect(clippy::disallowed_methods, reason = "no other incarnation has this name")]
    let replica = scheme.replica(id, peers, opening, rand::random());
    let branch =
        Branch::new(id, serve.peers.clone(), opening, replica).on_warning(
            |warning| match warning {
                Warning::Unreachable { .. } => {
                    say_warning(&format!("{warning}; start that branch, or check --peer"));
                }
                _ => say_warning(&warning.to_string()),
            },
        );
    let listener = TcpListener::bind(serve.listen)
        .await
        .with_context(|| format!("failed to listen at {}; give another --listen", serve.listen))?;
    let shutdown = CancellationToken::new();
    // Ends with this function.
    let mut beside = JoinSet::new();
    let mut said =
        format!("Branch {id} server started on port {}\n", listener.local_addr()?.port());
    if let Some(address) = serve.metrics_listen {
        let metrics = TcpListener::bind(address).await.with_context(|| {
            format!("failed to listen at {address}; give another --metrics-listen")
        })?;
        said = format!("{said}Metrics at http://{}/metrics\n", metrics.local_addr()?);
        let handle = branch.handle();
        let scrape = move || {
            let (handle, spans) = (handle.clone(), spans.clone());
            async move {
                let mut families = handle.families().await;
                families.extend(spans.as_ref().map(SpanCounters::family));
                families
            }
        };
        let metrics_shutdown = shutdown.clone();
        beside.spawn(async move {
            // Without its metrics the branch is still a branch.
            let _ = serve_metrics(metrics, metrics_shutdown, scrape).await;
        });
    }
    say(&said)?;
    let ending = shutdown.clone();
    beside.spawn(async move {
        passbook::cluster::asked_to_end().await;
        ending.cancel();
    });
    branch.serve(listener, shutdown).await?;
    Ok(())
}

fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Standard error may be closed; there is nobody to tell then.
fn say_warning(message: &str) {
    let _ = writeln!(io::stderr(), "warning: {message}");
}

/// As for a warning.
fn say_error(message: &str) {
    let _ = writeln!(io::stderr(), "error: {message}");
}
