//! Which answer of a foreign output belongs to which event of the input.

use std::collections::{BTreeMap, VecDeque};

use bank::{CustomerId, Money, Operation, Outcome, Rejection};
use exercise::{Answer, Event, Input, Received, ResultName};
use history::OperationRecord;

/// A foreign output against its input.
#[derive(Clone, Debug, Default)]
pub struct Paired {
    /// Every event that has an answer, in file order. A write whose result is not in the output
    /// has the outcome that it should have had.
    pub operations: Vec<OperationRecord<'static>>,
    /// Answers that are missing, too many, or to something else: what is wrong, in a sentence each.
    pub mismatches: Vec<String>,
    /// Writes whose results are not in the output.
    pub unjudged_writes: u64,
}

impl Paired {
    /// How many answers the output gives that can be judged.
    pub fn judged(&self) -> u64 {
        let answers = u64::try_from(self.operations.len()).unwrap_or(u64::MAX);
        answers.saturating_sub(self.unjudged_writes)
    }
}

/// Pairs `received` with the events of `input`: the k-th answer of a customer is that to their k-th
/// event, whatever elements it stands in. Where an output answers queries only, it is that to their
/// k-th query.
pub fn pair_with(input: &Input, received: &Received) -> Paired {
    let mut paired = Paired::default();
    let queries_only = received.shows_queries_only(input);
    let mut answers: BTreeMap<u64, VecDeque<&Answer>> = BTreeMap::new();
    for element in &received.elements {
        answers.entry(element.customer).or_default().extend(&element.answers);
    }
    // One account in file order: what a write should have come to where the output does not say.
    let mut model = i128::from(input.opening.minor_units());
    for (customer, number, event) in input.events() {
        let expected = event.operation.name();
        let is_query = event.operation == Operation::Query;
        let rest = answers.get_mut(&customer.0).filter(|_| is_query || !queries_only);
        let answer = rest.and_then(VecDeque::pop_front);
        let place = format!("operation {number} of customer {customer} ({})", event.operation);
        if answer.is_none() && (is_query || !queries_only) {
            paired.mismatches.push(format!("{place}: the answer is missing"));
            continue;
        }
        if let Some(other) = answer.and_then(|answer| other_than(event, answer)) {
            let at = answer.map(|answer| answer.at.to_string()).unwrap_or_default();
            paired.mismatches.push(format!(
                "{place}: expected the answer to a {expected} at branch {}, line {at} has one to {other}",
                event.branch
            ));
            continue;
        }
        let stated = answer.and_then(|answer| stated(event.operation, answer));
        if stated.is_none() && is_query {
            paired.mismatches.push(format!("{place}: the answer shows no balance"));
            continue;
        }
        paired.unjudged_writes += u64::from(stated.is_none());
        let outcome = stated.unwrap_or_else(|| predicted(event.operation, model));
        if outcome == Outcome::Ok {
            model += event.operation.delta();
        }
        paired.operations.push(OperationRecord {
            balance: answer.and_then(|answer| answer.balance).map(Money::new),
            ..OperationRecord::new(customer, number, event.branch, event.operation, outcome)
        });
    }
    for (customer, rest) in answers {
        let known = input.customers.iter().any(|block| block.id == CustomerId(customer));
        let count = rest.len();
        paired.mismatches.extend(match count {
            _ if !known => {
                Some(format!("customer {customer} has answers, but is not in the input"))
            }
            0 => None,
            _ => Some(format!("customer {customer} has {count} answers too many")),
        });
    }
    paired
}

/// What the answer is to, if not to this event.
fn other_than(event: &Event, answer: &Answer) -> Option<String> {
    let expected = event.operation.name();
    let interface = answer.interface.as_deref().unwrap_or("query");
    let branch = answer.branch.filter(|branch| *branch != u64::from(event.branch.0));
    match branch {
        Some(branch) => Some(format!("a {interface} at branch {branch}")),
        None => (interface != expected).then(|| format!("a {interface}")),
    }
}

/// What the answer says became of the operation.
fn stated(operation: Operation, answer: &Answer) -> Option<Outcome> {
    match (answer.result, operation) {
        (Some(ResultName::Fail), _) => Some(Outcome::Rejected(Rejection::InsufficientFunds)),
        (Some(ResultName::Unknown), _) => Some(Outcome::Unknown),
        (Some(ResultName::Success), Operation::Write(_)) => Some(Outcome::Ok),
        (_, Operation::Query) => answer.balance.map(|_| Outcome::Ok),
        (None, Operation::Write(_)) => None,
    }
}

fn predicted(operation: Operation, balance: i128) -> Outcome {
    let left = balance + operation.delta();
    let refused = operation.delta() < 0 && left < 0;
    if refused { Outcome::Rejected(Rejection::InsufficientFunds) } else { Outcome::Ok }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use exercise::{Output, Shape};

    fn pair(output: &str) -> Paired {
        let input = r#"[
            {"id":1,"type":"customer","events":[
                {"interface":"deposit","money":10},{"interface":"query"}]},
            {"id":2,"type":"customer","events":[{"interface":"withdraw","money":99,"branch":1}]},
            {"id":1,"type":"customer","events":[{"interface":"query"}]},
            {"id":1,"type":"branch","balance":5}]"#;
        let (input, _) = Input::parse(Path::new("in"), input.as_bytes()).expect("valid");
        let received = Received::parse(Path::new("out"), output.as_bytes()).expect("read");
        pair_with(&input, &received)
    }

    const DEPOSIT: &str = r#"{"interface":"deposit","result":"success"}"#;
    const QUERY: &str = r#"{"interface":"query","balance":15}"#;
    const REFUSED: &str =
        r#"{"id":2,"recv":[{"interface":"withdraw","branch":1,"result":"fail"}]}"#;

    #[test]
    fn blocks_may_be_merged_or_apart() {
        for output in [
            format!(r#"[{{"id":1,"recv":[{DEPOSIT},{QUERY},{QUERY}]}},{REFUSED}]"#),
            format!(
                r#"[{{"id":1,"recv":[{DEPOSIT},{QUERY}]}},{REFUSED},{{"id":1,"recv":[{QUERY}]}}]"#
            ),
        ] {
            let paired = pair(&output);
            assert_eq!(paired.mismatches, [""; 0]);
            assert_eq!((paired.operations.len(), paired.unjudged_writes), (4, 0));
            assert_eq!(paired.operations[1].balance, Some(Money::new(15)));
        }
    }

    #[test]
    fn balances_alone_are_those_of_the_queries_and_writes_stay_unjudged() {
        let paired = pair(r#"[{"id":1,"balance":15},{"id":1,"balance":15}]"#);
        assert_eq!(paired.mismatches, [""; 0]);
        assert_eq!((paired.operations.len(), paired.unjudged_writes), (4, 2));
        let refused = Outcome::Rejected(Rejection::InsufficientFunds);
        assert_eq!(paired.operations[2].outcome, refused, "as it should have been");
    }

    #[test]
    fn missing_extra_and_mislabelled_answers_are_told() {
        let told = |output: String, expected: &str| {
            let mismatches = pair(&output).mismatches;
            assert!(mismatches.iter().any(|told| told.contains(expected)), "{mismatches:?}");
        };
        let whole = format!("{DEPOSIT},{QUERY},{QUERY}");
        told(
            format!(r#"[{{"id":1,"recv":[{DEPOSIT},{QUERY}]}},{REFUSED}]"#),
            "operation 3 of customer 1 (query): the answer is missing",
        );
        told(format!(r#"[{{"id":1,"recv":[{whole},{QUERY}]}},{REFUSED}]"#), "1 answers too many");
        told(
            format!(r#"[{{"id":1,"recv":[{whole}]}},{REFUSED},{{"id":9,"recv":[]}}]"#),
            "customer 9",
        );
        told(
            format!(r#"[{{"id":1,"recv":[{QUERY},{QUERY},{QUERY}]}},{REFUSED}]"#),
            "has one to a query",
        );
        let elsewhere = REFUSED.replace("\"branch\":1", "\"branch\":7");
        told(format!(r#"[{{"id":1,"recv":[{whole}]}},{elsewhere}]"#), "a withdraw at branch 7");
        let blank = r#"{"interface":"query","result":"success"}"#;
        told(
            format!(r#"[{{"id":1,"recv":[{DEPOSIT},{blank},{QUERY}]}},{REFUSED}]"#),
            "shows no balance",
        );
    }

    fn laid_out(input: Input, shape: Shape) -> Output {
        let refused = Outcome::Rejected(Rejection::InsufficientFunds);
        let mut outcomes = [Outcome::Ok, Outcome::Ok, refused].into_iter();
        let elements = input.customers.into_iter().flat_map(|block| {
            let answers = outcomes.by_ref().take(block.events.len());
            let answers =
                answers.map(|outcome| bank::Answer { outcome, balance: Some(Money::new(10)) });
            shape.elements(block.id, block.events.into_iter().zip(answers))
        });
        elements.collect()
    }

    #[test]
    fn every_shape_reads_back_as_what_customers_saw() {
        let input = r#"[
            {"id":1,"type":"customer","events":[
                {"interface":"deposit","money":10},{"interface":"query"}]},
            {"id":1,"type":"customer","events":[{"interface":"withdraw","money":99}]},
            {"id":1,"type":"branch","balance":0}]"#;
        let (input, _) = Input::parse(Path::new("in"), input.as_bytes()).expect("valid");
        for shape in [Shape::Grouped, Shape::GroupedWithBranch, Shape::PerEvent] {
            let text = serde_json::to_string(&laid_out(input.clone(), shape)).expect("json");
            let received = Received::parse(Path::new("out"), text.as_bytes()).expect("read");
            let paired = pair_with(&input, &received);
            let outcomes: Vec<Outcome> = paired.operations.iter().map(|o| o.outcome).collect();
            let refused = Outcome::Rejected(Rejection::InsufficientFunds);
            assert_eq!(outcomes, [Outcome::Ok, Outcome::Ok, refused], "{:?}", paired.mismatches);
        }
    }
}
