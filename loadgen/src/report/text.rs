//! The report that a person reads in the terminal. Writing into a `String` cannot fail, so results are ignored here.

use std::fmt::Write;

use bank::{Read, Rejection};
use check::{counted, grouped};
use exercise::{Entry, ResultName};
use history::OperationRecord;

use super::numbers::{count, milliseconds, money, operations, rate};
use super::percentiles::Percentiles;
use super::{RunReport, Unrecorded, caveats, checks, statuses};
use crate::record::run_folder;
use crate::scenario::{ClusterChoice, ReplayOrder, Stop, ThinkTime, Wire, Workload};

impl RunReport {
    /// The report for a terminal.
    pub fn render(&self) -> String {
        let mut text = String::new();
        write_head(self, &mut text);
        write_rejections(self, &mut text);
        write_operations(self, &mut text);
        write_checks(self, &mut text);
        write_slowest_write(self, &mut text);
        write_places(self, &mut text);
        text
    }

    /// What each customer received, as the first of the seed systems prints it.
    pub fn render_received(&self) -> String {
        let mut text = String::new();
        for element in &self.output {
            let _ = writeln!(text, "customer {}", element.id);
            for Entry { interface, branch, result, balance } in &element.recv {
                let place = branch.map(|branch| format!(" at branch {branch}")).unwrap_or_default();
                let _ = write!(text, "  {interface}{place}: ");
                let _ = match (balance, result) {
                    (Some(balance), _) => writeln!(text, "balance {balance}"),
                    (None, Some(ResultName::Success) | None) => writeln!(text, "success"),
                    (None, Some(ResultName::Fail)) => writeln!(text, "fail"),
                    (None, Some(ResultName::Unknown)) => writeln!(text, "unknown"),
                };
            }
        }
        text
    }
}

/// What customers do.
pub(super) fn workload_text(report: &RunReport) -> String {
    match &report.scenario.workload {
        Workload::Synthetic(synthetic) => {
            let each = match synthetic.stop {
                Stop::Events(events) => format!("{} each", operations(events)),
                Stop::After(duration) => {
                    format!("for {}", humantime::format_duration(duration))
                }
            };
            let think = match synthetic.think {
                ThinkTime::NONE => String::new(),
                think => format!(", think {think}"),
            };
            format!(
                "{}, {each}, mix {}{think}",
                counted(synthetic.customers, "customer", "customers"),
                synthetic.mix
            )
        }
        Workload::Replay(replay) => format!(
            "replay of {}, {} {}",
            replay.path.display(),
            counted(replay.input.customers.len(), "customer", "customers"),
            match replay.order {
                ReplayOrder::Sequential => "one after another",
                ReplayOrder::Concurrent => "all at once, queries last",
            },
        ),
    }
}

/// The scheme and its settings.
pub(super) fn replication_text(report: &RunReport) -> String {
    let fanout = report.fanout().map(|fanout| format!(", {fanout} fan-out")).unwrap_or_default();
    let lock = if report.locks() { ", locked" } else { "" };
    format!("{}{fanout}{lock}", report.cluster.replication)
}

fn branches_text(report: &RunReport) -> String {
    let branches = counted(report.cluster.branches, "branch", "branches");
    format!("{branches} at {}", money(report.cluster.opening))
}

/// By which contract customers ask, and what their choices come from.
fn asking_text(report: &RunReport) -> String {
    let wire = match report.scenario.wire {
        Wire::Passbook => String::new(),
        wire => format!(", wire {}", wire.name()),
    };
    let seed = report.seed().map(|seed| format!(", seed {seed}")).unwrap_or_default();
    format!("{wire}{seed}")
}

/// What is the same under every scheme.
pub(super) fn terms_text(report: &RunReport) -> String {
    format!("{}{}{}", branches_text(report), ack_text(report), asking_text(report))
}

/// When writes are answered, unless nobody knows how the branches replicate.
fn ack_text(report: &RunReport) -> String {
    match (&report.scenario.cluster, report.scenario.wire) {
        (ClusterChoice::Running { .. }, Wire::Bank | Wire::BankService) => String::new(),
        (ClusterChoice::Embedded(_) | ClusterChoice::Processes(_), _)
        | (ClusterChoice::Running { .. }, Wire::Passbook) => {
            format!(", ack {}", report.scenario.ack.name())
        }
    }
}

fn write_head(report: &RunReport, text: &mut String) {
    let _ = writeln!(text, "passbook  {}", workload_text(report));
    let _ = write!(
        text,
        "          {}, {}{}",
        branches_text(report),
        replication_text(report),
        ack_text(report),
    );
    if report.read() != Read::Local {
        let _ = write!(text, ", read {}", report.read().name());
    }
    let _ = writeln!(text, "{}\n", asking_text(report));
    let recorder = &report.recorder;
    let in_window = recorder.answered_in_window();
    let _ = writeln!(
        text,
        "{}  {} answered in {:.2} s: {} per second{}",
        report.verdict_name().to_uppercase(),
        operations(in_window),
        report.measured.window.as_secs_f64(),
        rate(report.throughput_per_s()),
        report.early_text(),
    );
    let later = report.answered().saturating_sub(in_window);
    if later > 0 {
        let _ = writeln!(text, "      {} answered after that", operations(later));
    }
    if report.record_error.is_none() {
        report.judged.missing_evidence(text);
    }
    let Unrecorded { left_out, lost } = report.unrecorded;
    for (count, why) in [(left_out, "as --record says"), (lost, "the disk was too slow")] {
        if count > 0 {
            let were = counted(count, "operation was", "operations were");
            let _ = writeln!(
                text,
                "      {were} not recorded, {why}: not checked; --record all checks all"
            );
        }
    }
    for lost in &report.cluster.lost {
        let _ = writeln!(text, "      {}", lost.how);
    }
    statuses::table(text, recorder.statuses(), report.scenario.timeout);
    statuses::backoffs(text, recorder.backoffs());
    let unknown = report.all.live.unknown;
    if unknown > 0 {
        text.push_str("      the first operations of unknown outcome:\n");
        for OperationRecord { customer, position, operation, branch, .. } in
            recorder.first_unknown()
        {
            let _ = writeln!(
                text,
                "        customer {customer}: {operation} at branch {branch} (operation {position})"
            );
        }
        let more = unknown.saturating_sub(count(recorder.first_unknown().len()));
        if more > 0 {
            let _ = writeln!(text, "        … and {more} more");
        }
    }
}

/// What the table counts as rejected says nothing of the reasons.
fn write_rejections(report: &RunReport, text: &mut String) {
    let of_balance =
        |reason| matches!(reason, Rejection::InsufficientFunds | Rejection::OutOfRange);
    let others = report.recorder.rejections();
    let others: Vec<_> =
        others.filter(|(reason, count)| *count > 0 && !of_balance(*reason)).collect();
    let total: u64 = others.iter().map(|(_, count)| count).sum();
    if total > 0 {
        let were = counted(total, "operation was", "operations were");
        let _ = writeln!(text, "      {were} rejected for a reason that is not the balance");
    }
    for (reason, count) in others {
        let _ = writeln!(text, "        {} {}", grouped(count), reason.name());
    }
}

fn write_operations(report: &RunReport, text: &mut String) {
    let heads = Percentiles::heads();
    let _ = writeln!(
        text,
        "\n{:<22}{:>11}{:>10}{:>9}{heads}   ms",
        "operations", "ok", "rejected", "unknown"
    );
    for (name, record) in report.rows().filter(|(_, record)| record.live.ended() > 0) {
        let live = &record.live;
        let _ = writeln!(
            text,
            "{name:<11}{:<11}{:>11}{:>10}{:>9}{}",
            "response",
            grouped(live.ok),
            grouped(live.rejected),
            grouped(live.unknown),
            Percentiles::of(&record.response).columns(),
        );
        let service = Percentiles::of(&record.service).columns();
        let _ = writeln!(text, "{:<11}{:<11}{:>30}{service}", "", "service", "");
    }
    text.push_str(
        "response: from the instant an operation was due; service: from the instant it was sent\n\
         times of each kind and of all: answered operations only, done or refused for lack of money\n",
    );
    if report.recorder.failures().any(|(_, record)| record.live.ended() > 0) {
        text.push_str(
            "failed: any other answer; unanswered: the time until the operation was given up\n",
        );
    }
    for line in caveats::silence_line(report).into_iter().chain([caveats::generator_line(report)]) {
        let _ = writeln!(text, "{line}");
    }
    if let Some(frames) = report.cluster.frames_sent {
        let _ = write!(text, "frames: {} between branches", grouped(frames));
        let each = report.frames_per_write();
        let each = each.map(|each| format!(", {each:.2} for each accepted write"));
        let _ = writeln!(text, "{}", each.unwrap_or_default());
    }
}

fn write_checks(report: &RunReport, text: &mut String) {
    if report.record_error.is_some() && report.judged.checks.is_empty() {
        let _ = writeln!(text, "\nchecks: none, because the run could not be recorded");
        return;
    }
    let _ = writeln!(
        text,
        "\nchecks (of history.jsonl, ledger.jsonl and output.json, as read back from disk)"
    );
    let told = report.judged.counterexample.as_ref();
    checks::table(text, &report.judged.checks, told);
    checks::counterexample(text, told);
}

fn write_slowest_write(report: &RunReport, text: &mut String) {
    let Some(waterfall) = &report.waterfall else {
        if report.scenario.trace_sample.percent() > 0.0 {
            let _ = writeln!(
                text,
                "\nno write was traced at --trace-sample {}; --trace-sample 100% traces all",
                report.scenario.trace_sample
            );
        }
        return;
    };
    let _ = writeln!(
        text,
        "\nslowest of the traced writes (sample {}): {}, {}\n  trace {}",
        report.scenario.trace_sample,
        milliseconds(waterfall.took),
        waterfall.title(),
        waterfall.trace_id,
    );
    text.push_str(&waterfall.render());
}

fn write_places(report: &RunReport, text: &mut String) {
    let _ = writeln!(text, "\nfiles");
    if let Some(folder) = &report.files.folder {
        let _ = writeln!(text, "  {}/  {}", folder.display(), run_folder::ALL.join("  "));
    }
    if let Some(output) = &report.files.output {
        let _ = writeln!(text, "  {}", output.display());
    }
    let [spans, traces] =
        [report.traces.spans, report.traces.traces].map(|number| grouped(count(number)));
    let _ = match report.traces.beyond_bound {
        0 => writeln!(text, "  {spans} spans of {traces} traces kept, none dropped"),
        n => writeln!(
            text,
            "  {spans} spans of {traces} traces kept, {} more not: that is the bound",
            grouped(n)
        ),
    };
}
