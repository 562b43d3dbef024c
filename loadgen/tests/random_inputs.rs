//! Whatever customers do one after another, over real sockets every answer is that of one account.
//!
//! `PROPTEST_CASES=5000 cargo test --release -p loadgen --test random_inputs` tries more of them.

mod support;

use bank::{BranchId, CustomerId, Money, Operation, WriteKind};
use exercise::{Block, Element, Entry, Event, Input, Output, ResultName};
use loadgen::scenario::{ClusterChoice, Replay, ReplayOrder, Scenario, Style, Workload};
use loadgen::{ExitCode, Hooks, Interrupt};
use proptest::prelude::*;
use replication::{Fanout, Locking, Scheme};

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        Just(Operation::Query),
        (0..300_i64).prop_map(Operation::deposit),
        (0..300_i64).prop_map(Operation::withdraw),
    ]
}

/// An input with up to four branches and six blocks, grouped or roaming.
fn input() -> impl Strategy<Value = Input> {
    let event = (operation(), any::<prop::sample::Index>());
    let block = (1..5_u64, prop::collection::vec(event, 0..8));
    let blocks = prop::collection::vec(block, 0..6);
    (1..5_u32, 0..500_i64, blocks, any::<bool>()).prop_map(
        |(branches, opening, blocks, roaming)| {
            let branches: Vec<BranchId> = (1..=branches).map(BranchId).collect();
            let customers = blocks.into_iter().map(|(id, events)| {
                let home = branches[usize::try_from(id).expect("small") % branches.len()];
                let id = CustomerId(if roaming { id } else { home.0.into() });
                let events = events.into_iter().map(|(operation, index)| {
                    let branch = if roaming { *index.get(&branches) } else { home };
                    Event { operation, branch, names_branch: roaming }
                });
                Block { id, events: events.collect() }
            });
            let customers = customers.collect();
            Input { customers, branches, opening: Money::new(opening) }
        },
    )
}

fn scheme() -> impl Strategy<Value = Scheme> {
    let broadcast = (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(fanout, lock)| {
        let locking = Locking::asked(lock);
        Scheme::Broadcast { fanout: *fanout.get(Fanout::ALL), locking }
    });
    prop_oneof![Just(Scheme::Passbook), broadcast]
}

/// What one account answers, laid out as the seeds do: written here once more, so that a mistake in
/// the program's own model cannot hide.
fn expected(input: &Input) -> Output {
    let per_event = input.customers.iter().flat_map(|b| &b.events).any(|e| e.names_branch);
    let mut balance = input.opening.minor_units();
    let mut output = Output::new();
    for block in &input.customers {
        let mut recv = Vec::new();
        for event in &block.events {
            let (result, shown) = match event.operation {
                Operation::Query => (None, Some(balance)),
                Operation::Write(write) => {
                    let amount = write.amount.minor_units();
                    let change = if write.kind == WriteKind::Deposit { amount } else { -amount };
                    let covered = change >= 0 || balance >= amount;
                    balance += if covered { change } else { 0 };
                    (Some(if covered { ResultName::Success } else { ResultName::Fail }), None)
                }
            };
            let interface = event.operation.kind();
            let branch = per_event.then_some(event.branch.0);
            recv.push(Entry { interface, branch, result, balance: shown });
        }
        if per_event {
            output.extend(
                recv.into_iter().map(|entry| Element { id: block.id.0, recv: vec![entry] }),
            );
        } else {
            output.push(Element { id: block.id.0, recv });
        }
    }
    output
}

proptest! {
    #[test]
    fn every_answer_is_the_models(input in input(), scheme in scheme()) {
        let model = expected(&input);
        let is_empty = input.customers.iter().all(|block| block.events.is_empty());
        let code = if is_empty { ExitCode::Unknown } else { ExitCode::Passed };
        let home = support::folder();
        let replay = Replay {
            path: "random".into(),
            input,
            output: Some(home.path().join("output.json")),
            order: ReplayOrder::Sequential,
            style: Style::Auto,
        };
        let cluster = ClusterChoice::Embedded(scheme);
        let workload = Workload::Replay(replay);
        let scenario = Scenario { keep_answers: true, ..Scenario::new(workload, cluster) };
        let hooks = Hooks {
            progress: &mut |_| {},
            interrupt: Interrupt::default(),
        metrics: None,
            tracing: None,
            replica: None,
        };
        let report = loadgen::run(&scenario, hooks).expect("a run");
        prop_assert_eq!(report.output(), &model);
        prop_assert_eq!(report.exit_code(), code, "{}", report.render());
    }
}
