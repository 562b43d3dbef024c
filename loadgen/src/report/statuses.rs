//! How calls ended that have no answer the contract defines, for people.

use std::fmt::Write;
use std::time::Duration;

use check::{counted, grouped};

use super::numbers::operations;
use crate::client::{BackoffCount, Backoffs};
use crate::load::{StatusCount, Statuses};

/// How many operations had no answer or failed, and the statuses of all. Writing into a `String` cannot fail, so
/// results are ignored here.
pub(super) fn table(text: &mut String, statuses: &Statuses, timeout: Duration) {
    let timeout = humantime::format_duration(timeout);
    for (count, how) in [
        (
            statuses.unanswered(),
            format!("never answered (timeout {timeout}, or the connection failed)"),
        ),
        (statuses.failed(), "failed".to_owned()),
    ] {
        if count > 0 {
            let operations = operations(count);
            let _ = writeln!(text, "      {operations} {how}: the outcome is unknown");
        }
    }
    for StatusCount { code, first, count } in statuses.counts() {
        let count = grouped(count);
        let _ = match &first.word {
            Some(undefined) => write!(
                text,
                "        status {:?} {count} (expected {})",
                undefined.word, undefined.expected
            ),
            None => write!(text, "        {} {count}", code.name()),
        };
        let message = match first.message.as_str() {
            "" => String::new(),
            message => format!(" {message:?}"),
        };
        let _ = writeln!(text, "{message}");
    }
    if statuses.others() > 0 {
        let count = grouped(statuses.others());
        let _ = writeln!(text, "        other statuses {count}");
    }
}

/// How often customers backed off.
pub(super) fn backoffs(text: &mut String, backoffs: &Backoffs) {
    for BackoffCount { branch, pauses, paused } in backoffs.counts() {
        let _ = writeln!(
            text,
            "      branch {branch}: {} failed; customers backed off {}, {:.1} s in all",
            counted(*pauses, "call", "calls"),
            counted(*pauses, "time", "times"),
            paused.as_secs_f64(),
        );
    }
}

#[cfg(test)]
mod tests {
    use bank::{BranchId, StatusCode};

    use super::*;
    use crate::record::CallStatus;

    fn counted(statuses: &[(CallStatus, u64)]) -> Statuses {
        let mut counted = Statuses::default();
        for (status, count) in statuses {
            (0..*count).for_each(|_| counted.count(status, true));
        }
        counted
    }

    fn text(statuses: &Statuses) -> String {
        let mut text = String::new();
        table(&mut text, statuses, Duration::from_secs(2));
        text
    }

    #[test]
    fn statuses_are_listed_with_count_and_first_message() {
        let statuses = counted(&[
            (CallStatus::default(), 7),
            (CallStatus::failed(StatusCode::DeadlineExceeded, true, ""), 1),
            (CallStatus::undefined_word("OK", "\"success\" or \"fail\""), 1_276),
            (CallStatus::failed(StatusCode::Unavailable, false, "shedding\nload"), 45),
            (CallStatus::failed(StatusCode::Unavailable, false, "shedding more load"), 1),
            (CallStatus::failed(StatusCode::Unavailable, true, "broken pipe"), 2),
            (CallStatus::failed(StatusCode::Unavailable, true, "connection refused"), 3),
        ]);
        assert_eq!(
            text(&statuses),
            "      6 operations never answered (timeout 2s, or the connection failed): the outcome is unknown
      1,322 operations failed: the outcome is unknown
        status \"OK\" 1,276 (expected \"success\" or \"fail\")
        UNAVAILABLE 46 \"shedding\\nload\"
        UNAVAILABLE 3 \"connection refused\"
        UNAVAILABLE 2 \"broken pipe\"
        DEADLINE_EXCEEDED 1
"
        );
    }

    #[test]
    fn statuses_beyond_the_limit_are_counted_together() {
        let word = |word: u64| (CallStatus::undefined_word(&word.to_string(), "a number"), 2);
        let words: Vec<_> = (0..40).map(word).collect();
        let statuses = counted(&words);
        assert_eq!((statuses.counts().len(), statuses.others()), (32, 16));
        assert!(text(&statuses).ends_with("        other statuses 16\n"));
        let mut merged = statuses.clone();
        merged.merge(&statuses);
        assert_eq!((merged.counts()[0].count, merged.others()), (4, 32));
        assert_eq!(merged.failed(), 160);
    }

    #[test]
    fn nothing_is_listed_where_all_calls_were_answered() {
        assert_eq!(text(&counted(&[(CallStatus::default(), 9)])), "");
    }

    #[test]
    fn back_off_is_listed_by_branch() {
        let mut counts = Backoffs::default();
        for _ in 0..1_204 {
            counts.record(BranchId(2), Duration::from_millis(500));
        }
        let mut text = String::new();
        backoffs(&mut text, &counts);
        assert_eq!(
            text,
            "      branch 2: 1,204 calls failed; customers backed off 1,204 times, 602.0 s in all\n"
        );
    }
}
