//! The commands that need no run: judge what is on disk, tell what settings promise.

use std::path::PathBuf;
use std::process::ExitCode;

use bank::{Ack, Read};
use clap::{ArgAction, Args};
use history::Customers;
use loadgen::Scenario;
use loadgen::check_output::check_files;
use loadgen::record::judge::judge_folder;
use loadgen::record::run_folder::seed_of;
use loadgen::report::{self, render_guarantees};
use loadgen::scenario::{Synthetic, Wire, Workload, broadcast_reads};
use passbook::arguments::named;
use replication::Scheme;

use crate::cli::terminal::{self, Terminal};

/// A folder, or two files.
#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// The folder of a recorded run; with --input the output that any program made, or - for standard input
    #[arg(value_name = "RUN_DIR|OUTPUT")]
    what: PathBuf,
    /// The input file that the output answers; - is standard input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print one line: the verdict, the properties that it rests on, and the seed
    #[arg(long, short, action = ArgAction::SetTrue)]
    pub(crate) quiet: bool,
}

/// Settings, as a run takes them.
#[derive(Args, Debug)]
pub(crate) struct GuaranteesArguments {
    /// How branches keep their accounts the same
    #[arg(long, value_name = "SCHEME", default_value = Scheme::default().name(),
        value_parser = named::<Scheme>())]
    replication: Scheme,
    /// How many branches hold a write when its customer is answered
    #[arg(long, default_value = Scenario::default().ack.name(), value_parser = named::<Ack>())]
    ack: Ack,
    /// Passbook: what a query is answered from [default: session]
    #[arg(long, value_parser = named::<Read>())]
    read: Option<Read>,
    /// By which contract customers ask: those of other programs tell status and balance only
    #[arg(long, default_value = Scenario::default().wire.name(), value_parser = named::<Wire>())]
    wire: Wire,
    /// Customers, all at once
    #[arg(long, short = 'c', value_name = "N", default_value_t = Synthetic::default().customers,
        value_parser = clap::value_parser!(u64).range(1..=20_000))]
    customers: u64,
}

/// Judges again, or judges what another program made.
pub(crate) fn check(check: &CheckArguments, terminal: &Terminal) -> ExitCode {
    let judged = match &check.input {
        None => judge_folder(&check.what)
            .map(|run| (run.exit_code(), run.verdict_line(seed_of(&check.what)), run.render()))
            .map_err(|error| error.to_string()),
        Some(input) => check_files(input, &check.what)
            .map(|judged| {
                terminal::say_warnings(judged.warnings());
                (judged.exit_code(), judged.verdict_line(), judged.render())
            })
            .map_err(|error| error.to_string()),
    };
    match judged {
        Ok((code, line, text)) => {
            terminal::end(ExitCode::from(code.number()), terminal.judged(&line, &text))
        }
        Err(message) => terminal::fail(report::ExitCode::BadInput, &message),
    }
}

/// Prints what a run with these settings promises.
pub(crate) fn guarantees(asked: &GuaranteesArguments) -> ExitCode {
    let GuaranteesArguments { replication, ack, read, wire, customers } = *asked;
    let customers = if customers == 1 { Customers::One } else { Customers::Many };
    let can_read = if replication == Scheme::Passbook { Ok(()) } else { broadcast_reads(read) };
    if let Err(message) = wire.carries(ack, read).and(can_read) {
        return terminal::fail(report::ExitCode::BadInput, &message);
    }
    let branches = Workload::Synthetic(Synthetic::default()).branch_ids().len();
    let read = read.unwrap_or(Scenario::default().read);
    let settings = wire.settings(replication.name(), branches, ack, read, customers);
    let text = render_guarantees(settings);
    terminal::end(ExitCode::from(report::ExitCode::Passed.number()), terminal::print(&text))
}
