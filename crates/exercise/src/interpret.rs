//! From a file's values to what customers do on which branches.

use std::collections::BTreeSet;

use super::fields::{Fields, Member, Warnings, integer, list, natural, quote, word};
use super::input::{Block, Event, Input};
use super::notation::{InvalidContent, Node, Position, Value};
use bank::{BranchId, CustomerId, Money, OperationKind};

const EXPECTED: &str = "a list of customer and branch elements";
const BRANCH_EXAMPLE: &str = r#"elements {"id": 1, "type": "branch", "balance": 400}"#;

/// The input in `values`: one list of elements, or the elements themselves.
pub(super) fn interpret(values: &[Node], warnings: &mut Warnings) -> Result<Input, InvalidContent> {
    let elements = match values {
        [only] if !matches!(only.value, Value::Object(_)) => list(only, EXPECTED)?,
        several => several,
    };
    let mut customers = Vec::new();
    let mut branches = Branches::default();
    for node in elements {
        let element = Fields::of(node, "an element: {\"id\", \"type\", …}")?;
        let id = element.require(Member::ID, "\"id\": a whole number", warnings)?;
        let id = natural(id, "id", warnings)?;
        let example = "\"type\": \"customer\" or \"branch\"";
        let kind = element.require(Member::TYPE, example, warnings)?;
        let known = [Member::ID, Member::TYPE, Member::EVENTS, Member::BALANCE];
        match word(kind, example)?.as_str() {
            "customer" | "client" => {
                let events = element.list(Member::EVENTS, warnings)?;
                element.warn_of_others(&known, events, warnings);
                customers.push((id, element.at, events));
            }
            "branch" | "bank" => {
                element.warn_of_others(&known, None, warnings);
                branches.add(id, &element, warnings)?;
            }
            other => {
                let other = quote(other);
                let message = format!("there is no type {other}; give \"customer\" or \"branch\"");
                return Err(InvalidContent::new(kind.at, message));
            }
        }
    }
    let begins = values.first().map_or(Position { line: 1, column: 1 }, |first| first.at);
    let opening = branches.opening(begins)?;
    let known: BTreeSet<BranchId> = branches.ids.iter().copied().collect();
    let customers = customers.into_iter().map(|(id, at, events)| {
        let missing = || {
            InvalidContent::new(
                at,
                "there is no \"events\"; add \"events\": a list, which may be empty",
            )
        };
        let events = events.ok_or_else(missing).and_then(|events| list(events, "a list of events"));
        let events = events.map_err(|error| error.of(format_args!("customer {id}")))?;
        let event = |(number, node): (u64, &Node)| {
            let event = event(id, node, &known, warnings);
            event.map_err(|error| error.of(format_args!("customer {id}, event {number}")))
        };
        let events = (1..).zip(events).map(event).collect::<Result<_, _>>()?;
        Ok(Block { id: CustomerId(id), events })
    });
    let customers = customers.collect::<Result<_, _>>()?;
    Ok(Input { customers, branches: branches.ids, opening })
}

/// The branches seen so far.
#[derive(Default)]
struct Branches {
    ids: Vec<BranchId>,
    first: Option<(BranchId, i64)>,
}

impl Branches {
    fn add(
        &mut self,
        id: u64,
        element: &Fields<'_>,
        warnings: &mut Warnings,
    ) -> Result<(), InvalidContent> {
        let invalid = |message: String| InvalidContent::new(element.at, message);
        let Ok(id) = u32::try_from(id).map(BranchId) else {
            return Err(invalid(format!(
                "branch {id}: ids go up to {}; give a smaller one",
                u32::MAX
            )));
        };
        if self.ids.contains(&id) {
            return Err(invalid(format!(
                "branch {id} is there twice; give each branch one element"
            )));
        }
        let balance = element
            .require(Member::BALANCE, "\"balance\": a whole number", warnings)
            .and_then(|node| not_negative(node, "balance", warnings))
            .map_err(|error| error.of(format_args!("branch {id}")))?;
        match self.first {
            Some((first, other)) if other != balance => {
                return Err(invalid(format!(
                    "branch {id} starts with {balance}, branch {first} with {other}; \
                     all branches must start with the same balance"
                )));
            }
            Some(_) => {}
            None => self.first = Some((id, balance)),
        }
        self.ids.push(id);
        Ok(())
    }

    fn opening(&self, begins: Position) -> Result<Money, InvalidContent> {
        let Some((_, balance)) = self.first else {
            return Err(InvalidContent::new(
                begins,
                format!("there is no branch; add {BRANCH_EXAMPLE}"),
            ));
        };
        Ok(Money::new(balance))
    }
}

/// A whole number of 63 bits.
fn not_negative(node: &Node, what: &str, warnings: &mut Warnings) -> Result<i64, InvalidContent> {
    natural(node, what, warnings)?;
    integer(node, what, warnings)
}

fn event(
    customer: u64,
    node: &Node,
    known: &BTreeSet<BranchId>,
    warnings: &mut Warnings,
) -> Result<Event, InvalidContent> {
    let fields = Fields::of(node, "an event: {\"interface\", \"money\"}")?;
    let known_members = [Member::EVENT_ID, Member::INTERFACE, Member::MONEY, Member::BRANCH];
    fields.warn_of_others(&known_members, None, warnings);
    let named = fields.get(Member::BRANCH, warnings)?;
    let number = named.map_or(Ok(customer), |node| natural(node, "branch", warnings))?;
    let branch = u32::try_from(number).map(BranchId).ok().filter(|id| known.contains(id));
    let Some(branch) = branch else {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        let message =
            format!("there is no branch {number}; the file has branches {}", known.join(", "));
        return Err(InvalidContent::new(named.map_or(node.at, |node| node.at), message));
    };
    let example = "\"interface\": \"query\", \"deposit\" or \"withdraw\"";
    let interface = fields.require(Member::INTERFACE, example, warnings)?;
    let name = word(interface, example)?;
    let kind: OperationKind = name.parse().map_err(|_| {
        let name = quote(&name);
        let message = format!("there is no interface {name}; give query, deposit or withdraw");
        InvalidContent::new(interface.at, message)
    })?;
    let amount = match kind {
        OperationKind::Query => Money::ZERO,
        OperationKind::Deposit | OperationKind::Withdraw => {
            let money = fields.require(Member::MONEY, "\"money\": a whole number", warnings)?;
            Money::new(not_negative(money, "money", warnings)?)
        }
    };
    Ok(Event { operation: kind.with_amount(amount), branch, names_branch: named.is_some() })
}
