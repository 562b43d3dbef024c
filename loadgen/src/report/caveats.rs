//! What the latency figures do not show: times in which no branch answered, and a generator that was stopped or
//! starved.

use std::time::Duration;

use check::{counted, grouped};

use super::RunReport;
use super::numbers::milliseconds;
use crate::load::{GeneratorLoad, Silence};
use crate::scenario::ClusterChoice;

/// A silence is reported if it is longer than this and than [`SILENCE_MEDIANS`].
const SILENCE_MIN: Duration = Duration::from_millis(100);
/// A silence is reported if it is longer than so many median response times.
const SILENCE_MEDIANS: u32 = 10;
/// So many branches are listed with their calls in flight.
const BRANCHES_LISTED: usize = 10;

fn is_worth_reporting(silence: &Silence, median: Duration) -> bool {
    silence.lasted > SILENCE_MIN && silence.lasted > median.saturating_mul(SILENCE_MEDIANS)
}

/// The calls in flight at the branches that had any.
fn in_flight_text(silence: &Silence) -> String {
    let waiting = silence.in_flight.iter().filter(|(_, count)| *count > 0);
    let total: u64 = silence.in_flight.iter().map(|(_, count)| count).sum();
    let listed = waiting.clone().take(BRANCHES_LISTED);
    let listed = listed.map(|(branch, count)| format!("{} at branch {branch}", grouped(*count)));
    let listed = listed.collect::<Vec<_>>().join(", ");
    let more = match waiting.count().saturating_sub(BRANCHES_LISTED) {
        0 => String::new(),
        more => format!(", and at {}", counted(more, "more branch", "more branches")),
    };
    format!("{} in flight: {listed}{more}", counted(total, "call", "calls"))
}

fn silence_text(silence: &Silence) -> String {
    let (from, lasted) = (silence.from.as_secs_f64(), milliseconds(silence.lasted));
    if silence.in_flight.is_empty() {
        return format!(
            "longest time without any answer: {lasted}, from {from:.2} s on; in a closed loop customers wait as \
             well, so the percentiles above do not show it"
        );
    }
    let in_flight = in_flight_text(silence);
    let until_end = if silence.ended_by_answer { "" } else { ", until the last call was given up" };
    if silence.is_everywhere() {
        format!(
            "answers stopped everywhere at {from:.2} s, for {lasted}{until_end}, with {in_flight}"
        )
    } else {
        format!("no branch answered for {lasted}, from {from:.2} s on{until_end}, with {in_flight}")
    }
}

fn generator_text(
    load: &GeneratorLoad,
    available: Option<usize>,
    includes_branches: bool,
) -> String {
    let cores = available.map(|cores| format!("of {}", counted(cores, "core", "cores")));
    let cores = cores.unwrap_or_else(|| "cores".to_owned());
    let workers = counted(load.workers, "worker", "workers");
    let branches = if includes_branches { ", branches included" } else { "" };
    let pause = milliseconds(load.longest_pause);
    format!(
        "generator: {workers}, {:.2} {cores}{branches}; the longest time its loop did not run: {pause}",
        load.cores()
    )
}

/// The longest silence, if the percentiles need it beside them.
pub(super) fn silence_line(report: &RunReport) -> Option<String> {
    let silence = report.measured.silence.as_ref()?;
    // Of answered operations, however few.
    let median = Duration::from_nanos(report.all.response.value_at_quantile(0.5));
    is_worth_reporting(silence, median).then(|| silence_text(silence))
}

pub(super) fn generator_line(report: &RunReport) -> String {
    // Embedded branches run in this process.
    let includes_branches = matches!(report.scenario.cluster, ClusterChoice::Embedded(_));
    generator_text(&report.measured.generator, report.cores_available, includes_branches)
}

#[cfg(test)]
mod tests {
    use bank::BranchId;

    use super::*;

    fn silence(lasted: u64, in_flight: &[(u32, u64)]) -> Silence {
        Silence {
            from: Duration::from_millis(3_210),
            lasted: Duration::from_millis(lasted),
            ended_by_answer: false,
            in_flight: in_flight
                .iter()
                .map(|(branch, calls)| (BranchId(*branch), *calls))
                .collect(),
        }
    }

    #[test]
    fn silence_is_reported_beyond_100_ms_and_ten_medians() {
        let median = Duration::from_millis(11);
        for (lasted, expected) in [(100, false), (110, false), (111, true)] {
            assert_eq!(is_worth_reporting(&silence(lasted, &[]), median), expected, "{lasted}");
        }
        assert!(!is_worth_reporting(&silence(100, &[]), Duration::from_millis(1)));
        assert!(is_worth_reporting(&silence(101, &[]), Duration::ZERO), "nothing was answered");
    }

    #[test]
    fn silence_text_names_the_branches_where_calls_waited() {
        let everywhere = silence_text(&silence(10_000, &[(1, 15), (2, 14)]));
        assert_eq!(
            everywhere,
            "answers stopped everywhere at 3.21 s, for 10,000 ms, until the last call was given up, with 29 calls \
             in flight: 15 at branch 1, 14 at branch 2"
        );
        let one = Silence { ended_by_answer: true, ..silence(150, &[(1, 0), (2, 1)]) };
        assert_eq!(
            silence_text(&one),
            "no branch answered for 150.0 ms, from 3.21 s on, with 1 call in flight: 1 at branch 2"
        );
        let answered = silence_text(&silence(1_998, &[]));
        assert!(
            answered.starts_with("longest time without any answer: 1,998 ms, from 3.21 s on;"),
            "{answered}"
        );
        let many: Vec<_> = (1..=12).map(|branch| (branch, 1)).collect();
        assert!(silence_text(&silence(500, &many)).ends_with("10, and at 2 more branches"));
    }

    #[test]
    fn generator_text_names_cores_and_the_longest_pause() {
        let load = GeneratorLoad {
            workers: 1,
            cpu: Duration::from_millis(2_240),
            observed: Duration::from_secs(2),
            longest_pause: Duration::from_millis(1_990),
        };
        assert_eq!(
            generator_text(&load, Some(2), true),
            "generator: 1 worker, 1.12 of 2 cores, branches included; the longest time its loop did not run: 1,990 ms"
        );
        let alone = generator_text(&load, None, false);
        assert!(alone.starts_with("generator: 1 worker, 1.12 cores; the longest"), "{alone}");
    }
}
