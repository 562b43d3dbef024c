//! From a file's values to what customers do on which branches.

use std::collections::BTreeSet;

use super::fields::{Fields, Misfit, integer, list, natural, word};
use super::input::{Block, Event, Input, Warning};
use super::notation::{Node, Position, Value};
use crate::bank::{BranchId, CustomerId, Money, Operation, Write, WriteKind};

const EXPECTED: &str = "a list of customer and branch elements";
const BRANCH_EXAMPLE: &str = r#"elements {"id": 1, "type": "branch", "balance": 400}"#;

/// The input in `values`: one list of elements, or the elements themselves.
pub(super) fn interpret(values: &[Node]) -> Result<(Input, Vec<Warning>), Misfit> {
    let mut ignored = Ignored::default();
    let elements = match values {
        [only] if !matches!(only.value, Value::Object(_)) => list(only, EXPECTED)?,
        several => several,
    };
    let mut customers = Vec::new();
    let mut branches = Branches::default();
    for node in elements {
        let element = Fields::of(node, "an element: {\"id\", \"type\", …}")?;
        ignored.look(&element, &["id", "type", "events", "balance"]);
        let id = natural(element.require(&["id"], "\"id\": a whole number")?, "id")?;
        let example = "\"type\": \"customer\" or \"branch\"";
        let kind = element.require(&["type"], example)?;
        match word(kind, example)?.as_str() {
            "customer" | "client" => customers.push((id, element)),
            "branch" | "bank" => branches.add(id, &element)?,
            other => {
                let message =
                    format!("there is no type {other:?}; give \"customer\" or \"branch\"");
                return Err(Misfit::new(kind.at, message));
            }
        }
    }
    let begins = values.first().map_or(Position { line: 1, column: 1 }, |first| first.at);
    let opening = branches.opening(begins)?;
    let known: BTreeSet<BranchId> = branches.ids.iter().copied().collect();
    let customers = customers.into_iter().map(|(id, element)| {
        let events = element.require(&["events"], "\"events\": a list, which may be empty");
        let block = events.and_then(|events| list(events, "a list of events"));
        let events = block.map_err(|misfit| misfit.of(format_args!("customer {id}")))?;
        let event = |(number, node): (u64, &Node)| {
            let event = event(id, node, &known, &mut ignored);
            event.map_err(|misfit| misfit.of(format_args!("customer {id}, event {number}")))
        };
        let events = (1..).zip(events).map(event).collect::<Result<_, _>>()?;
        Ok(Block { id: CustomerId(id), events })
    });
    let customers = customers.collect::<Result<_, _>>()?;
    Ok((Input { customers, branches: branches.ids, opening }, ignored.0))
}

/// Members that nobody looks at, each name once: it may be a misspelt one.
#[derive(Default)]
struct Ignored(Vec<Warning>);

impl Ignored {
    fn look(&mut self, fields: &Fields<'_>, names: &[&str]) {
        if let Some((name, at)) = fields.other_than(names) {
            let message = format!("{name:?} means nothing here and is ignored");
            if !self.0.iter().any(|warning| warning.message == message) {
                self.0.push(Warning { at, message });
            }
        }
    }
}

/// The branches seen so far.
#[derive(Default)]
struct Branches {
    ids: Vec<BranchId>,
    first: Option<(BranchId, i64)>,
}

impl Branches {
    fn add(&mut self, id: u64, element: &Fields<'_>) -> Result<(), Misfit> {
        let misfit = |message: String| Misfit::new(element.at, message);
        let Ok(id) = u32::try_from(id).map(BranchId) else {
            return Err(misfit(format!(
                "branch {id}: ids go up to {}; give a smaller one",
                u32::MAX
            )));
        };
        if self.ids.contains(&id) {
            return Err(misfit(format!(
                "branch {id} is there twice; give each branch one element"
            )));
        }
        let balance = element
            .require(&["balance"], "\"balance\": a whole number")
            .and_then(|node| natural(node, "balance").map(|_| node))
            .and_then(|node| integer(node, "balance"))
            .map_err(|misfit| misfit.of(format_args!("branch {id}")))?;
        match self.first {
            Some((first, other)) if other != balance => {
                return Err(misfit(format!(
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

    fn opening(&self, begins: Position) -> Result<Money, Misfit> {
        let Some((_, balance)) = self.first else {
            return Err(Misfit::new(begins, format!("there is no branch; add {BRANCH_EXAMPLE}")));
        };
        Ok(Money::new(balance))
    }
}

fn event(
    customer: u64,
    node: &Node,
    known: &BTreeSet<BranchId>,
    ignored: &mut Ignored,
) -> Result<Event, Misfit> {
    let fields = Fields::of(node, "an event: {\"interface\", \"money\"}")?;
    ignored.look(&fields, &["id", "interface", "money", "branch", "dest"]);
    let named = fields.get(&["branch", "dest"]);
    let number = named.map_or(Ok(customer), |node| natural(node, "branch"))?;
    let branch = u32::try_from(number).map(BranchId).ok().filter(|id| known.contains(id));
    let Some(branch) = branch else {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        let message =
            format!("there is no branch {number}; the file has branches {}", known.join(", "));
        return Err(Misfit::new(named.map_or(node.at, |node| node.at), message));
    };
    let example = "\"interface\": \"query\", \"deposit\" or \"withdraw\"";
    let interface = fields.require(&["interface"], example)?;
    let kind = match word(interface, example)?.as_str() {
        "query" => None,
        "deposit" => Some(WriteKind::Deposit),
        "withdraw" => Some(WriteKind::Withdraw),
        other => {
            let message =
                format!("there is no interface {other:?}; give query, deposit or withdraw");
            return Err(Misfit::new(interface.at, message));
        }
    };
    let operation = match kind {
        None => Operation::Query,
        Some(kind) => {
            let money = fields.require(&["money"], "\"money\": a whole number")?;
            natural(money, "money")?;
            let amount = Money::new(integer(money, "money")?);
            Operation::Write(Write { kind, amount })
        }
    };
    Ok(Event { operation, branch, names_branch: named.is_some() })
}
