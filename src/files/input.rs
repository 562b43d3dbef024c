//! Reads and writes `input.json`.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bank::{BranchId, CustomerId, Money, Operation, Write, WriteKind};

/// Who does what, on which branches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Customers in file order. The same id may stand in several blocks.
    pub customers: Vec<Block>,
    /// Branches in file order; at least one, each id once.
    pub branches: Vec<BranchId>,
    /// What every branch holds at the start; not negative.
    pub opening: Money,
}

/// One customer element of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Who.
    pub id: CustomerId,
    /// What they do, in file order.
    pub events: Vec<Event>,
}

/// One operation at one branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What is asked.
    pub operation: Operation,
    /// Where: the branch the event names, or the one with the customer's id.
    pub branch: BranchId,
    /// Whether the file names the branch at the event.
    pub names_branch: bool,
}

/// The input cannot be run. The message names the file, the place, what was expected and what to do.
#[derive(Debug, Error)]
pub enum InputError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}; give the path of an input file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not JSON of the expected form.
    #[error("{}:{}:{}: {}; expected an array of customer and branch elements: mend the file there",
        path.display(), source.line(), source.column(), strip_position(source))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: serde_json::Error,
    },
    /// It is well-formed, but cannot be carried out.
    #[error("{}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Which element, what was expected, what to do.
        message: String,
    },
}

fn strip_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum ElementType {
    Customer,
    Branch,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Interface {
    Query,
    Deposit,
    Withdraw,
}

#[derive(Debug, Deserialize, Serialize)]
struct ElementRecord {
    id: u64,
    #[serde(rename = "type")]
    element_type: ElementType,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<EventRecord>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<i64>,
}

#[derive(Debug, Deserialize, Serialize)]
struct EventRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    interface: Interface,
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<u64>,
}

impl Input {
    /// Reads the file at `path`: strict JSON in the exercise's form, events with or without `branch`.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let bytes = std::fs::read(path)
            .map_err(|source| InputError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, &bytes)
    }

    /// As [`Input::read`], with the content given; `path` is for messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, InputError> {
        let elements: Vec<ElementRecord> = serde_json::from_slice(bytes)
            .map_err(|source| InputError::Malformed { path: path.to_owned(), source })?;
        Self::validate(elements)
            .map_err(|message| InputError::Invalid { path: path.to_owned(), message })
    }

    fn validate(elements: Vec<ElementRecord>) -> Result<Self, String> {
        let (customers, branches): (Vec<_>, Vec<_>) =
            elements.into_iter().partition(|e| e.element_type == ElementType::Customer);
        let (branches, opening) = validate_branches(&branches)?;
        let known: BTreeSet<BranchId> = branches.iter().copied().collect();
        let customers = customers
            .into_iter()
            .map(|customer| validate_customer(customer, &known))
            .collect::<Result<_, _>>()?;
        Ok(Self { customers, branches, opening })
    }

    /// Whether any event names its branch: such files are answered per event.
    pub fn names_branches(&self) -> bool {
        self.customers.iter().flat_map(|block| &block.events).any(|event| event.names_branch)
    }

    /// All events in file order with their customer and the how-manieth of that customer each is,
    /// from 1. The count goes on where the same customer stands in several blocks.
    pub fn events(&self) -> impl Iterator<Item = (CustomerId, u64, &Event)> {
        let mut counts: HashMap<CustomerId, u64> = HashMap::new();
        let events = self.customers.iter().flat_map(|b| b.events.iter().map(|e| (b.id, e)));
        events.map(move |(customer, event)| {
            let number = counts.entry(customer).or_default();
            *number += 1;
            (customer, *number, event)
        })
    }

    /// The file's content: what `parse` would read back, with event ids counted from 1.
    pub fn to_records(&self) -> impl Serialize + use<> {
        let mut event_id = 0;
        let customers = self.customers.iter().map(|block| ElementRecord {
            id: block.id.0,
            element_type: ElementType::Customer,
            events: Some(
                block
                    .events
                    .iter()
                    .map(|event| {
                        event_id += 1;
                        EventRecord::new(event_id, event)
                    })
                    .collect(),
            ),
            balance: None,
        });
        let mut records: Vec<ElementRecord> = customers.collect();
        records.extend(self.branches.iter().map(|branch| ElementRecord {
            id: branch.0.into(),
            element_type: ElementType::Branch,
            events: None,
            balance: Some(self.opening.minor_units()),
        }));
        records
    }
}

impl EventRecord {
    fn new(id: u64, event: &Event) -> Self {
        let (interface, money) = match event.operation {
            Operation::Query => (Interface::Query, None),
            Operation::Write(Write { kind: WriteKind::Deposit, amount }) => {
                (Interface::Deposit, Some(amount.minor_units()))
            }
            Operation::Write(Write { kind: WriteKind::Withdraw, amount }) => {
                (Interface::Withdraw, Some(amount.minor_units()))
            }
        };
        let branch = event.names_branch.then_some(event.branch.0.into());
        Self { id: Some(id), interface, money, branch }
    }
}

fn validate_branches(records: &[ElementRecord]) -> Result<(Vec<BranchId>, Money), String> {
    let mut branches = Vec::new();
    let mut seen = BTreeSet::new();
    let mut opening: Option<(u64, i64)> = None;
    for record in records {
        let id = u32::try_from(record.id).map_err(|_| {
            format!("branch {}: ids go up to {}; give a smaller one", record.id, u32::MAX)
        })?;
        if !seen.insert(id) {
            return Err(format!("branch {id} is there twice; give each branch one element"));
        }
        let Some(balance) = record.balance else {
            return Err(format!("branch {id} has no balance; add \"balance\": an integer"));
        };
        if balance < 0 {
            return Err(format!("branch {id} has balance {balance}; it must not be negative"));
        }
        match opening {
            Some((first, other)) if other != balance => {
                return Err(format!(
                    "branch {id} starts with {balance}, branch {first} with {other}; \
                     all branches must start with the same balance"
                ));
            }
            Some(_) => {}
            None => opening = Some((record.id, balance)),
        }
        branches.push(BranchId(id));
    }
    match opening {
        Some((_, balance)) => Ok((branches, Money::new(balance))),
        None => Err("there is no branch; add elements {\"id\": 1, \"type\": \"branch\", \
                     \"balance\": 400}"
            .to_owned()),
    }
}

fn validate_customer(record: ElementRecord, known: &BTreeSet<BranchId>) -> Result<Block, String> {
    let id = record.id;
    let events = record.events.ok_or_else(|| {
        format!("customer {id} has no events; add \"events\": an array, which may be empty")
    })?;
    let events = (1..)
        .zip(events)
        .map(|(number, event)| {
            validate_event(id, &event, known)
                .map_err(|message| format!("customer {id}, event {number}: {message}"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Block { id: CustomerId(id), events })
}

fn validate_event(
    customer: u64,
    record: &EventRecord,
    known: &BTreeSet<BranchId>,
) -> Result<Event, String> {
    let branch = record.branch.unwrap_or(customer);
    let branch = u32::try_from(branch)
        .ok()
        .map(BranchId)
        .filter(|branch| known.contains(branch))
        .ok_or_else(|| {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        let known = known.join(", ");
        format!("there is no branch {branch}; the file has branches {known}")
    })?;
    let amount = || match record.money {
        None => Err("there is no money; add \"money\": an integer".to_owned()),
        Some(money) if money < 0 => Err(format!("money is {money}; it must not be negative")),
        Some(money) => Ok(Money::new(money)),
    };
    let operation = match record.interface {
        Interface::Query => Operation::Query,
        Interface::Deposit => {
            Operation::Write(Write { kind: WriteKind::Deposit, amount: amount()? })
        }
        Interface::Withdraw => {
            Operation::Write(Write { kind: WriteKind::Withdraw, amount: amount()? })
        }
    };
    Ok(Event { operation, branch, names_branch: record.branch.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Input, String> {
        Input::parse(Path::new("in.json"), text.as_bytes()).map_err(|error| error.to_string())
    }

    const BRANCH: &str = r#"{"id":1,"type":"branch","balance":400}"#;

    #[test]
    fn the_exercises_form_is_read() {
        let input = parse(&format!(
            r#"[{{"id":1,"type":"customer","events":[{{"id":1,"interface":"query"}},
                {{"id":2,"interface":"deposit","money":170}}]}},{BRANCH}]"#
        ))
        .expect("valid");
        assert_eq!(input.opening, Money::new(400));
        assert_eq!(input.customers[0].events[1].operation, Operation::deposit(170));
        assert!(!input.names_branches());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = format!(
            r#"[{{"id":7,"type":"customer","events":[
                {{"id":1,"interface":"query","branch":1}},
                {{"id":2,"interface":"withdraw","money":3,"branch":1}}]}},{BRANCH}]"#
        );
        let input = parse(&text).expect("valid");
        let written = serde_json::to_string(&input.to_records()).expect("serializable");
        assert_eq!(parse(&written), Ok(input));
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_one_message_that_names_the_place() {
        let customer = |events: &str| {
            format!(r#"[{{"id":1,"type":"customer","events":[{events}]}},{BRANCH}]"#)
        };
        let cases = [
            (String::new(), "in.json:1:0: EOF"),
            ("nonsense".to_owned(), "in.json:1:"),
            ("{}".to_owned(), "expected an array"),
            ("[".repeat(100_000), "in.json:1:"),
            ("[]".to_owned(), "there is no branch; add"),
            (customer(r#"{"interface":"steal"}"#), "unknown variant `steal`"),
            (customer(r#"{"interface":"deposit"}"#), "customer 1, event 1: there is no money"),
            (customer(r#"{"interface":"deposit","money":-1}"#), "money is -1"),
            (customer(r#"{"interface":"deposit","money":1.5}"#), "in.json:1:"),
            (customer(r#"{"interface":"deposit","money":9223372036854775808}"#), "in.json:1:"),
            (customer(r#"{"interface":"query","branch":9}"#), "there is no branch 9"),
            (
                format!(
                    r#"[{{"id":2,"type":"customer","events":[{{"interface":"query"}}]}},{BRANCH}]"#
                ),
                "there is no branch 2; the file has branches 1",
            ),
            (format!(r#"[{{"id":1,"type":"customer"}},{BRANCH}]"#), "customer 1 has no events"),
            (format!("[{BRANCH},{BRANCH}]"), "branch 1 is there twice"),
            (format!(r#"[{BRANCH},{{"id":2,"type":"branch","balance":401}}]"#), "same balance"),
            (r#"[{"id":1,"type":"branch","balance":-1}]"#.to_owned(), "must not be negative"),
            (r#"[{"id":1,"type":"branch"}]"#.to_owned(), "branch 1 has no balance"),
            (r#"[{"id":4294967296,"type":"branch","balance":1}]"#.to_owned(), "ids go up to"),
        ];
        for (text, expected) in cases {
            let message = parse(&text).expect_err("refused");
            assert!(message.starts_with("in.json"), "{message}");
            assert!(message.contains(expected), "{message} lacks {expected}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
