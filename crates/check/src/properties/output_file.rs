//! `output.json` contains what customers received.

use std::collections::HashMap;
use std::ops::Range;

use bank::{CustomerId, Money, Operation, Outcome};
use exercise::WrittenAnswer;
use history::{History, OperationRecord};

use crate::examination::{Examination, Gap};
use crate::{Finding, Named, Property, Violation, grouped};

/// Each answer in the file must be the one that its customer received: the k-th answer of a customer is that to the k-th
/// of their operations, none is missing and none is extra. Otherwise the file describes another run.
///
/// Takes the answers one by one, as they are read; sorting the history by customers costs n log n.
#[derive(Debug)]
pub struct OutputFile<'a> {
    history: &'a History,
    /// Places of calls, customer by customer, each one's in order.
    order: Vec<usize>,
    /// The rest of each customer's part of that.
    rest: HashMap<CustomerId, Range<usize>>,
    answers: u64,
    examination: Examination,
}

impl<'a> OutputFile<'a> {
    /// The file of the run with this `history`.
    pub fn of(history: &'a History) -> Self {
        let mut order: Vec<usize> = (0..history.len()).collect();
        order.sort_unstable_by_key(|place| history.asked_as(*place));
        let mut examination = Examination::default();
        for pair in order.windows(2).filter(|p| history.asked_as(p[0]) == history.asked_as(p[1])) {
            examination.violate(|| {
                let OperationRecord { position, customer, .. } = history.call(pair[1]);
                let description =
                    format!("operation {position} of customer {customer} is in the history twice");
                let named = pair.iter().map(|place| Named::of(&history.call(*place), *place));
                Violation { operations: named.collect(), description }
            });
        }
        let mut rest: HashMap<CustomerId, Range<usize>> = HashMap::new();
        for (at, place) in order.iter().enumerate() {
            let (customer, _) = history.asked_as(*place);
            rest.entry(customer).or_insert(at..at).end = at + 1;
        }
        Self { history, order, rest, answers: 0, examination }
    }

    /// Adds the next answer of `customer`. Those of one customer come in their order.
    pub fn add(&mut self, customer: CustomerId, answer: &WrittenAnswer<'_>) {
        self.answers += 1;
        // Which answer belongs to which operation is known only where none is missing.
        if !self.history.is_complete() {
            return;
        }
        let rest = self.rest.entry(customer).or_default();
        let Some(place) = rest.next().map(|at| self.order[at]) else {
            self.examination.violate(|| {
                let description = format!(
                    "output.json has an extra answer for customer {customer} ({}): the history records no \
                     further operation",
                    describe(answer)
                );
                Violation { operations: Vec::new(), description }
            });
            return;
        };
        if !agrees(answer, &self.history.call(place)) {
            self.differ(place, || format!("says {}", describe(answer)));
        }
    }

    /// Adds a violation by the call at `place`, of which the file says or has something else.
    fn differ(&mut self, place: usize, what: impl FnOnce() -> String) {
        let call = self.history.call(place);
        self.examination.violate(|| {
            let OperationRecord { position, customer, .. } = call;
            let (what, expected) = (what(), describe(&expected(&call)));
            let description = format!(
                "operation {position} of customer {customer}: output.json {what}, the history says {expected}"
            );
            Violation { operations: vec![Named::of(&call, place)], description }
        });
    }

    /// The verdict, after the last answer. `is_whole` if the file was read to its end.
    pub fn finish(mut self, is_whole: bool) -> Finding {
        if is_whole && self.history.is_complete() {
            self.missing();
        }
        let Self { history, answers, mut examination, .. } = self;
        examination.summarize(
            format!("{} answers, each as its customer received it", grouped(answers)),
            "the file and the history are of different runs",
        );
        if !history.is_complete() {
            let note = format!(
                "the history is not whole, so {answers} answers cannot be compared with it"
            );
            examination.gap(Gap::History, note);
        } else if !is_whole {
            let note = format!("the file ends too early, after {answers} answers");
            examination.gap(Gap::Answers, note);
        }
        let is_answered = history.calls().any(|call| call.outcome != Outcome::Unknown);
        examination.needs_evidence(is_answered, "no operation was answered");
        examination.conclude(Property::OutputFile)
    }

    fn missing(&mut self) {
        let mut missing: Vec<usize> = self.rest.values().flat_map(Clone::clone).collect();
        missing.sort_unstable();
        for at in missing {
            self.differ(self.order[at], || "has no answer".to_owned());
        }
    }
}

/// The answer that the file must have. A query that was answered shows its balance in place of a result.
fn expected(call: &OperationRecord<'_>) -> WrittenAnswer<'static> {
    let result = match call.outcome {
        Outcome::Ok => "success",
        Outcome::Rejected(_) => "fail",
        Outcome::Unknown => "unknown",
    };
    let is_read = call.operation == Operation::Query && call.outcome == Outcome::Ok;
    let balance = call.balance.filter(|_| is_read).map(Money::minor_units);
    WrittenAnswer {
        interface: call.operation.name(),
        branch: Some(call.branch.0.into()),
        result: balance.is_none().then_some(result),
        balance,
    }
}

fn agrees(answer: &WrittenAnswer<'_>, call: &OperationRecord<'_>) -> bool {
    let expected = expected(call);
    // One of the notations says of an answered query that it was a success as well.
    let is_result = answer.result == expected.result
        || (expected.balance.is_some() && answer.result == Some("success"));
    is_result
        && answer.interface == expected.interface
        && answer.balance == expected.balance
        && answer.branch.is_none_or(|branch| Some(branch) == expected.branch)
}

fn describe(answer: &WrittenAnswer<'_>) -> String {
    let WrittenAnswer { interface, branch, result, balance } = answer;
    let branch = branch.map(|branch| format!(" at branch {branch}"));
    let balance = balance.map(|balance| format!("balance {balance}"));
    let said: Vec<String> = result.map(str::to_owned).into_iter().chain(balance).collect();
    let said = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
    format!("{interface}{}: {said}", branch.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::fixture::{Fixture, unanswered};

    type Line = (u64, &'static str, Option<u64>, Option<&'static str>, Option<i64>);

    /// What the file of the healthy scene says.
    const FILE: [Line; 6] = [
        (1, "deposit", Some(1), Some("success"), None),
        (1, "query", None, None, Some(150)),
        (1, "withdraw", Some(1), Some("fail"), None),
        (2, "query", Some(2), Some("success"), Some(150)),
        (2, "withdraw", Some(2), Some("success"), None),
        (2, "query", Some(1), None, Some(130)),
    ];

    fn judge(scene: &Fixture, file: &[Line], is_whole: bool) -> Finding {
        let run = scene.run();
        {
            let mut output = OutputFile::of(&run.history);
            for (customer, interface, branch, result, balance) in file.iter().copied() {
                let answer = WrittenAnswer { interface, branch, result, balance };
                output.add(CustomerId(customer), &answer);
            }
            output.finish(is_whole)
        }
    }

    fn with(place: usize, line: Line) -> Vec<Line> {
        let mut file = FILE.to_vec();
        file[place] = line;
        file
    }

    #[test]
    fn a_file_that_says_what_customers_received_passes() {
        let finding = judge(&Fixture::healthy(), &FILE, true);
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
        assert_eq!(finding.note, "6 answers, each as its customer received it");
    }

    #[test]
    fn every_difference_is_told_with_what_both_say() {
        let changed = [
            (1, (1, "query", None, None, Some(151)), "says query: balance 151, the history says"),
            (0, (1, "deposit", Some(1), Some("fail"), None), "says deposit at branch 1: fail"),
            (0, (1, "deposit", Some(2), Some("success"), None), "deposit at branch 2: success"),
            (2, (1, "deposit", Some(1), Some("fail"), None), "the history says withdraw"),
            (3, (2, "query", Some(2), Some("unknown"), None), "query at branch 2: unknown"),
            (4, (2, "withdraw", Some(2), Some("success"), Some(1)), "success, balance 1"),
            (5, (2, "query", Some(1), None, None), "query at branch 1: nothing"),
        ];
        for (place, line, words) in changed {
            let finding = judge(&Fixture::healthy(), &with(place, line), true);
            assert_eq!((finding.verdict, finding.violations_total), (Verdict::Fail, 1), "{line:?}");
            let violation = &finding.violations[0];
            assert!(violation.description.contains(words), "{}", violation.description);
            assert_eq!(violation.operation().map(|(customer, _)| customer.0), Some(line.0));
            assert!(violation.operations[0].place < 6);
        }
    }

    #[test]
    fn answers_that_are_missing_or_too_many_are_found() {
        let missing = judge(&Fixture::healthy(), &FILE[..5], true);
        assert_eq!(missing.violations[0].operation(), Some((CustomerId(2), 3)));
        assert!(
            missing.violations[0].description.contains("output.json has no answer"),
            "{missing:?}"
        );
        for customer in [2, 9] {
            let more = [&FILE[..], &[(customer, "query", None, None, Some(1))]].concat();
            let finding = judge(&Fixture::healthy(), &more, true);
            assert!(finding.violations[0].description.contains("extra answer"), "{finding:?}");
        }
    }

    #[test]
    fn a_run_without_an_answer_is_not_judged() {
        let mut scene = Fixture::new(100, 1);
        assert_eq!(judge(&scene, &[], true).verdict, Verdict::NotJudged);
        scene.calls = vec![unanswered(1, Operation::Query, 1, 0)];
        let unknown = [(1, "query", Some(1), Some("unknown"), None)];
        let finding = judge(&scene, &unknown, true);
        assert_eq!(finding.verdict, Verdict::NotJudged);
        assert_eq!(finding.note, "no operation was answered");
        // What the file claims beyond that is wrong all the same.
        let claimed = [(1, "query", Some(1), None, Some(100))];
        assert_eq!(judge(&scene, &claimed, true).verdict, Verdict::Fail);
    }

    #[test]
    fn what_is_missing_of_the_file_or_the_history_leaves_it_open() {
        let cut = judge(&Fixture::healthy(), &FILE[..5], false);
        assert_eq!(cut.verdict, Verdict::Unknown, "{cut:?}");
        let wrong = with(1, (1, "query", None, None, Some(151)));
        assert_eq!(judge(&Fixture::healthy(), &wrong, false).verdict, Verdict::Fail);
        let gaps = Fixture { complete: false, ..Fixture::healthy() };
        assert_eq!(judge(&gaps, &FILE[..3], true).verdict, Verdict::Unknown);
    }
}
