//! `loadgen`: arguments → scenario → run → report → exit code.

mod arguments;
mod hints;
mod offline;
mod progress;
mod terminal;
mod values;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use loadgen::clusters::ClustersError;
use loadgen::connecting::ReachError;
use loadgen::{Hooks, Report, RunError, SideBySide, report, run, run_each};
use passbook::telemetry::{OtlpEndpoint, Tracing};
use tokio_util::sync::CancellationToken;

use arguments::{Arguments, Asked, Task};
use terminal::{Terminal, fail};

/// Thousands of connections and calls are thousands of small blocks: measured a fifth faster than glibc's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Spans in memory for the traces file: some 60 MiB.
const KEEP_SPANS: usize = 50_000;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => match hints::hint(&error, &Arguments::command(), std::env::args_os().skip(1))
        {
            Some(message) => return fail(report::ExitCode::BadInput, &message),
            None => error.exit(),
        },
    };
    let verbosity = arguments.verbosity();
    match arguments.into_asked() {
        Ok(Asked::Run(task)) => {
            terminal::say_warnings(&task.warnings);
            perform(&task, Terminal::new(verbosity))
        }
        Ok(Asked::Check(asked)) => offline::check(&asked, &Terminal::new(verbosity)),
        Ok(Asked::Guarantees(asked)) => offline::guarantees(&asked),
        Err(message) => fail(report::ExitCode::BadInput, &message),
    }
}

fn perform(task: &Task, mut terminal: Terminal) -> ExitCode {
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
    let ran = perform_traced(task, &mut terminal, &tracing);
    terminal.end_progress();
    let spans = tracing.finish();
    let done = match ran {
        Ok(done) => done,
        Err(error) => {
            let code = match &error {
                RunError::Artifacts(loadgen::artifacts::ArtifactError::Unfit { .. })
                | RunError::Clusters(ClustersError::Reach(ReachError::SameAddress { .. })) => {
                    report::ExitCode::BadInput
                }
                RunError::Interrupted => report::ExitCode::Interrupted,
                _ => report::ExitCode::NotDone,
            };
            return fail(code, &error.to_string());
        }
    };
    match &done {
        Done::One(report) => terminal.report(report),
        Done::Several(sides) => terminal.side_by_side(sides),
    }
    if let Some(endpoint) = endpoint {
        terminal.exported(&endpoint, &spans);
    }
    let code = match &done {
        Done::One(report) => report.exit_code(),
        Done::Several(sides) => sides.exit_code(),
    };
    ExitCode::from(code.number())
}

/// What a task came to.
enum Done {
    One(Box<Report>),
    Several(SideBySide),
}

fn perform_traced(
    task: &Task,
    terminal: &mut Terminal,
    tracing: &Tracing,
) -> Result<Done, RunError> {
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
    let Task { scenario, schemes, .. } = task;
    let total = Terminal::total_of(scenario);
    let mut progress = |progress: &loadgen::Progress| terminal.progress(progress, total);
    let hooks =
        Hooks { progress: &mut progress, interrupted, tracing: Some(tracing), replica: None };
    if schemes.len() > 1 {
        run_each(scenario, schemes, hooks).map(Done::Several)
    } else {
        run(scenario, hooks).map(|report| Done::One(Box::new(report)))
    }
}
