//! The commands that need no run: judge what is on disk, tell what settings promise.

use std::path::PathBuf;
use std::process::ExitCode;

use bank::{Ack, Read};
use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args};
use history::Customers;
use loadgen::check_output::check_files;
use loadgen::record::artifacts::seed_of;
use loadgen::record::judge::judge_folder;
use loadgen::report::{self, render_guarantees};
use loadgen::scenario::{Wire, broadcast_reads};
use replication::Scheme;

use crate::cli::terminal::{self, Terminal};
use crate::cli::values::{ack_parser, read_parser, wire_parser};

/// As a run has them where no number is given.
const BRANCHES: usize = 3;

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
    #[arg(long, value_name = "SCHEME", default_value = Scheme::NAMES[0],
        value_parser = PossibleValuesParser::new(Scheme::NAMES))]
    replication: String,
    /// How many branches hold a write when its customer is answered
    #[arg(long, default_value = Ack::All.name(), value_parser = ack_parser())]
    ack: Ack,
    /// Passbook: what a query is answered from [default: session]
    #[arg(long, value_parser = read_parser())]
    read: Option<Read>,
    /// By which contract customers ask: those of other programs tell status and balance only
    #[arg(long, default_value = Wire::Passbook.name(), value_parser = wire_parser())]
    wire: Wire,
    /// Customers, all at once
    #[arg(long, short = 'c', value_name = "N", default_value_t = 500,
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

/// Tells what a run with these settings promises.
pub(crate) fn guarantees(asked: &GuaranteesArguments) -> ExitCode {
    let GuaranteesArguments { replication, ack, read, wire, customers } = asked;
    let customers = if *customers == 1 { Customers::One } else { Customers::Many };
    let is_passbook = Scheme::NAMES[0] == replication;
    let can_read = if is_passbook { Ok(()) } else { broadcast_reads(*read) };
    if let Err(message) = wire.carries(*ack, *read).and(can_read) {
        return terminal::fail(report::ExitCode::BadInput, &message);
    }
    let terms = (*ack, read.unwrap_or_default());
    let text = render_guarantees(wire.settings(replication, BRANCHES, terms, customers));
    terminal::end(ExitCode::from(report::ExitCode::Passed.number()), terminal::print(&text))
}
