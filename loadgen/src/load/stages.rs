//! Who works when: a run is one crowd of customers after another, with settling in between.

use std::collections::BTreeMap;

use bank::{BranchId, CustomerId, Operation};
use exercise::{Event, Input};

use crate::load::{Crowd, Order};
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

#[cfg(test)]
mod tests {
    use std::path::Path;

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
}
