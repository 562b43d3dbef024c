//! The line that shows how far the measured phase is.

use std::time::Duration;

use loadgen::load::{Live, LoadProgress};
use loadgen::report::rate;

/// A longer estimate is not shown as a number.
const LEFT_MAX: Duration = Duration::from_hours(1);

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Total {
    Operations(u64),
    Time(Duration),
}

/// What the line before showed: rates are those since then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProgressLine {
    elapsed: Duration,
    answered: u64,
    ended: u64,
}

impl ProgressLine {
    /// The next line.
    pub(crate) fn next(&mut self, progress: &LoadProgress, total: Total) -> String {
        let ended = progress.live.iter().map(Live::ended).sum();
        let answered = progress.live.iter().map(|live| live.response.count()).sum();
        let unknown: u64 = progress.live.iter().map(|live| live.unknown).sum();
        let before = std::mem::replace(self, Self { elapsed: progress.elapsed, answered, ended });
        let elapsed = progress.elapsed.saturating_sub(before.elapsed);
        let figures = if answered == 0 {
            "no answer yet".to_owned()
        } else {
            let per_second = per_second(answered.saturating_sub(before.answered), elapsed);
            let per_second = per_second.map_or_else(|| "–".to_owned(), rate);
            let (p50, p99) = (milliseconds(progress.recent.p50), milliseconds(progress.recent.p99));
            format!("{per_second}/s, p50 {p50}, p99 {p99}")
        };
        let left = match total {
            Total::Time(duration) => left_text(duration.saturating_sub(progress.elapsed)),
            Total::Operations(operations) => {
                // The first interval is that of connections and code that are cold.
                let is_first = before.elapsed.is_zero();
                let recent = per_second(ended.saturating_sub(before.ended), elapsed);
                let recent = recent.filter(|_| !is_first);
                estimate_text(operations.saturating_sub(ended), recent)
            }
        };
        format!("{figures}, {unknown} unknown, {} customers, {left}", progress.active)
    }
}

fn per_second(count: u64, elapsed: Duration) -> Option<f64> {
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    (!elapsed.is_zero()).then(|| count / elapsed.as_secs_f64())
}

fn milliseconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "–".to_owned(), |time| format!("{:.2} ms", time.as_secs_f64() * 1_000.0))
}

fn left_text(left: Duration) -> String {
    format!("{} s left", left.as_secs())
}

/// The time for `operations` at the recent rate.
fn estimate_text(operations: u64, per_second: Option<f64>) -> String {
    if operations == 0 {
        return left_text(Duration::ZERO);
    }
    let Some(per_second) = per_second.filter(|rate| *rate > 0.0) else {
        return "time left unknown".to_owned();
    };
    let operations = f64::from(u32::try_from(operations).unwrap_or(u32::MAX));
    match Duration::try_from_secs_f64(operations / per_second) {
        Ok(left) if left <= LEFT_MAX => format!("about {}", left_text(left)),
        _ => "more than 1 h left".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use loadgen::load::Recent;

    use super::*;

    fn progress(milliseconds: u64, answered: u64, unknown: u64) -> LoadProgress {
        let mut live = Live { ok: answered, unknown, ..Live::default() };
        (0..answered).for_each(|_| live.response.record(Duration::from_millis(2)));
        let recent = (answered > 0).then_some(Duration::from_millis(2));
        LoadProgress {
            elapsed: Duration::from_millis(milliseconds),
            active: 7,
            live: [live, Live::default(), Live::default()],
            recent: Recent { p50: recent, p99: None },
        }
    }

    #[test]
    fn progress_without_answers_shows_no_percentiles() {
        let mut line = ProgressLine::default();
        let total = Total::Time(Duration::from_secs(5));
        let expected = "no answer yet, 3 unknown, 7 customers, 4 s left";
        assert_eq!(line.next(&progress(1_000, 0, 3), total), expected);
        let expected = "10.00/s, p50 2.00 ms, p99 –, 3 unknown, 7 customers, 3 s left";
        assert_eq!(line.next(&progress(2_000, 10, 3), total), expected);
    }

    #[test]
    fn time_left_is_estimated_from_the_recent_rate() {
        let mut line = ProgressLine::default();
        let total = Total::Operations(5_000);
        let first = line.next(&progress(1_000, 17, 0), total);
        assert!(first.ends_with("time left unknown"), "a slow start says nothing: {first}");
        let second = line.next(&progress(2_000, 1_017, 0), total);
        assert!(second.ends_with("about 3 s left"), "{second}");
        let stuck = line.next(&progress(3_000, 1_017, 0), total);
        assert!(stuck.ends_with("time left unknown"), "{stuck}");
        let slow = line.next(&progress(4_000, 1_018, 0), total);
        assert!(slow.ends_with("more than 1 h left"), "{slow}");
        let done = line.next(&progress(5_000, 5_000, 0), total);
        assert!(done.ends_with("customers, 0 s left"), "{done}");
    }
}
