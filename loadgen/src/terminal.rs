//! The only place that prints: progress to standard error, the report to standard output.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use loadgen::run::Phase;
use loadgen::scenario::{Stop, Workload};
use loadgen::{ExitCode, Progress, Report, Scenario, SideBySide};
use passbook::telemetry::{Counts, OtlpEndpoint};

use crate::progress::{ProgressLine, Total};

/// Between two lines where there is no terminal to redraw.
const PLAIN_EVERY: u32 = 5;

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

/// Says an error. Standard error may be closed; there is nobody to tell then.
fn say_error(message: &str) {
    let _ = writeln!(io::stderr(), "error: {message}");
}

/// Says an error; what the process ends with.
pub(crate) fn fail(code: ExitCode, message: &str) -> std::process::ExitCode {
    say_error(message);
    std::process::ExitCode::from(code.number())
}

/// What was asked for.
pub(crate) fn tell(text: &str) {
    print(text);
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
    said_metrics: bool,
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
        Self { verbosity, live, seen: 0, said_metrics: false, line: ProgressLine::default() }
    }

    /// What the run has to do until it ends.
    pub(crate) fn total_of(scenario: &Scenario) -> Total {
        match &scenario.workload {
            Workload::Synthetic(synthetic) => match synthetic.stop {
                Stop::After(duration) => Total::Time(duration),
                Stop::Events(events) => {
                    Total::Operations(synthetic.customers.saturating_mul(events))
                }
            },
            Workload::Replay(replay) => {
                Total::Operations(u64::try_from(replay.input.events().count()).unwrap_or(u64::MAX))
            }
        }
    }

    pub(crate) fn progress(&mut self, progress: &Progress, total: Total) {
        if let Some(address) = progress.metrics.filter(|_| !self.said_metrics) {
            self.said_metrics = true;
            self.say(&format!("metrics at http://{address}/metrics"));
        }
        if let Some(servers) = &progress.waiting {
            self.say(&format!("waiting for {servers}"));
        }
        let message = match progress.phase {
            Phase::WarmUp => {
                // Each of several runs begins anew.
                (self.seen, self.said_metrics, self.line) = (0, false, ProgressLine::default());
                "starting branches, connecting".to_owned()
            }
            Phase::Measure => self.line.next(&progress.look, total),
            Phase::Drain => "interrupted: waiting for the last answers".to_owned(),
            Phase::Settle => "waiting for propagations to end".to_owned(),
        };
        let scheme = progress.scheme.map(|scheme| format!("{scheme}: ")).unwrap_or_default();
        let message = format!("{scheme}{message}");
        if let Some(bar) = &self.live {
            bar.set_message(message);
            return;
        }
        if progress.phase == Phase::Measure && !progress.look.elapsed.is_zero() {
            self.seen += 1;
            if self.seen.is_multiple_of(PLAIN_EVERY) {
                self.say(&message);
            }
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

    pub(crate) fn report(&self, report: &Report) {
        match self.verbosity {
            Verbosity::Quiet => print(&report.verdict_line()),
            Verbosity::Normal => print(&report.render()),
            Verbosity::Verbose => {
                print(&report.render_received());
                print("\n");
                print(&report.render());
            }
        }
    }

    pub(crate) fn side_by_side(&self, sides: &SideBySide) {
        match self.verbosity {
            Verbosity::Quiet => print(&sides.verdict_lines()),
            Verbosity::Normal => print(&sides.render()),
            Verbosity::Verbose => {
                for report in sides.reports() {
                    self.report(report);
                    print("\n");
                }
                print(&sides.render());
            }
        }
    }

    /// The verdict on files: `line`, or `text` with what the verdict rests on.
    pub(crate) fn judged(&self, line: &str, text: &str) {
        match self.verbosity {
            Verbosity::Quiet => print(line),
            Verbosity::Normal | Verbosity::Verbose => print(text),
        }
    }

    pub(crate) fn exported(&self, endpoint: &OtlpEndpoint, spans: &Counts) {
        if self.verbosity != Verbosity::Quiet {
            let failed = match spans.export_failed {
                0 => String::new(),
                failed => format!(", {failed} were not accepted: is a collector listening there?"),
            };
            print(&format!("  {} spans exported to {endpoint}{failed}\n", spans.exported));
        }
    }
}

/// A reader that went away (`| head`) is no error.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
