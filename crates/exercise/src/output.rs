//! Writes and reads `output.json`: what every customer received.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use super::{Event, Input};
use bank::{Answer, BranchId, CustomerId, Money, Operation, OperationKind, Outcome};

/// The whole file.
pub type Output = Vec<Element>;

/// What one customer (or, per event, one event) received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// The customer.
    pub id: u64,
    /// The answers in order.
    #[serde(default)]
    pub recv: Vec<Entry>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What was asked.
    pub interface: OperationKind,
    /// The branch that was asked, where the shape tells it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch: Option<u32>,
    /// What became of a write, or of a query that was not answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<ResultName>,
    /// The balance that a query showed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub balance: Option<i64>,
}

/// An outcome as the file spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ResultName {
    /// It happened.
    Success,
    /// It was refused.
    Fail,
    /// It was never answered.
    Unknown,
}

impl ResultName {
    /// As the file spells it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Which elements there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One element per customer block, without branches.
    Grouped,
    /// One element per customer block, each entry with its branch.
    GroupedWithBranch,
    /// One element per event, with its branch.
    PerEvent,
}

/// How elements are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notation {
    /// One JSON array with an indent of four.
    #[default]
    Json,
    /// Python's notation, an element a line.
    PythonLines,
    /// The same as the third seed system has it: a query is `success` with its `money`.
    PythonLinesWithMoney,
}

impl Shape {
    /// Per event if any event names a branch, else grouped.
    pub fn auto(input: &Input) -> Self {
        if input.names_branches() { Self::PerEvent } else { Self::Grouped }
    }

    /// The elements for a block of `customer`: its events with their answers.
    pub fn elements(
        self,
        customer: CustomerId,
        answered: impl IntoIterator<Item = (Event, Answer)>,
    ) -> Vec<Element> {
        let id = customer.0;
        let entries = answered.into_iter().map(|(event, answer)| {
            let branch = (self != Self::Grouped).then_some(event.branch);
            Entry::new(event.operation, branch, answer)
        });
        match self {
            Self::PerEvent => entries.map(|entry| Element { id, recv: vec![entry] }).collect(),
            Self::Grouped | Self::GroupedWithBranch => {
                vec![Element { id, recv: entries.collect() }]
            }
        }
    }
}

impl Entry {
    fn new(operation: Operation, branch: Option<BranchId>, answer: Answer) -> Self {
        let result = match answer.outcome {
            Outcome::Ok => ResultName::Success,
            Outcome::Rejected(_) => ResultName::Fail,
            Outcome::Unknown => ResultName::Unknown,
        };
        let shown = match (operation, answer.outcome) {
            (Operation::Query, Outcome::Ok) => answer.balance,
            _ => None,
        };
        Self {
            interface: operation.kind(),
            branch: branch.map(|branch| branch.0),
            result: shown.is_none().then_some(result),
            balance: shown.map(Money::minor_units),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use bank::Rejection;

    const INPUT: &str = r#"[
        {"id":1,"type":"customer","events":[{"interface":"deposit","money":10},{"interface":"query"}]},
        {"id":1,"type":"customer","events":[{"interface":"withdraw","money":99}]},
        {"id":1,"type":"branch","balance":0}]"#;

    fn input(text: &str) -> Input {
        Input::parse(Path::new("in.json"), text.as_bytes()).expect("valid").0
    }

    fn answers() -> Vec<Answer> {
        let answer = |outcome, balance| Answer { outcome, balance: Some(Money::new(balance)) };
        vec![
            answer(Outcome::Ok, 10),
            answer(Outcome::Ok, 10),
            answer(Outcome::Rejected(Rejection::InsufficientFunds), 10),
        ]
    }

    fn lay_out(shape: Shape) -> Output {
        let (input, mut answers) = (input(INPUT), answers().into_iter());
        let blocks = input.customers.into_iter();
        let elements = blocks.flat_map(|block| {
            let answers = answers.by_ref().take(block.events.len());
            shape.elements(block.id, block.events.into_iter().zip(answers))
        });
        elements.collect()
    }

    fn laid_out(shape: Shape) -> String {
        serde_json::to_string(&lay_out(shape)).expect("serializable")
    }

    #[test]
    fn grouped_keeps_blocks_apart_and_names_no_branch() {
        assert_eq!(
            laid_out(Shape::Grouped),
            r#"[{"id":1,"recv":[{"interface":"deposit","result":"success"},{"interface":"query","balance":10}]},{"id":1,"recv":[{"interface":"withdraw","result":"fail"}]}]"#
        );
    }

    #[test]
    fn per_event_has_one_element_an_event_with_its_branch() {
        assert_eq!(
            laid_out(Shape::PerEvent),
            r#"[{"id":1,"recv":[{"interface":"deposit","branch":1,"result":"success"}]},{"id":1,"recv":[{"interface":"query","branch":1,"balance":10}]},{"id":1,"recv":[{"interface":"withdraw","branch":1,"result":"fail"}]}]"#
        );
    }
}
