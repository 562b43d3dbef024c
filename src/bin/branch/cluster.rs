//! `branch cluster`: all branches of an input file, a process each.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use exercise::Input;
use passbook::arguments::SchemeArguments;
use passbook::cluster::{ProcessCluster, ProcessError, ProcessSpec, asked_to_end, port_of};
use tokio::time::timeout;

use crate::{Failure, say, say_warning};

/// Who ends a whole service may send SIGTERM to every process of it: then a branch may end before this
/// process has heard of it.
const SAME_SIGNAL: Duration = Duration::from_millis(250);

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The input file, or - for standard input; its branches are started with their balance
    input: PathBuf,
    /// Branch N listens on 127.0.0.1 at this port + N; 0 takes free ports
    #[arg(long, value_name = "PORT", default_value_t = 50_050)]
    base_port: u16,
    #[command(flatten)]
    scheme: SchemeArguments,
}

/// Starts them, says so, and ends them when asked to.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (input, warnings) =
        Input::read(&arguments.input).map_err(|error| Failure::Asked(error.to_string()))?;
    for warning in warnings {
        say_warning(&warning.in_file(&arguments.input));
    }
    for branch in &input.branches {
        port_of(arguments.base_port, *branch).map_err(|error| Failure::Asked(error.to_string()))?;
    }
    let spec = ProcessSpec {
        binary: std::env::current_exe().context("failed to find this program's file")?,
        branches: input.branches,
        opening: input.opening,
        scheme: arguments.scheme.scheme().map_err(Failure::Asked)?,
        base_port: arguments.base_port,
    };
    // Best effort, for the pipes to the branches.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("failed to start")?.block_on(work(&spec))
}

async fn work(spec: &ProcessSpec) -> Result<(), Failure> {
    let mut asked = std::pin::pin!(asked_to_end());
    // Asked first: signals are listened to before any process is started.
    let mut cluster = tokio::select! {
        biased;
        () = &mut asked => return Ok(()),
        started = ProcessCluster::start(spec) => started.map_err(not_done)?,
    };
    let lines = cluster.addresses().into_iter().map(|(branch, address)| {
        format!("Branch {branch} server started on port {}\n", address.port())
    });
    say(&lines.collect::<String>()).context("failed to say that the branches serve")?;
    let lost = tokio::select! {
        biased;
        () = &mut asked => return cluster.end().map_err(not_done),
        lost = cluster.ended_by_itself() => lost,
    };
    match timeout(SAME_SIGNAL, asked).await {
        Ok(()) => Ok(()),
        Err(_) => Err(not_done(lost)),
    }
}

fn not_done(error: ProcessError) -> Failure {
    Failure::NotDone(error.into())
}
