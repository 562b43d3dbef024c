//! The report that a person reads in the terminal.

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use passbook::bank::Rejection;
use passbook::check::Verdict;
use passbook::files::{Entry, ResultName};
use passbook::replicate::Read;

use super::{Report, Unrecorded, checks};
use crate::artifacts;
use crate::record::Performed;
use crate::scenario::{ReplayOrder, Stop, Wire, Workload};

/// A duration as people compare them: always in milliseconds, digits by size.
pub(super) fn milliseconds(time: Duration) -> String {
    let value = time.as_secs_f64() * 1_000.0;
    match value {
        0.0..10.0 => format!("{value:.3} ms"),
        10.0..100.0 => format!("{value:.2} ms"),
        _ => format!("{value:.1} ms"),
    }
}

/// A whole number in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
                    Stop::Events(1) => "1 operation each".to_owned(),
                    Stop::Events(events) => format!("{} operations each", grouped(events)),
                    Stop::After(duration) => {
                        format!("for {}", humantime::format_duration(duration))
                    }
                };
                format!("{}, {each}, mix {}", customers(synthetic.customers), synthetic.mix)
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
        format!("{branches} at {}", self.cluster.opening)
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
        let (branches, ack) = (self.branches_text(), self.scenario.ack.name());
        format!("{branches}, ack {ack}{}", self.asking_text())
    }

    fn head(&self, text: &mut String) {
        let _ = writeln!(text, "passbook  {}", self.workload_text());
        let _ = write!(
            text,
            "          {}, {}, ack {}",
            self.branches_text(),
            self.replication_text(),
            self.scenario.ack.name(),
        );
        if self.read() != Read::Local {
            let _ = write!(text, ", read {}", self.read().name());
        }
        let _ = write!(text, "{}", self.asking_text());
        let all = self.rows.last().map(|row| &row.record.live);
        let (completed, unknown) = all.map_or((0, 0), |live| (live.completed(), live.unknown));
        let _ = writeln!(text, "\n");
        let verdict = match self.verdict() {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::Unknown if self.is_unchecked() => "UNCHECKED",
            Verdict::Unknown | Verdict::NotJudged => "UNKNOWN",
        };
        let is_early = self.interrupted || self.record_error.is_some();
        let early = if is_early { ", ended early" } else { "" };
        let _ = writeln!(
            text,
            "{verdict}  {} operations answered in {:.2} s: {:.0} per second{early}",
            grouped(completed),
            self.measured.as_secs_f64(),
            self.throughput_per_s(),
        );
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
        if unknown > 0 {
            let were = if unknown == 1 { "operation was" } else { "operations were" };
            let _ = writeln!(
                text,
                "      {} {were} never answered (time-out {}, or the call failed): their customers do not know \
                 what became of them",
                grouped(unknown),
                humantime::format_duration(self.scenario.timeout),
            );
            for Performed { customer, event, operation, branch, .. } in &self.unanswered {
                let _ = writeln!(
                    text,
                    "        customer {customer}: {operation} at branch {branch} (operation {event})"
                );
            }
            let told = u64::try_from(self.unanswered.len()).unwrap_or(u64::MAX);
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
            write!(text, "\n{:<20}{:>11}{:>10}{:>9}", "operations", "ok", "rejected", "unknown");
        let _ = writeln!(text, "{}   ms", heads.map(|head| format!("{head:>10}")).concat());
        for row in self.rows.iter().filter(|row| !row.record.response.is_empty()) {
            let live = &row.record.live;
            let _ = writeln!(
                text,
                "{:<9}{:<11}{:>11}{:>10}{:>9}{}",
                row.name,
                "response",
                grouped(live.ok),
                grouped(live.rejected),
                grouped(live.unknown),
                percentiles(&row.record.response),
            );
            let service = percentiles(&row.record.service);
            let _ = writeln!(text, "{:<9}{:<11}{:>30}{service}", "", "service", "");
        }
        text.push_str(
            "response: from the instant an operation was due; service: from the instant it was sent\n",
        );
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

fn percentiles(nanoseconds: &Histogram<u64>) -> String {
    let mut text = String::new();
    let at = |quantile| nanoseconds.value_at_quantile(quantile);
    for value in [at(0.5), at(0.9), at(0.99), at(0.999), nanoseconds.max()] {
        let _ = write!(text, "{:>10.3}", Duration::from_nanos(value).as_secs_f64() * 1_000.0);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(milliseconds(Duration::from_micros(1_234)), "1.234 ms");
        assert_eq!(milliseconds(Duration::from_millis(250)), "250.0 ms");
    }
}
