//! A violation as a counterexample: who did what, when, at which branch, and why that cannot be.

use super::{Finding, Property, Violation};
use crate::index::describe_version;
use bank::{Outcome, StatusCode};
use history::{OperationRecord, Run};

/// More operations than this are left out.
const OPERATIONS_MAX: usize = 5;

/// The lines of a violation of `finding`, three to eight of them. Times are milliseconds from the start.
pub fn counterexample(run: &Run, finding: &Finding, violation: &Violation) -> Vec<String> {
    let mut lines = vec![format!("{} does not hold:", finding.property.name())];
    let mut calls: Vec<OperationRecord<'_>> = violation
        .operations
        .iter()
        .map(|named| named.place)
        .filter(|place| *place < run.history.len())
        .map(|place| run.history.call(place))
        .collect();
    calls.sort_by_key(|call| call.invoked);
    for call in calls.iter().take(OPERATIONS_MAX) {
        lines.push(asked(call));
    }
    if calls.is_empty() {
        let opening = run.header.opening;
        let branches = run.history.branches().len();
        lines.push(format!("the account was opened with {opening} at {branches} branches"));
    }
    lines.push(match finding.property {
        // Each failure is possible; there are too many.
        Property::Availability => violation.description.clone(),
        _ => format!("that cannot be: {}", violation.description),
    });
    lines
}

fn asked(call: &OperationRecord<'_>) -> String {
    let OperationRecord { customer, position, operation, branch, .. } = call;
    let again = match call.attempt {
        0 | 1 => String::new(),
        attempt => format!(", at attempt {attempt}"),
    };
    let asks = format!(
        "at {} customer {customer} asks branch {branch} to {operation} (operation {position})",
        millis(call.invoked)
    );
    let asks = asks.replace(" to query ", " for the balance ");
    let at = call.completed.map(|at| format!(" at {}", millis(at))).unwrap_or_default();
    let outcome = match call.outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Rejected(reason) => format!("refused, {}", reason.name()),
        Outcome::Unknown => {
            let code = match call.code {
                StatusCode::Ok => String::new(),
                code => format!(" ({})", code.name()),
            };
            return format!("{asks}, and its outcome is unknown{again}{code}");
        }
    };
    format!("{asks}, and is answered{at}{again}: {}", answer(call, outcome))
}

fn answer(call: &OperationRecord<'_>, outcome: String) -> String {
    let said = [
        Some(outcome),
        call.seq.map(|seq| format!(", entry {seq} of its log")),
        call.balance.map(|balance| format!(", balance {balance}")),
        call.version.map(|version| format!(", showing {}", describe_version(version))),
        call.trace.map(|trace| format!(" (trace {trace:032x})")),
    ];
    said.into_iter().flatten().collect()
}

/// An instant in words.
pub(crate) fn millis(nanoseconds: u64) -> String {
    format!("{}.{:03} ms", nanoseconds / 1_000_000, nanoseconds / 1_000 % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, Shown as _, unanswered};
    use bank::Operation;

    #[test]
    fn a_counterexample_tells_who_did_what_when_and_why_that_cannot_be() {
        let mut scene = Fixture::healthy();
        scene.calls[1] = scene.calls[1].shows(&[0, 0], 100);
        scene.calls[1].trace = Some(0xabc);
        let finding = scene.judge(Property::ReadYourWrites);
        let told = counterexample(&scene.run(), &finding, &finding.violations[0]);
        assert_eq!(
            told,
            [
                "read your writes does not hold:",
                "at 0.000 ms customer 1 asks branch 1 to deposit 50 (operation 1), and is answered at 2.000 ms: ok, entry 1 of its log, balance 150, showing [1 0]",
                "at 3.000 ms customer 1 asks branch 2 for the balance (operation 2), and is answered at 4.000 ms: ok, balance 100, showing [0 0] (trace 00000000000000000000000000000abc)",
                "that cannot be: operation 2 of customer 1 (query at branch 2) was shown 0 entries of branch 1; 1 had to be known there since operation 1 of customer 1 (deposit 50 at branch 1)",
            ]
        );
    }

    #[test]
    fn failures_are_counted_and_not_called_impossible() {
        let mut scene = Fixture::new(100, 1);
        scene.calls = vec![unanswered(1, Operation::Query, 1, 0)];
        let finding = scene.judge(Property::Availability);
        let told = counterexample(&scene.run(), &finding, &finding.violations[0]);
        assert_eq!(told[0], "availability does not hold:");
        assert!(told[1].ends_with("(operation 1), and its outcome is unknown"), "{told:?}");
        assert!(told[2].starts_with("1 of 1 queries failed or were not answered"), "{told:?}");
        scene.calls[0].code = StatusCode::Unavailable;
        let told = counterexample(&scene.run(), &finding, &finding.violations[0]);
        assert!(told[1].ends_with("and its outcome is unknown (UNAVAILABLE)"), "{told:?}");
    }

    #[test]
    fn what_no_operation_shows_is_told_as_well() {
        let mut scene = Fixture::healthy();
        let mut finals = scene.run().finals;
        finals[1].balance = bank::Money::new(1);
        scene.finals = Some(finals);
        let finding = scene.judge(Property::Convergence);
        let told = counterexample(&scene.run(), &finding, &finding.violations[0]);
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
