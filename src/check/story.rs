//! A violation as a short story: who did what, when, at which branch, and why that cannot be.

use super::{Call, Case, Finding, Violation};
use crate::bank::Outcome;

/// More operations than this are not told.
const TOLD_MAX: usize = 5;

/// Tells a violation of what `finding` is about, in three to eight lines. Times are milliseconds from the start.
pub fn story(case: &Case<'_>, finding: &Finding, violation: &Violation) -> Vec<String> {
    let mut lines = vec![format!("{} does not hold:", finding.property.name())];
    let mut calls: Vec<Call<'_>> = violation
        .operations
        .iter()
        .filter_map(|named| named.place)
        .filter(|place| *place < case.history.len())
        .map(|place| case.history.call(place))
        .collect();
    calls.sort_by_key(|call| call.invoked);
    for call in calls.iter().take(TOLD_MAX) {
        lines.push(asked(call));
    }
    if calls.is_empty() {
        let opening = case.opening;
        let branches = case.history.branches().len();
        lines.push(format!("the account was opened with {opening} at {branches} branches"));
    }
    lines.push(format!("that cannot be: {}", violation.story));
    lines
}

fn asked(call: &Call<'_>) -> String {
    let Call { customer, number, operation, branch, .. } = call;
    let again = match call.attempt {
        0 | 1 => String::new(),
        attempt => format!(", at attempt {attempt}"),
    };
    let asks = format!(
        "at {} customer {customer} asks branch {branch} to {operation} (request {number})",
        millis(call.invoked)
    );
    let asks = asks.replace(" to query ", " for the balance ");
    match call.completed {
        Some(completed) => {
            let answer = answer(call);
            format!("{asks}, and is answered at {}{again}: {answer}", millis(completed))
        }
        None => format!("{asks}, and is never answered{again}"),
    }
}

fn answer(call: &Call<'_>) -> String {
    let mut said = match call.outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Rejected(reason) => format!("refused, {}", reason.name()),
        Outcome::Unknown => "that nothing is known".to_owned(),
    };
    if let Some(seq) = call.seq {
        said.push_str(&format!(", entry {seq} of its log"));
    }
    if let Some(balance) = call.balance {
        said.push_str(&format!(", balance {balance}"));
    }
    if let Some(version) = call.version {
        let seqs: Vec<String> = version.iter().map(ToString::to_string).collect();
        said.push_str(&format!(", showing [{}]", seqs.join(" ")));
    }
    if let Some(trace) = call.trace {
        said.push_str(&format!(" (trace {trace:032x})"));
    }
    said
}

fn millis(nanoseconds: u64) -> String {
    format!("{}.{:03} ms", nanoseconds / 1_000_000, nanoseconds / 1_000 % 1_000)
}
