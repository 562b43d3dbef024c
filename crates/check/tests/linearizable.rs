//! The verdicts on linearizability agree with an exact search that shares nothing with the judge, on many small
//! histories, good and bad; and with porcupine (`porcupine/mod.rs`). The search follows the definition: the sets of
//! steps that may have been done, smallest first.

use std::collections::BTreeSet;

mod porcupine;

use bank::Read;
use bank::{Money, Operation, Outcome, RequestId};
use check::{Finding, Property, Verdict};
use testkit::recorded::{Dice, RawCall, RawEntry, Recording, Shape, change, kept, record};

const BRANCHES: usize = 3;
const SEEDS: u64 = 1_500;

/// What is done to the bank at one instant.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// The entry after the first `before` of a log. What is paid out must be there.
    Entry {
        member: usize,
        before: u64,
        change: i64,
    },
    Read([u64; BRANCHES]),
    Refuse(i64),
}

/// The same, with the time in which it was done.
#[derive(Clone, Copy, Debug)]
struct Step {
    does: Does,
    invoked: u64,
    /// Nobody waits for what is never answered.
    completed: Option<u64>,
}

impl Step {
    /// Whether it may be done where `done` has been.
    fn fits<'a>(&self, opening: i64, done: impl Iterator<Item = &'a Self>) -> bool {
        let (mut known, mut balance) = ([0; BRANCHES], opening);
        for step in done {
            if let Does::Entry { member, change, .. } = step.does {
                known[member] += 1;
                balance += change;
            }
        }
        match self.does {
            Does::Entry { member, before, change } => {
                known[member] == before && (change >= 0 || balance + change >= 0)
            }
            Does::Read(version) => known == version,
            Does::Refuse(amount) => balance < amount,
        }
    }
}

/// Whether the steps can be put in an order in which each fits, and none stands before one that was answered
/// when it was asked.
fn is_linearizable(opening: i64, steps: &[Step]) -> bool {
    let numbered = || (0_u32..).zip(steps);
    let mut reached = BTreeSet::from([0_u64]);
    for _ in steps {
        let mut further = BTreeSet::new();
        for done in reached {
            let is_done = |bit: u32| done & (1 << bit) != 0;
            let left = || numbered().filter(|(bit, _)| !is_done(*bit));
            let first_answer = left().filter_map(|(_, step)| step.completed).min();
            for (bit, step) in left() {
                let in_time = first_answer.is_none_or(|answer| step.invoked < answer);
                let before = numbered().filter(|(bit, _)| is_done(*bit)).map(|(_, step)| step);
                if in_time && step.fits(opening, before) {
                    further.insert(done | (1 << bit));
                }
            }
        }
        reached = further;
    }
    !reached.is_empty()
}

/// Of each log's first entries those that move money: a grant is nothing that a customer could see.
fn moving(run: &Recording, version: &[u64]) -> Vec<u64> {
    let counted = |(log, seq): (&Vec<RawEntry>, &u64)| {
        let first = log.iter().take(usize::try_from(*seq).expect("few"));
        kept(first.filter(|raw| change(raw.entry) != 0).count())
    };
    run.logs.iter().zip(version).map(counted).collect()
}

/// The run as the search takes it.
fn translated(run: &Recording) -> Vec<Step> {
    let mut steps = Vec::new();
    let asked = |request: RequestId| run.calls.iter().find(|raw| raw.call.request() == request);
    for (member, log) in run.logs.iter().enumerate() {
        for (before, entry) in (0..).zip(log.iter().filter(|raw| change(raw.entry) != 0)) {
            let call = entry.request.and_then(asked).map(|raw| raw.call);
            let (invoked, completed) = call.map_or((0, None), |call| {
                (call.invoked, call.completed.filter(|_| call.outcome == Outcome::Ok))
            });
            let does = Does::Entry { member, before, change: change(entry.entry) };
            steps.push(Step { does, invoked, completed });
        }
    }
    for RawCall { call, version, .. } in &run.calls {
        let does = match (call.operation, call.outcome) {
            (Operation::Query, Outcome::Ok) => {
                let version = version.as_deref().expect("a read has a version");
                Does::Read(moving(run, version).try_into().expect("of all branches"))
            }
            (Operation::Write(write), Outcome::Rejected(_)) => {
                Does::Refuse(write.amount.minor_units())
            }
            _ => continue,
        };
        steps.push(Step { does, invoked: call.invoked, completed: call.completed });
    }
    steps
}

/// Makes something of it wrong, or perhaps not.
fn disturb(run: &mut Recording, dice: &mut Dice) {
    let place = dice.roll(run.calls.len());
    let lengths: Vec<u64> = run.logs.iter().map(|log| kept(log.len())).collect();
    let raw = &mut run.calls[place];
    let member = dice.roll(lengths.len());
    match dice.roll(3) {
        0 => {
            if let Some(version) = raw.version.as_mut() {
                let up = version[member].saturating_add(1).min(lengths[member]);
                version[member] =
                    if dice.percent(50) { up } else { version[member].saturating_sub(1) };
            }
        }
        // An answer that came earlier than it did.
        1 => {
            let earlier =
                raw.call.completed.map(|at| raw.call.invoked + (at - raw.call.invoked) / 9);
            raw.call.completed = earlier.filter(|at| *at > raw.call.invoked).or(raw.call.completed);
        }
        _ => {
            if let (Operation::Write(write), Outcome::Rejected(_)) =
                (raw.call.operation, raw.call.outcome)
            {
                let half = write.amount.minor_units() / 2;
                let there = raw.call.balance.map(Money::minor_units);
                let less = if dice.percent(50) { half } else { there.unwrap_or(half).max(1) };
                raw.call.operation = Operation::withdraw(less);
            }
        }
    }
}

/// What our judge says.
fn ours(run: &Recording) -> Finding {
    let mut judged = run.judge().into_iter().map(|judged| judged.finding);
    judged.find(|finding| finding.property == Property::Linearizable).expect("it is judged")
}

fn distinct(run: &Recording) -> bool {
    let mut instants: Vec<u64> = run
        .calls
        .iter()
        .flat_map(|raw| [Some(raw.call.invoked), raw.call.completed])
        .flatten()
        .collect();
    let before = instants.len();
    instants.sort_unstable();
    instants.dedup();
    instants.len() == before
}

#[test]
fn verdicts_agree_with_an_exact_search() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let shape = Shape {
            branches: BRANCHES,
            sessions: 2 + dice.roll(4),
            operations: 4 + dice.roll(8),
            opening: [0, 60, 1_000][dice.roll(3)],
            read: [Read::Snapshot, Read::Snapshot, Read::Session][dice.roll(3)],
            mix: [(40, 30), (30, 50), (20, 20)][dice.roll(3)],
            unanswered: 10,
        };
        let mut run = record(shape, seed);
        for _ in 0..dice.roll(4) {
            disturb(&mut run, &mut dice);
        }
        if !distinct(&run) {
            continue;
        }
        let ours = ours(&run);
        let steps = translated(&run);
        let has_order = is_linearizable(run.opening, &steps);
        let expected = if has_order { Verdict::Pass } else { Verdict::Fail };
        assert_eq!(ours.verdict, expected, "seed {seed}: {ours:?}\n{steps:#?}");
        if has_order {
            good += 1;
        } else {
            bad += 1;
        }
    }
    assert!(good > 200 && bad > 100, "{good} good and {bad} bad histories were compared");
}
