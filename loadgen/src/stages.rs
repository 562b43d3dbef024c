//! Who works when: a run is one crowd of customers after another, with settling in between.

use std::collections::{BTreeMap, HashMap};

use passbook::bank::{BranchId, CustomerId, Operation};
use passbook::files::{Event, Input};

use crate::customers::{Crowd, Done, Order, Record};
use crate::scenario::{Replay, ReplayOrder, Workload};

type Numbered = Vec<(u64, Event)>;

/// The crowds of a workload, in order.
pub fn crowds(workload: &Workload, branches: Vec<BranchId>) -> Vec<Crowd> {
    match workload {
        Workload::Synthetic(synthetic) => {
            vec![Crowd::AtOnce { synthetic: synthetic.clone(), branches }]
        }
        Workload::Replay(Replay { input, order: ReplayOrder::Sequential, .. }) => {
            vec![Crowd::Lists(blocks(input), Order::OneAfterAnother)]
        }
        Workload::Replay(Replay { input, order: ReplayOrder::Concurrent, .. }) => {
            let is_query = |event: &Event| event.operation == Operation::Query;
            let writes = by_customer(input, |event| !is_query(event));
            let queries = by_customer(input, is_query);
            [writes, queries].map(|lists| Crowd::Lists(lists, Order::AtOnce)).into()
        }
    }
}

/// A list for each block of the file.
fn blocks(input: &Input) -> Vec<(CustomerId, Numbered)> {
    let mut events = input.events();
    let blocks = input.customers.iter().map(|block| {
        let mine = events.by_ref().take(block.events.len());
        (block.id, mine.map(|(_, number, event)| (number, *event)).collect())
    });
    blocks.collect()
}

/// A list for each customer, of those events that are wanted.
fn by_customer(input: &Input, wanted: impl Fn(&Event) -> bool) -> Vec<(CustomerId, Numbered)> {
    let mut lists: BTreeMap<CustomerId, Numbered> = BTreeMap::new();
    for (customer, number, event) in input.events().filter(|(_, _, event)| wanted(event)) {
        lists.entry(customer).or_default().push((number, *event));
    }
    lists.into_iter().collect()
}

/// What was done, as the blocks of the file have it. What was not done is missing.
pub fn arrange(workload: &Workload, records: Vec<Record>) -> Vec<Record> {
    let Workload::Replay(Replay { input, order: ReplayOrder::Concurrent, .. }) = workload else {
        return records;
    };
    let mut done: HashMap<(CustomerId, u64), Done> = HashMap::new();
    for record in records {
        done.extend(record.done.into_iter().map(|done| ((record.customer, done.number), done)));
    }
    let mut events = input.events();
    let blocks = input.customers.iter().map(|block| {
        let mine = events.by_ref().take(block.events.len());
        let mine = mine.filter_map(|(customer, number, _)| done.remove(&(customer, number)));
        Record { customer: block.id, done: mine.collect() }
    });
    blocks.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use passbook::bank::{Answer, Outcome};

    use crate::scenario::Style;

    use super::*;

    fn workload(order: ReplayOrder) -> Workload {
        let text = r#"[
            {"id":1,"type":"customer","events":[{"interface":"query"},{"interface":"deposit","money":1}]},
            {"id":2,"type":"customer","events":[{"interface":"deposit","money":2,"branch":1}]},
            {"id":1,"type":"customer","events":[{"interface":"query"}]},
            {"id":1,"type":"branch","balance":0}]"#;
        let (input, _) = Input::parse(Path::new("in"), text.as_bytes()).expect("valid");
        Workload::Replay(Replay {
            path: "in".into(),
            input,
            output: None,
            order,
            style: Style::Auto,
        })
    }

    fn numbers(crowd: &Crowd) -> Vec<(u64, Vec<u64>)> {
        let Crowd::Lists(lists, _) = crowd else { panic!("lists") };
        let numbered = |events: &Numbered| events.iter().map(|(number, _)| *number).collect();
        lists.iter().map(|(customer, events)| (customer.0, numbered(events))).collect()
    }

    #[test]
    fn sequential_is_a_list_a_block_and_concurrent_is_writes_then_queries() {
        let crowds_of = |order| crowds(&workload(order), Vec::new());
        let sequential = crowds_of(ReplayOrder::Sequential);
        assert_eq!(numbers(&sequential[0]), [(1, vec![1, 2]), (2, vec![1]), (1, vec![3])]);
        let concurrent = crowds_of(ReplayOrder::Concurrent);
        assert_eq!(numbers(&concurrent[0]), [(1, vec![2]), (2, vec![1])]);
        assert_eq!(numbers(&concurrent[1]), [(1, vec![1, 3])]);
    }

    #[test]
    fn answers_return_to_their_place() {
        let workload = workload(ReplayOrder::Concurrent);
        let answer = Answer { outcome: Outcome::Ok, balance: None };
        let mut records = Vec::new();
        for crowd in crowds(&workload, Vec::new()) {
            let Crowd::Lists(lists, _) = crowd else { panic!("lists") };
            records.extend(lists.into_iter().map(|(customer, events)| {
                let done = events.into_iter().map(|(number, event)| Done { number, event, answer });
                Record { customer, done: done.collect() }
            }));
        }
        let arranged = arrange(&workload, records);
        let numbers = |record: &Record| record.done.iter().map(|done| done.number).collect();
        let numbers: Vec<Vec<u64>> = arranged.iter().map(numbers).collect();
        assert_eq!(numbers, [vec![1, 2], vec![1], vec![3]]);
    }
}
