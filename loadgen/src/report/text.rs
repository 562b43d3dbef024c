//! The report that a person reads in the terminal.

use std::fmt::Write;
use std::time::Duration;

use bank::Read;
use bank::{Money, Rejection};
use check::grouped;
use exercise::{Entry, ResultName};
use hdrhistogram::Histogram;
use history::OperationRecord;

use super::summary::Percentiles;
use super::{Report, Unrecorded, checks, statuses};
use crate::record::artifacts;
use crate::scenario::{ClusterChoice, ReplayOrder, Stop, ThinkTime, Wire, Workload};

/// A duration as people compare them: always in milliseconds, digits by size.
pub(super) fn milliseconds(time: Duration) -> String {
    let value = time.as_secs_f64() * 1_000.0;
    match value {
        0.0..10.0 => format!("{value:.3} ms"),
        10.0..100.0 => format!("{value:.2} ms"),
        100.0..1_000.0 => format!("{value:.1} ms"),
        _ => format!("{} ms", decimals(value, 0)),
    }
}

/// A rate per second: with decimals below 100, where rounding would hide a difference.
pub fn rate(per_second: f64) -> String {
    decimals(per_second, if per_second < 100.0 { 2 } else { 0 })
}

/// A number with so many digits after the point, and groups of three before it.
pub(super) fn decimals(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    let in_groups = |whole: &str| whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    match plain.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", in_groups(whole)),
        None => in_groups(&plain),
    }
}

fn money(amount: Money) -> String {
    let units = amount.minor_units();
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(units.unsigned_abs()))
}

pub(super) fn operations(number: u64) -> String {
    match number {
        1 => "1 operation".to_owned(),
        _ => format!("{} operations", grouped(number)),
    }
}

fn customers(number: u64) -> String {
    match number {
        1 => "1 customer".to_owned(),
        _ => format!("{} customers", grouped(number)),
    }
}

impl Report {
    /// The report. Writing into a `String` cannot fail, so results are ignored here.
    pub fn render(&self) -> String {
        let mut text = String::new();
        self.head(&mut text);
        self.rejections(&mut text);
        self.operations(&mut text);
        self.checks_text(&mut text);
        self.slowest(&mut text);
        self.places(&mut text);
        text
    }

    /// What customers do.
    pub(super) fn workload_text(&self) -> String {
        match &self.scenario.workload {
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
                format!("{}, {each}, mix {}{think}", customers(synthetic.customers), synthetic.mix)
            }
            Workload::Replay(replay) => format!(
                "replay of {}, {} {}",
                replay.path.display(),
                customers(u64::try_from(replay.input.customers.len()).unwrap_or(u64::MAX)),
                match replay.order {
                    ReplayOrder::Sequential => "one after another",
                    ReplayOrder::Concurrent => "all at once, queries last",
                },
            ),
        }
    }

    /// The scheme and its settings.
    pub(super) fn replication_text(&self) -> String {
        let fanout = self.fanout().map(|fanout| format!(", {fanout} fan-out")).unwrap_or_default();
        let lock = if self.locks() { ", locked" } else { "" };
        format!("{}{fanout}{lock}", self.cluster.replication)
    }

    fn branches_text(&self) -> String {
        let branches = match self.cluster.branches {
            1 => "1 branch".to_owned(),
            n => format!("{n} branches"),
        };
        format!("{branches} at {}", money(self.cluster.opening))
    }

    /// By which contract customers ask, and what their choices come from.
    fn asking_text(&self) -> String {
        let wire = match self.scenario.wire {
            Wire::Passbook => String::new(),
            wire => format!(", wire {}", wire.name()),
        };
        let seed = self.seed().map(|seed| format!(", seed {seed}")).unwrap_or_default();
        format!("{wire}{seed}")
    }

    /// What is the same under every scheme.
    pub(super) fn terms_text(&self) -> String {
        format!("{}{}{}", self.branches_text(), self.ack_text(), self.asking_text())
    }

    /// When writes are answered, unless nobody knows how the branches replicate.
    fn ack_text(&self) -> String {
        match (&self.scenario.cluster, self.scenario.wire) {
            (ClusterChoice::Running { .. }, Wire::Bank | Wire::BankService) => String::new(),
            _ => format!(", ack {}", self.scenario.ack.name()),
        }
    }

    fn head(&self, text: &mut String) {
        let _ = writeln!(text, "passbook  {}", self.workload_text());
        let _ = write!(
            text,
            "          {}, {}{}",
            self.branches_text(),
            self.replication_text(),
            self.ack_text(),
        );
        if self.read() != Read::Local {
            let _ = write!(text, ", read {}", self.read().name());
        }
        let _ = write!(text, "{}", self.asking_text());
        let unknown = self.rows.last().map_or(0, |row| row.record.live.unknown);
        let _ = writeln!(text, "\n");
        let verdict = self.verdict_name().to_uppercase();
        let early = if self.is_early() { ", ended early" } else { "" };
        let _ = writeln!(
            text,
            "{verdict}  {} answered in {:.2} s: {} per second{early}",
            operations(self.answered_in_window),
            self.measured.window.as_secs_f64(),
            rate(self.throughput_per_s()),
        );
        let later = self.answered().saturating_sub(self.answered_in_window);
        if later > 0 {
            let _ = writeln!(text, "      {} answered after that", operations(later));
        }
        if self.record_error.is_none() {
            self.judged.missing_evidence(text);
        }
        let Unrecorded { left_out, lost } = self.unrecorded;
        for (count, why) in [(left_out, "as --record says"), (lost, "the disk was too slow")] {
            if count > 0 {
                let were = if count == 1 { "operation was" } else { "operations were" };
                let count = grouped(count);
                let _ = writeln!(
                    text,
                    "      {count} {were} not recorded, {why}: not checked; --record all checks all"
                );
            }
        }
        for lost in &self.cluster.lost {
            let _ = writeln!(text, "      {}", lost.how);
        }
        statuses::table(text, &self.statuses, self.scenario.timeout);
        statuses::backoffs(text, &self.backoffs);
        if unknown > 0 {
            text.push_str("      the first operations of unknown outcome:\n");
            for OperationRecord { customer, position, operation, branch, .. } in &self.first_unknown
            {
                let _ = writeln!(
                    text,
                    "        customer {customer}: {operation} at branch {branch} (operation {position})"
                );
            }
            let told = u64::try_from(self.first_unknown.len()).unwrap_or(u64::MAX);
            let more = unknown.saturating_sub(told);
            if more > 0 {
                let _ = writeln!(text, "        … and {more} more");
            }
        }
    }

    /// What the table counts as rejected says nothing of the reasons.
    fn rejections(&self, text: &mut String) {
        let of_balance =
            |reason| matches!(reason, Rejection::InsufficientFunds | Rejection::OutOfRange);
        let others = self.rejections.iter().copied().filter(|(reason, _)| !of_balance(*reason));
        let others: Vec<_> = others.collect();
        let total: u64 = others.iter().map(|(_, count)| count).sum();
        if total > 0 {
            let were = if total == 1 { "operation was" } else { "operations were" };
            let _ = writeln!(
                text,
                "      {} {were} rejected for a reason that is not the balance",
                grouped(total)
            );
        }
        for (reason, count) in others {
            let _ = writeln!(text, "        {} {}", grouped(count), reason.name());
        }
    }

    fn operations(&self, text: &mut String) {
        let heads = ["p50", "p90", "p99", "p99.9", "max"];
        let _ =
            write!(text, "\n{:<22}{:>11}{:>10}{:>9}", "operations", "ok", "rejected", "unknown");
        let _ = writeln!(text, "{}   ms", heads.map(|head| format!("{head:>10}")).concat());
        let rows = self.rows.iter().chain(&self.failures);
        for row in rows.filter(|row| row.record.live.ended() > 0) {
            let live = &row.record.live;
            let _ = writeln!(
                text,
                "{:<11}{:<11}{:>11}{:>10}{:>9}{}",
                row.name,
                "response",
                grouped(live.ok),
                grouped(live.rejected),
                grouped(live.unknown),
                percentiles(&row.record.response),
            );
            let service = percentiles(&row.record.service);
            let _ = writeln!(text, "{:<11}{:<11}{:>30}{service}", "", "service", "");
        }
        text.push_str(
            "response: from the instant an operation was due; service: from the instant it was sent\n\
             times of each kind and of all: answered operations only, done or refused for lack of money\n",
        );
        if self.failures.iter().any(|row| row.record.live.ended() > 0) {
            text.push_str(
                "failed: any other answer; unanswered: the time until the operation was given up\n",
            );
        }
        for line in self.silence_line().into_iter().chain([self.generator_line()]) {
            let _ = writeln!(text, "{line}");
        }
        if let Some(frames) = self.cluster.frames_sent {
            let _ = write!(text, "frames: {} between branches", grouped(frames));
            let each = self.frames_per_write();
            let each = each.map(|each| format!(", {each:.2} for each accepted write"));
            let _ = writeln!(text, "{}", each.unwrap_or_default());
        }
    }

    fn checks_text(&self, text: &mut String) {
        if self.record_error.is_some() && self.judged.checks.is_empty() {
            let _ = writeln!(text, "\nchecks: none, because the run could not be recorded");
            return;
        }
        let _ = writeln!(
            text,
            "\nchecks (of history.jsonl, ledger.jsonl and output.json, as read back from disk)"
        );
        let told = self.judged.counterexample.as_ref();
        checks::table(text, &self.judged.checks, told);
        checks::counterexample(text, told);
    }

    fn slowest(&self, text: &mut String) {
        let Some(waterfall) = &self.waterfall else {
            if self.scenario.trace_sample.percent() > 0.0 {
                let _ = writeln!(
                    text,
                    "\nno write was traced at --trace-sample {}; --trace-sample 100% traces all",
                    self.scenario.trace_sample
                );
            }
            return;
        };
        let _ = writeln!(
            text,
            "\nslowest of the traced writes (sample {}): {}, {}\n  trace {}",
            self.scenario.trace_sample,
            milliseconds(waterfall.took),
            waterfall.title(),
            waterfall.trace_id,
        );
        text.push_str(&waterfall.render());
    }

    fn places(&self, text: &mut String) {
        let _ = writeln!(text, "\nfiles");
        if let Some(folder) = &self.files.folder {
            let _ = writeln!(text, "  {}/  {}", folder.display(), artifacts::ALL.join("  "));
        }
        if let Some(output) = &self.files.output {
            let _ = writeln!(text, "  {}", output.display());
        }
        let count = |number: usize| grouped(u64::try_from(number).unwrap_or(u64::MAX));
        let (spans, traces) = (count(self.traces.spans), count(self.traces.traces));
        let _ = match self.traces.beyond_bound {
            0 => writeln!(text, "  {spans} spans of {traces} traces kept, none dropped"),
            n => writeln!(
                text,
                "  {spans} spans of {traces} traces kept, {} more not: that is the bound",
                grouped(n)
            ),
        };
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

/// Columns of [`Percentiles`], in milliseconds.
fn percentiles(nanoseconds: &Histogram<u64>) -> String {
    Percentiles::of(nanoseconds).columns()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(milliseconds(Duration::from_micros(1_234)), "1.234 ms");
        assert_eq!(milliseconds(Duration::from_millis(250)), "250.0 ms");
        assert_eq!(milliseconds(Duration::from_secs(10)), "10,000 ms");
        assert_eq!(money(Money::new(-1_234_567)), "-1,234,567");
        assert_eq!(decimals(1_234.567_8, 3), "1,234.568");
    }

    #[test]
    fn rate_below_100_has_decimals_and_above_has_none() {
        for (per_second, expected) in
            [(0.0, "0.00"), (0.5, "0.50"), (12.345, "12.35"), (99.5, "99.50"), (88_571.6, "88,572")]
        {
            assert_eq!(rate(per_second), expected);
        }
    }
}
