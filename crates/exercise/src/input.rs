//! Reads and writes `input.json`.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use super::fields::Warnings;
use super::interpret::interpret;
use super::notation::{self, InvalidContent, Position};
use super::source::{FileError, read_bytes, source_name, text};
use bank::{BranchId, CustomerId, Money, Operation};

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

/// Something in a file that was read although it is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it is, the first time.
    pub at: Position,
    /// What was done about it.
    pub message: String,
}

impl Warning {
    /// The warning with the file that it is about.
    pub fn in_file(&self, path: &Path) -> String {
        format!("{}:{}: {}", source_name(path), self.at, self.message)
    }
}

#[derive(Debug, Serialize)]
struct ElementRecord {
    id: u64,
    #[serde(rename = "type")]
    element_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<EventRecord>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<i64>,
}

#[derive(Debug, Serialize)]
struct EventRecord {
    id: u64,
    interface: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<u32>,
}

impl Input {
    /// Reads the file at `path`, or standard input for `-`, in any of the notations of the exercise. The warnings
    /// name what was assumed.
    pub fn read(path: &Path) -> Result<(Self, Vec<Warning>), FileError> {
        Self::parse(path, &read_bytes(path)?)
    }

    /// As [`Input::read`], with the content given; `path` is for messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<(Self, Vec<Warning>), FileError> {
        Self::of(text(path, bytes)?).map_err(|error| FileError::invalid(path, error))
    }

    fn of(text: &str) -> Result<(Self, Vec<Warning>), InvalidContent> {
        let parsed = notation::parse(text)?;
        let mut warnings = Warnings::of(parsed.lenient);
        let input = interpret(&parsed.values, &mut warnings)?;
        Ok((input, warnings.into_list()))
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
}

/// The elements of a file that `parse` reads back, one by one: `customers`, with event ids counted from 1, and then
/// `branches`, which all hold `opening`.
pub(super) fn elements(
    customers: impl IntoIterator<Item = Block>,
    branches: &[BranchId],
    opening: Money,
) -> impl Iterator<Item = impl Serialize> {
    let mut event_id = 0;
    let mut numbered = move |event: &Event| {
        event_id += 1;
        let amount = event.operation.amount();
        EventRecord {
            id: event_id,
            interface: event.operation.name(),
            money: (event.operation != Operation::Query).then_some(amount.minor_units()),
            branch: event.names_branch.then_some(event.branch.0),
        }
    };
    let customers = customers.into_iter().map(move |block| ElementRecord {
        id: block.id.0,
        element_type: "customer",
        events: Some(block.events.iter().map(&mut numbered).collect()),
        balance: None,
    });
    customers.chain(branches.iter().map(move |branch| ElementRecord {
        id: branch.0.into(),
        element_type: "branch",
        events: None,
        balance: Some(opening.minor_units()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Input, Vec<Warning>), String> {
        Input::parse(Path::new("in.json"), text.as_bytes()).map_err(|error| error.to_string())
    }

    fn parse(text: &str) -> Result<Input, String> {
        read(text).map(|(input, _)| input)
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
        let written = {
            let elements = elements(input.customers.clone(), &input.branches, input.opening);
            serde_json::to_string(&elements.collect::<Vec<_>>()).expect("serializable")
        };
        assert_eq!(parse(&written), Ok(input));
    }

    #[test]
    fn dialects_of_real_files_are_read_with_their_warnings() {
        let strict = parse(&format!(
            r#"[{{"id":1,"type":"customer","events":[{{"interface":"deposit","money":5,"branch":1}}]}},{BRANCH}]"#
        ));
        let dialects = [
            (
                r#"[{"id":1,"type":"client","events":[{"interface":"deposit","money":5,"dest":1}]},
                    {"id":1,"type":"bank","balance":400}]"#,
                0,
            ),
            (
                r"[{'id':1,'type':'customer','events':[{'interface':'Deposit','money':5.0,'branch':1}]},
                    {'id':1,'type':'branch','balance':400}]",
                1,
            ),
            (
                "[{“id”:1,\"type\":\"customer\",\r\n\"events\":[{\"interface\":\"deposit\",\"money\":5,\"branch\":1},],},
                    {\"id\":1,\"type\":\"branch\",\"balance\":400}]\nThat was all.",
                3,
            ),
            (
                r#"{"id":1,"type":"customer","events":[{"id":null,"interface":"deposit","money":5,"branch":1}]}
                   {"id":1,"type":"branch","balance":400}"#,
                1,
            ),
            (
                r#"[{"id":"1","type":"customer","customer-requests":[
                    {"customer-request-id":1,"operation":"deposit","Amount":"5","branch_id":1}]},
                    {"id":1,"type":"branch","balance":"400"}]"#,
                5,
            ),
            (
                r#"Listening on port 50051
                    [{"id":1,"type":"customer","evnts":[{"interface":"deposit","money":5,"branch":1,"dest":1}]},
                    {"id":1,"type":"branch","balance":400}]"#,
                2,
            ),
        ];
        for (text, warnings) in dialects {
            let (input, said) = read(text).expect(text);
            assert_eq!(Ok(input), strict.clone(), "{text}");
            assert_eq!(said.len(), warnings, "{said:?}");
        }
    }

    #[test]
    fn a_misspelt_member_is_said_to_be_ignored() {
        let text = format!(
            r#"[{{"id":1,"type":"customer","events":[{{"interface":"query","brnch":2}}]}},{BRANCH}]"#
        );
        let (_, warnings) = read(&text).expect("valid");
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].message.contains("\"brnch\" means nothing"), "{warnings:?}");
    }

    #[test]
    fn money_on_queries_is_ignored_and_blocks_of_one_customer_stay_apart() {
        let input = parse(&format!(
            r#"[{{"id":1,"type":"customer","events":[{{"interface":"query","money":400}}]}},
                {{"id":1,"type":"customer","events":[{{"interface":"query"}}]}},{BRANCH}]"#
        ))
        .expect("valid");
        assert_eq!(input.customers.len(), 2);
        let numbers: Vec<u64> = input.events().map(|(_, number, _)| number).collect();
        assert_eq!(numbers, [1, 2], "counted on over the blocks");
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_one_message_that_names_the_place() {
        let customer = |events: &str| {
            format!(r#"[{{"id":1,"type":"customer","events":[{events}]}},{BRANCH}]"#)
        };
        let cases = [
            (String::new(), "in.json:1:1: the file is empty"),
            ("nonsense".to_owned(), "in.json:1:1: found nonsense"),
            ("[".repeat(100_000), "in.json:1:66: nested"),
            ("7".to_owned(), "in.json:1:1: found a number; expected a list"),
            ("[7]".to_owned(), "in.json:1:2: found a number; expected an element"),
            ("[]".to_owned(), "in.json:1:1: there is no branch; add"),
            (
                customer(r#"{"interface":"steal"}"#),
                "customer 1, event 1: there is no interface \"steal\"",
            ),
            (customer(r#"{"money":5}"#), "customer 1, event 1: there is no \"interface\""),
            (customer("7"), "customer 1, event 1: found a number"),
            (customer(r#"{"interface":"deposit"}"#), "customer 1, event 1: there is no \"money\""),
            (customer(r#"{"interface":"deposit","money":-1}"#), "money is -1"),
            (customer(r#"{"interface":"deposit","money":1.5}"#), "money is 1.5"),
            (customer(r#"{"interface":"deposit","money":"five"}"#), "money is a text"),
            (customer(r#"{"interface":"deposit","money":""}"#), "money is a text"),
            (customer(r#"{"interface":"deposit","money":"$5"}"#), "money is a text"),
            (customer(r#"{"interface":"deposit","money":"1,000"}"#), "money is a text"),
            (
                customer(r#"{"interface":"deposit","money":5,"money":6}"#),
                "\"money\" is there twice with different values",
            ),
            (
                customer(r#"{"interface":"query","branch":1,"dest":2}"#),
                "\"branch\" and \"dest\" mean the same and differ",
            ),
            (
                format!(r#"[{{"id":1,"type":"customer","a":[],"b":[]}},{BRANCH}]"#),
                "customer 1: there is no \"events\"",
            ),
            (customer(&format!(r#"{{"interface":"{}"}}"#, "x".repeat(9_999))), "xxx…\"; give"),
            (customer(r#"{"interface":"deposit","money":9223372036854775808}"#), "at most 64 bits"),
            (customer(r#"{"interface":"deposit","money":1e3}"#), "money is 1e3"),
            (customer(r#"{"interface":"query","branch":9}"#), "there is no branch 9"),
            (
                format!(
                    "[{{\"id\":2,\"type\":\"customer\",\n\"events\":[{{\"interface\":\"query\"}}]}},{BRANCH}]"
                ),
                "in.json:2:11: customer 2, event 1: there is no branch 2; the file has branches 1",
            ),
            (
                format!(r#"[{{"id":1,"type":"customer"}},{BRANCH}]"#),
                "customer 1: there is no \"events\"",
            ),
            (format!(r#"[{{"id":1,"type":"ghost"}},{BRANCH}]"#), "there is no type \"ghost\""),
            (format!(r#"[{{"type":"branch","balance":1}},{BRANCH}]"#), "there is no \"id\""),
            (format!("[{BRANCH},\n{BRANCH}]"), "in.json:2:1: branch 1 is there twice"),
            (format!(r#"[{BRANCH},{{"id":2,"type":"branch","balance":401}}]"#), "same balance"),
            (r#"[{"id":1,"type":"branch","balance":-1}]"#.to_owned(), "must not be negative"),
            (r#"[{"id":1,"type":"branch"}]"#.to_owned(), "branch 1: there is no \"balance\""),
            (r#"[{"id":4294967296,"type":"branch","balance":1}]"#.to_owned(), "ids go up to"),
        ];
        for (text, expected) in cases {
            let message = parse(&text).expect_err("refused");
            assert!(message.starts_with("in.json:"), "{message}");
            assert!(message.contains(expected), "{message} lacks {expected}");
            assert!(!message.contains('\n'), "{message}");
        }
        let error = Input::parse(Path::new("in.json"), &[0xff]).expect_err("not text");
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }
}
