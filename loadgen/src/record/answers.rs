//! What every customer was answered, as `input.json` and `output.json` have it.

use bank::{Answer, CustomerId};
use exercise::{Block, Event};
use history::History;

use crate::scenario::Workload;

/// A history by customer, each one's operations in order.
#[derive(Debug)]
pub struct Answers<'a> {
    history: &'a History,
    /// Customer, operation and place in the history, ascending.
    order: Vec<(CustomerId, u64, usize)>,
}

/// One customer element of a file: events with their answers.
pub type Answered = (CustomerId, Vec<(Event, Answer)>);

impl<'a> Answers<'a> {
    /// Those of `history`. Sorts: n log n.
    pub fn of(history: &'a History) -> Self {
        let named = history.calls().enumerate();
        let mut order: Vec<_> =
            named.map(|(place, call)| (call.customer, call.position, place)).collect();
        order.sort_unstable();
        Self { history, order }
    }

    /// The blocks of what `workload` had done, in the order of its file: by customer if it is made up. What was not
    /// done is missing.
    pub fn blocks<'b>(&'b self, workload: &'b Workload) -> Box<dyn Iterator<Item = Answered> + 'b> {
        match workload {
            Workload::Synthetic(synthetic) => {
                Box::new((1..=synthetic.customers).map(CustomerId).map(|customer| {
                    let first = self.order.partition_point(|(other, ..)| *other < customer);
                    let mine = self.order[first..].iter();
                    let mine = mine.take_while(|(other, ..)| *other == customer);
                    (customer, mine.map(|(.., place)| self.made_up(*place)).collect())
                }))
            }
            Workload::Replay(replay) => {
                let mut events = replay.input.events();
                Box::new(replay.input.customers.iter().map(move |block| {
                    let mine = events.by_ref().take(block.events.len());
                    let answered = mine.filter_map(|(customer, number, event)| {
                        Some((*event, self.answer(customer, number)?))
                    });
                    (block.id, answered.collect())
                }))
            }
        }
    }

    fn made_up(&self, place: usize) -> (Event, Answer) {
        let call = self.history.call(place);
        let event = Event { operation: call.operation, branch: call.branch, names_branch: true };
        (event, Answer { outcome: call.outcome, balance: call.balance })
    }

    fn answer(&self, customer: CustomerId, number: u64) -> Option<Answer> {
        let is = |(other, event, _): &(CustomerId, u64, usize)| (*other, *event);
        let found = self.order.binary_search_by_key(&(customer, number), is).ok()?;
        let call = self.history.call(self.order[found].2);
        Some(Answer { outcome: call.outcome, balance: call.balance })
    }
}

/// What was asked of it.
pub fn asked((id, answered): Answered) -> Block {
    Block { id, events: answered.into_iter().map(|(event, _)| event).collect() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bank::{BranchId, Money, Operation, Outcome, SessionId, StatusCode};
    use exercise::Input;
    use history::OperationRecord;

    use super::*;
    use crate::scenario::{Replay, ReplayOrder, Stop, Style, Synthetic};

    fn call(
        customer: u64,
        event: u64,
        operation: Operation,
        balance: i64,
    ) -> OperationRecord<'static> {
        OperationRecord {
            session: SessionId(10 * customer),
            customer: CustomerId(customer),
            number: event,
            position: event,
            attempt: 1,
            operation,
            branch: BranchId(1),
            invoked: 0,
            completed: Some(1),
            outcome: Outcome::Ok,
            code: StatusCode::Ok,
            status: None,
            seq: None,
            version: None,
            at_most: None,
            balance: Some(Money::new(balance)),
            trace: None,
        }
    }

    fn history(calls: &[OperationRecord<'_>]) -> History {
        let mut history = History::new([BranchId(1)]);
        for call in calls {
            history.push(call).expect("it fits");
        }
        history
    }

    fn balances(blocks: impl Iterator<Item = Answered>) -> Vec<(u64, Vec<i64>)> {
        let balance = |(_, answer): &(Event, Answer)| answer.balance.map_or(0, Money::minor_units);
        blocks.map(|(id, answered)| (id.0, answered.iter().map(balance).collect())).collect()
    }

    #[test]
    fn answers_return_to_their_place_in_the_file_and_what_was_not_done_is_missing() {
        let text = r#"[
            {"id":1,"type":"customer","events":[{"interface":"query"},{"interface":"deposit","money":1}]},
            {"id":2,"type":"customer","events":[{"interface":"deposit","money":2,"branch":1}]},
            {"id":1,"type":"customer","events":[{"interface":"query"}]},
            {"id":1,"type":"branch","balance":0}]"#;
        let (input, _) = Input::parse(Path::new("in"), text.as_bytes()).expect("valid");
        let workload = Workload::Replay(Replay {
            path: "in".into(),
            input,
            output: None,
            order: ReplayOrder::Concurrent,
            style: Style::Auto,
        });
        let history = history(&[
            call(1, 2, Operation::deposit(1), 12),
            OperationRecord { session: SessionId(11), ..call(1, 1, Operation::Query, 11) },
            OperationRecord {
                session: SessionId(11),
                number: 2,
                ..call(1, 3, Operation::Query, 13)
            },
        ]);
        let answers = Answers::of(&history);
        let blocks = balances(answers.blocks(&workload));
        assert_eq!(blocks, [(1, vec![11, 12]), (2, vec![]), (1, vec![13])]);
    }

    #[test]
    fn made_up_customers_are_in_their_order() {
        let synthetic =
            Synthetic { customers: 3, branches: 1, stop: Stop::Events(2), ..Synthetic::default() };
        let history = history(&[
            call(3, 1, Operation::Query, 31),
            call(1, 1, Operation::Query, 11),
            call(3, 2, Operation::Query, 32),
        ]);
        let answers = Answers::of(&history);
        let blocks = balances(answers.blocks(&Workload::Synthetic(synthetic)));
        assert_eq!(blocks, [(1, vec![11]), (2, vec![]), (3, vec![31, 32])]);
    }
}
