//! A comparison of runs of the same workload: what does each scheme cost, and is it correct?

use std::fmt::Write;
use std::path::PathBuf;

use bank::Read;
use check::Verdict;
use serde::Serialize;
use serde_json::Value;

use super::caveats::silence_line;
use super::checks::table;
use super::numbers::rate;
use super::percentiles::Percentiles;
use super::text::{replication_text, terms_text, workload_text};
use super::verdict_line::decisive_properties;
use super::{ExitCode, Files, RunReport, json};
use crate::record::run_folder;

/// Raised when a name or a meaning changes.
const SCHEMA: u32 = 2;

/// The reports of runs that differ in their scheme only.
#[derive(Clone, Debug)]
pub struct Comparison {
    reports: Vec<RunReport>,
    /// The names of schemes that an interruption left out.
    not_run: Vec<&'static str>,
    folder: Option<PathBuf>,
    pub(crate) record_error: Option<String>,
}

/// The content of `comparison.json`. Units are last in names.
#[derive(Debug, Serialize)]
pub struct ComparisonFigures {
    schema: u32,
    exit_code: u8,
    seed: Option<u64>,
    schemes: Vec<ComparisonRow>,
    not_run: Vec<&'static str>,
}

/// A line of the table.
#[derive(Debug, Serialize)]
struct ComparisonRow {
    replication: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fanout: Option<&'static str>,
    lock: bool,
    read: &'static str,
    verdict: &'static str,
    /// The promised properties with that verdict, unless it is pass.
    because: Vec<&'static str>,
    exit_code: u8,
    interrupted: bool,
    throughput_per_s: f64,
    response: Percentiles,
    longest_silence: Option<Value>,
    frames_sent: Option<u64>,
    frames_per_write: Option<f64>,
}

impl Comparison {
    /// These reports, and which schemes there is none of.
    pub fn new(reports: Vec<RunReport>, not_run: Vec<&'static str>) -> Self {
        let record_error = reports.iter().find_map(|report| report.record_error.clone());
        Self { reports, not_run, folder: None, record_error }
    }

    /// Notes that the run folders are in `folder`, by the names of their schemes.
    pub(crate) fn set_folder(&mut self, folder: PathBuf) {
        for report in &mut self.reports {
            let folder = Some(folder.join(&report.cluster.replication));
            report.files = Files { folder, output: None };
        }
        self.folder = Some(folder);
    }

    /// Why the comparison or one of its runs is not on disk; `None` if all are.
    pub fn record_error(&self) -> Option<&str> {
        self.record_error.as_deref()
    }

    /// The report of each run, in order.
    pub fn reports(&self) -> &[RunReport] {
        &self.reports
    }

    /// What the process is to end with.
    pub fn exit_code(&self) -> ExitCode {
        if self.record_error.is_some() {
            return ExitCode::NotDone;
        }
        let codes: Vec<ExitCode> = self.reports.iter().map(RunReport::exit_code).collect();
        let left_out = (!self.not_run.is_empty()).then_some(ExitCode::Interrupted);
        let order = [ExitCode::Failed, ExitCode::Unknown, ExitCode::Interrupted];
        let first = order.into_iter().find(|code| codes.contains(code) || left_out == Some(*code));
        first.unwrap_or(ExitCode::Passed)
    }

    /// The table in numbers.
    pub fn figures(&self) -> ComparisonFigures {
        ComparisonFigures {
            schema: SCHEMA,
            exit_code: self.exit_code().number(),
            seed: self.reports.first().and_then(RunReport::seed),
            schemes: self.reports.iter().map(ComparisonRow::of).collect(),
            not_run: self.not_run.clone(),
        }
    }

    /// One line for each scheme: its name, the verdict, the properties that it rests on, and the seed.
    pub fn verdict_lines(&self) -> String {
        let line = |report: &RunReport| {
            format!("{} {}", report.cluster.replication, report.verdict_line())
        };
        self.reports.iter().map(line).collect()
    }

    /// The table, and what was found wrong. Writing into a `String` cannot fail, so results are ignored here.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Some(first) = self.reports.first() {
            let _ = writeln!(text, "passbook  {}", workload_text(first));
            let _ = writeln!(text, "          {}", terms_text(first));
            let schemes: Vec<String> = self.reports.iter().map(scheme_text).collect();
            let _ = writeln!(text, "          one after another: {}\n", schemes.join("; "));
        }
        text.push_str(&self.figures().table());
        for report in &self.reports {
            if let Some(line) = silence_line(report) {
                let _ = writeln!(text, "{}: {line}", report.cluster.replication);
            }
        }
        for report in &self.reports {
            if report.verdict() != Verdict::Pass && !report.checks().is_empty() {
                let _ = writeln!(text, "\nchecks of {}", report.cluster.replication);
                let checks = report.checks().iter();
                let wrong = checks.filter(|c| c.promised && c.finding.verdict > Verdict::Pass);
                table(&mut text, wrong, None);
            }
        }
        if let Some(folder) = &self.folder {
            let folders = self.reports.iter().map(|run| format!("{}/  ", run.cluster.replication));
            let (folder, folders) = (folder.display(), folders.collect::<String>());
            let _ = writeln!(text, "\nfiles\n  {folder}/  {folders}{}", run_folder::COMPARISON);
        }
        text
    }
}

impl ComparisonFigures {
    fn table(&self) -> String {
        let mut text = String::new();
        let heads = Percentiles::heads();
        let _ = write!(text, "{:<10}{:>11}{heads}", "scheme", "per second");
        let _ = writeln!(text, "{:>14}  verdict", "frames/write");
        for side in &self.schemes {
            let per_second = rate(side.throughput_per_s);
            let columns = side.response.columns();
            let _ = write!(text, "{:<10}{per_second:>11}{columns}", side.replication);
            let frames = side.frames_per_write.map(|frames| format!("{frames:.2}"));
            let frames = frames.unwrap_or_else(|| "unknown".to_owned());
            let early = if side.interrupted { ", ended early" } else { "" };
            let _ = writeln!(text, "{frames:>14}  {}{early}", side.verdict_text());
        }
        for name in &self.not_run {
            let _ = writeln!(text, "{name:<10}    not run: interrupted");
        }
        text.push_str(
            "times in ms, of answered operations, from the instant each was due to its answer\n\
             frames/write: messages between branches for each accepted write\n",
        );
        text
    }
}

impl ComparisonRow {
    fn of(report: &RunReport) -> Self {
        Self {
            replication: report.cluster.replication.clone(),
            fanout: report.fanout(),
            lock: report.locks(),
            read: report.read().name(),
            verdict: report.verdict().name(),
            because: decisive_properties(report.verdict(), report.checks()),
            exit_code: report.exit_code().number(),
            interrupted: report.interrupted,
            throughput_per_s: report.throughput_per_s(),
            response: Percentiles::of(&report.all.response),
            longest_silence: report.measured.silence.as_ref().map(json::silence),
            frames_sent: report.cluster.frames_sent,
            frames_per_write: report.frames_per_write(),
        }
    }

    fn verdict_text(&self) -> String {
        if self.verdict == Verdict::Pass.name() {
            return self.verdict.to_owned();
        }
        let because = match &self.because[..] {
            [] => String::new(),
            because => format!(" ({})", because.join(", ")),
        };
        format!("{}{because}", self.verdict.to_uppercase())
    }
}

/// The scheme with what distinguishes it.
fn scheme_text(report: &RunReport) -> String {
    let read = match report.read() {
        Read::Local => String::new(),
        read => format!(", read {}", read.name()),
    };
    format!("{}{read}", replication_text(report))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(
        replication: &str,
        throughput_per_s: f64,
        frames_per_write: Option<f64>,
    ) -> ComparisonRow {
        ComparisonRow {
            replication: replication.to_owned(),
            fanout: None,
            lock: false,
            read: "local",
            verdict: "pass",
            because: Vec::new(),
            exit_code: 0,
            interrupted: false,
            throughput_per_s,
            response: Percentiles {
                p50_us: Some(985.0),
                p90_us: Some(1_639.4),
                p99_us: Some(23_970.0),
                p999_us: None,
                max_us: Some(10_000_000.0),
                count: 1_000,
            },
            longest_silence: None,
            frames_sent: None,
            frames_per_write,
        }
    }

    #[test]
    fn the_table_shows_what_each_scheme_costs_and_whether_it_was_right() {
        let wrong = ComparisonRow {
            verdict: "fail",
            because: vec!["overdraft", "convergence"],
            ..side("broadcast", 51_389.4, Some(4.0))
        };
        let early = ComparisonRow { interrupted: true, ..side("passbook", 96_000.0, Some(0.614)) };
        let silent = ComparisonRow {
            verdict: "unknown",
            response: Percentiles::default(),
            ..side("other", 0.5, None)
        };
        let figures = ComparisonFigures {
            schema: SCHEMA,
            exit_code: 3,
            seed: Some(1),
            schemes: vec![wrong, early, silent],
            not_run: vec!["raft"],
        };
        let expected = "\
scheme     per second       p50       p90       p99     p99.9       max  frames/write  verdict
broadcast      51,389     0.985     1.639    23.970         –  10,000.0          4.00  FAIL (overdraft, convergence)
passbook       96,000     0.985     1.639    23.970         –  10,000.0          0.61  pass, ended early
other            0.50         –         –         –         –         –       unknown  UNKNOWN
raft          not run: interrupted
times in ms, of answered operations, from the instant each was due to its answer
frames/write: messages between branches for each accepted write
";
        assert_eq!(figures.table(), expected);
    }
}
