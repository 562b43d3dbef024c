//! The only place that prints: progress to standard error, the report to standard output.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode as ProcessExit;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use loadgen::load::Phase;
use loadgen::record::disk::DiskUse;
use loadgen::{Comparison, ExitCode, Progress, RunReport, Scenario};
use passbook::telemetry::{Counts, OtlpEndpoint};

use crate::cli::progress::{ProgressLine, Total};

/// Between two lines where there is no terminal to redraw.
const PLAIN_EVERY: u32 = 5;

/// Waiting at the end that is over sooner is not worth a line.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// How much is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// The verdict.
    Quiet,
    /// The report.
    Normal,
    /// The report, and what each customer received.
    Verbose,
}

/// Says an error; what the process ends with.
pub(crate) fn fail(code: ExitCode, message: &str) -> ProcessExit {
    // Standard error may be closed; there is nobody to tell then.
    let _ = writeln!(io::stderr(), "error: {message}");
    ProcessExit::from(code.number())
}

/// What the process ends with: `code`, unless its output could not be written. A reader that went away (`| head`) has
/// seen enough.
pub(crate) fn end(code: ProcessExit, printed: io::Result<()>) -> ProcessExit {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(
            ExitCode::NotDone,
            &format!("cannot write to standard output: {error}; redirect it to another place"),
        ),
        _ => code,
    }
}

/// Says what was read although it is not as it should be.
pub(crate) fn say_warnings(warnings: &[String]) {
    for warning in warnings {
        let _ = writeln!(io::stderr(), "warning: {warning}");
    }
}

/// The person in front of the run.
#[derive(Debug)]
pub(crate) struct Terminal {
    verbosity: Verbosity,
    live: Option<ProgressBar>,
    seen: u32,
    /// Lines for when customers begin.
    announcements: Vec<String>,
    /// The phase that was reported last, since when, and whether it has had its line.
    phase: (Phase, Instant, bool),
    line: ProgressLine,
}

impl Terminal {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let live = (verbosity != Verbosity::Quiet && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let phase = (Phase::WarmUp, Instant::now(), false);
        Self {
            verbosity,
            live,
            seen: 0,
            announcements: Vec::new(),
            phase,
            line: ProgressLine::default(),
        }
    }

    /// Prints what is to be known of a run when its branches are ready and its customers begin.
    pub(crate) fn announce(&mut self, scenario: &Scenario, metrics: Option<SocketAddr>) {
        let metrics = metrics.map(|address| format!("metrics at http://{address}/metrics"));
        let is_verbose = self.verbosity == Verbosity::Verbose;
        let disk_use = DiskUse::of(scenario).and_then(|disk_use| disk_use.line(is_verbose));
        self.announcements = metrics.into_iter().chain(disk_use).collect();
    }

    /// Metrics are still served for `linger` at most.
    pub(crate) fn lingering(&self, address: SocketAddr, linger: Duration) {
        let linger = humantime::format_duration(linger);
        self.say(&format!(
            "metrics stay at http://{address}/metrics for {linger}; Ctrl-C ends that"
        ));
    }

    /// What the run has to do until it ends.
    pub(crate) fn total_of(scenario: &Scenario) -> Total {
        match scenario.workload.duration() {
            Some(duration) => Total::Time(duration),
            None => Total::Operations(scenario.workload.operations().unwrap_or(u64::MAX)),
        }
    }

    pub(crate) fn progress(&mut self, progress: &Progress, total: Total) {
        if let Some(servers) = &progress.waiting {
            self.say(&format!("waiting for {servers}"));
        }
        let message = match progress.phase {
            Phase::WarmUp => {
                // Each of several runs begins anew.
                (self.seen, self.line) = (0, ProgressLine::default());
                "starting branches, connecting".to_owned()
            }
            Phase::Measure => {
                for line in std::mem::take(&mut self.announcements) {
                    self.say(&line);
                }
                self.line.next(&progress.load, total)
            }
            Phase::Drain => waiting_text("for the last answers", progress),
            Phase::Settle => waiting_text("until the branches have settled", progress),
        };
        let scheme = progress.scheme.map(|scheme| format!("{scheme}: ")).unwrap_or_default();
        let message = format!("{scheme}{message}");
        if let Some(bar) = &self.live {
            bar.set_message(message);
            return;
        }
        if self.phase.0 != progress.phase {
            self.phase = (progress.phase, Instant::now(), false);
        }
        let is_due = match progress.phase {
            Phase::WarmUp => false,
            Phase::Measure if progress.load.elapsed.is_zero() => false,
            Phase::Measure => {
                self.seen += 1;
                self.seen.is_multiple_of(PLAIN_EVERY)
            }
            Phase::Drain | Phase::Settle => {
                let (_, since, had_its_line) = self.phase;
                // Who asked for the end sees at once that it was noticed.
                let is_due = progress.interrupted || since.elapsed() >= SHORT_WAIT;
                self.phase.2 |= is_due;
                is_due && !had_its_line
            }
        };
        if is_due {
            self.say(&message);
        }
    }

    /// A line that stays, above the live one if there is one.
    fn say(&self, line: &str) {
        match &self.live {
            Some(bar) => bar.println(line),
            None if self.verbosity == Verbosity::Quiet => {}
            None => {
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    }

    /// Takes the live line away.
    pub(crate) fn end_progress(&mut self) {
        if let Some(bar) = self.live.take() {
            bar.finish_and_clear();
        }
    }

    pub(crate) fn report(&self, report: &RunReport) -> io::Result<()> {
        match self.verbosity {
            Verbosity::Quiet => print(&report.verdict_line()),
            Verbosity::Normal => print(&report.render()),
            Verbosity::Verbose => {
                print(&format!("{}\n{}", report.render_received(), report.render()))
            }
        }
    }

    pub(crate) fn comparison(&self, comparison: &Comparison) -> io::Result<()> {
        match self.verbosity {
            Verbosity::Quiet => print(&comparison.verdict_lines()),
            Verbosity::Normal => print(&comparison.render()),
            Verbosity::Verbose => {
                for report in comparison.reports() {
                    self.report(report)?;
                    print("\n")?;
                }
                print(&comparison.render())
            }
        }
    }

    /// The verdict on files: `line`, or `text` with what the verdict rests on.
    pub(crate) fn judged(&self, line: &str, text: &str) -> io::Result<()> {
        match self.verbosity {
            Verbosity::Quiet => print(line),
            Verbosity::Normal | Verbosity::Verbose => print(text),
        }
    }

    pub(crate) fn exported(&self, endpoint: &OtlpEndpoint, spans: &Counts) -> io::Result<()> {
        if self.verbosity == Verbosity::Quiet {
            return Ok(());
        }
        let failed = match spans.export_failed {
            0 => String::new(),
            failed => format!(", {failed} were not accepted: is a collector listening there?"),
        };
        print(&format!("  {} spans exported to {endpoint}{failed}\n", spans.exported))
    }
}

/// What a run waits for at its end, how long at most, and how to make it shorter.
fn waiting_text(what: &str, progress: &Progress) -> String {
    let limit =
        progress.limit.map(|limit| format!(", at most {}", humantime::format_duration(limit)));
    let limit = limit.unwrap_or_default();
    if progress.interrupted {
        format!("interrupted: waiting {what}{limit}; interrupt again to report at once")
    } else {
        format!("waiting {what}{limit}")
    }
}

/// Prints to standard output.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}
