//! `loadgen`: arguments → scenario → run → report → exit code.

mod cli;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use loadgen::interrupt::Urgency;
use loadgen::target::TargetError;
use loadgen::{
    Comparison, Hooks, Interrupt, MetricsServer, RunError, RunReport, report, run, run_each,
};
use passbook::cluster::EndSignals;
use passbook::telemetry::{OtlpEndpoint, Tracing};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::timeout;

use cli::arguments::{Arguments, Command, Task};
use cli::terminal::{Terminal, end, fail};

/// Thousands of connections and calls are thousands of small blocks: measured a fifth faster than glibc's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Spans in memory for the traces file: some 60 MiB.
const KEEP_SPANS: usize = 50_000;
/// As much as a main thread has: a run has a thread of its own.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let given = std::env::args_os().skip(1);
            if let Some(message) = cli::hints::hint(&error, &Arguments::command(), given) {
                return fail(report::ExitCode::BadInput, &message);
            }
            // Help and version are such errors, too.
            let code = u8::try_from(error.exit_code());
            let code = code.unwrap_or(report::ExitCode::BadInput.number());
            return end(ExitCode::from(code), error.print());
        }
    };
    let verbosity = arguments.verbosity();
    let task = match arguments.command {
        Some(Command::Check(check)) => {
            return cli::offline::check(&check, &Terminal::new(verbosity));
        }
        Some(Command::Guarantees(settings)) => return cli::offline::guarantees(&settings),
        Some(Command::Replay(replay)) => replay.into_task(),
        None => arguments.synthetic.into_task(),
    };
    let task = match task {
        Ok(task) => task,
        Err(message) => return fail(report::ExitCode::BadInput, &message),
    };
    cli::terminal::say_warnings(&task.warnings);
    supervise(task, Terminal::new(verbosity)).unwrap_or_else(|error| {
        fail(report::ExitCode::NotDone, &format!("failed to start: {error}"))
    })
}

/// Performs `task` in a thread of its own, while this one counts the signals that ask for the end. After the third it
/// does not wait for the other: the process ends when this function returns.
fn supervise(task: Task, terminal: Terminal) -> io::Result<ExitCode> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = EndSignals::listen()?;
        let interrupt = Interrupt::default();
        let (done, mut ended) = oneshot::channel();
        let raised = interrupt.clone();
        let thread = std::thread::Builder::new().name("passbook-run".to_owned());
        thread.stack_size(STACK_BYTES).spawn(move || {
            // Nobody waits for it after the third signal.
            let _ = done.send(perform(&task, terminal, &interrupt));
        })?;
        loop {
            tokio::select! {
                code = &mut ended => {
                    return code.map_err(|_| io::Error::other("the thread of the run died"));
                }
                () = signals.next() => {
                    if raised.raise() == Urgency::Leave {
                        let code = report::ExitCode::Interrupted;
                        return Ok(fail(code, "interrupted again; left without a report"));
                    }
                }
            }
        }
    })
}

fn perform(task: &Task, mut terminal: Terminal, interrupt: &Interrupt) -> ExitCode {
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
    let metrics = match task.metrics_listen.map(MetricsServer::start).transpose() {
        Ok(metrics) => metrics,
        Err(error) => return fail(report::ExitCode::NotDone, &error.to_string()),
    };
    terminal.announce(&task.scenario, metrics.as_ref().map(MetricsServer::address));
    let ran = perform_traced(task, &mut terminal, &tracing, interrupt, metrics.as_ref());
    terminal.end_progress();
    let spans = tracing.finish();
    let done = match ran {
        Ok(done) => done,
        Err(error) => return fail(code_of(&error), &error.to_string()),
    };
    let (printed, code, record_error) = match &done {
        RunOutcome::One(run) => (terminal.report(run), run.exit_code(), run.record_error()),
        RunOutcome::Several(runs) => {
            (terminal.comparison(runs), runs.exit_code(), runs.record_error())
        }
    };
    let printed = printed.and_then(|()| match &endpoint {
        Some(endpoint) => terminal.exported(endpoint, &spans),
        None => Ok(()),
    });
    let code = match record_error {
        Some(error) => fail(code, error),
        None => ExitCode::from(code.number()),
    };
    let code = end(code, printed);
    if let (Some(metrics), Some(linger)) = (&metrics, task.metrics_linger) {
        terminal.lingering(metrics.address(), linger);
        wait(interrupt, linger);
    }
    code
}

/// What a run ends the process with that could not be done.
fn code_of(error: &RunError) -> report::ExitCode {
    use loadgen::record::run_folder::ArtifactError;
    match error {
        RunError::Artifacts(
            ArtifactError::Unfit { .. }
            | ArtifactError::NoTemporaryFolder { .. }
            | ArtifactError::InUse { .. },
        )
        | RunError::Target(TargetError::SameAddress { .. }) => report::ExitCode::BadInput,
        RunError::Interrupted => report::ExitCode::Interrupted,
        _ => report::ExitCode::NotDone,
    }
}

/// Waits for `limit` or for the next signal.
fn wait(interrupt: &Interrupt, limit: Duration) {
    if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
        // It does not matter which of the two comes first.
        let _ = runtime.block_on(async { timeout(limit, interrupt.raised_again()).await });
    }
}

/// What a task came to.
enum RunOutcome {
    One(Box<RunReport>),
    Several(Comparison),
}

fn perform_traced(
    task: &Task,
    terminal: &mut Terminal,
    tracing: &Tracing,
    interrupt: &Interrupt,
    metrics: Option<&MetricsServer>,
) -> Result<RunOutcome, RunError> {
    let Task { scenario, schemes, .. } = task;
    let total = Terminal::total_of(scenario);
    let hooks = Hooks {
        progress: &mut |progress| terminal.progress(progress, total),
        interrupt: interrupt.clone(),
        metrics,
        tracing: Some(tracing),
        replica: None,
    };
    if schemes.len() > 1 {
        run_each(scenario, schemes, hooks).map(RunOutcome::Several)
    } else {
        run(scenario, hooks).map(|report| RunOutcome::One(Box::new(report)))
    }
}
