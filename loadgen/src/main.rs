//! `loadgen`: arguments → scenario → run → report → exit code.

mod arguments;
mod terminal;
mod values;

use std::process::ExitCode;

use clap::Parser;
use loadgen::foreign::check_files;
use loadgen::{Hooks, RunError, Scenario, report, run};
use passbook::telemetry::{OtlpEndpoint, Tracing};
use tokio_util::sync::CancellationToken;

use arguments::{Arguments, Asked, CheckArguments};
use terminal::Terminal;

/// Thousands of connections and calls are thousands of small blocks: measured a fifth faster than glibc's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Spans in memory for the traces file: some 60 MiB.
const KEEP_SPANS: usize = 50_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let verbosity = arguments.verbosity();
    match arguments.into_asked() {
        Ok(Asked::Run(scenario, warnings)) => {
            terminal::say_warnings(&warnings);
            perform(&scenario, Terminal::new(verbosity))
        }
        Ok(Asked::Check(check)) => judge(&check, &Terminal::new(verbosity)),
        Err(message) => fail(report::ExitCode::BadInput, &message),
    }
}

fn judge(check: &CheckArguments, terminal: &Terminal) -> ExitCode {
    match check_files(&check.input, &check.output) {
        Ok(judged) => {
            terminal::say_warnings(judged.warnings());
            terminal.judged(&judged);
            ExitCode::from(judged.exit_code().number())
        }
        Err(error) => fail(report::ExitCode::BadInput, &error.to_string()),
    }
}

fn perform(scenario: &Scenario, mut terminal: Terminal) -> ExitCode {
    let endpoint = match OtlpEndpoint::from_variables(|name| std::env::var(name).ok()) {
        Ok(endpoint) => endpoint,
        Err(error) => return fail(report::ExitCode::BadInput, &error.to_string()),
    };
    // Best effort: a run that needs more sockets than it may have says so when it opens them.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let tracing = match Tracing::install(KEEP_SPANS, endpoint.as_ref()) {
        Ok(tracing) => tracing,
        Err(error) => return fail(report::ExitCode::NotDone, &error.to_string()),
    };
    let ran = perform_traced(scenario, &mut terminal, &tracing);
    terminal.end_progress();
    let spans = tracing.finish();
    let report = match ran {
        Ok(report) => report,
        Err(error) => {
            let code = match &error {
                RunError::Artifacts(loadgen::artifacts::ArtifactError::Unfit { .. }) => {
                    report::ExitCode::BadInput
                }
                RunError::Interrupted => report::ExitCode::Interrupted,
                _ => report::ExitCode::NotDone,
            };
            return fail(code, &error.to_string());
        }
    };
    terminal.report(&report);
    if let Some(endpoint) = endpoint {
        terminal.exported(&endpoint, &spans);
    }
    ExitCode::from(report.exit_code().number())
}

fn perform_traced(
    scenario: &Scenario,
    terminal: &mut Terminal,
    tracing: &Tracing,
) -> Result<loadgen::Report, RunError> {
    let interrupted = CancellationToken::new();
    let listening = interrupted.clone();
    // A thread of its own: it waits for a signal while the run blocks this one.
    let listener = std::thread::Builder::new().name("passbook-signals".to_owned());
    listener
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(passbook::cluster::asked_to_end());
                listening.cancel();
            }
        })
        .map_err(RunError::Thread)?;
    let total = Terminal::total_of(scenario);
    let mut progress = |progress: &loadgen::Progress| terminal.progress(progress, total);
    let hooks =
        Hooks { progress: &mut progress, interrupted, tracing: Some(tracing), replica: None };
    run(scenario, hooks)
}

fn fail(code: report::ExitCode, message: &str) -> ExitCode {
    terminal::say_error(message);
    ExitCode::from(code.number())
}
