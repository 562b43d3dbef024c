//! The verdicts on linearizability agree with those of an independent checker, `porcupine-rs` (Wing and Gong's
//! search with Lowe's memory), on many small histories, good and bad.

#[path = "../benches/support/recorded.rs"]
mod recorded;

use passbook::bank::{Entry, Operation, Outcome, RequestId};
use passbook::check::{Property, Verdict};
use passbook::replicate::Read;
use porcupine_rs::{Model, Operation as Timed, check_operations};
use recorded::{Dice, RawCall, Recording, Shape, change, kept, record};

const BRANCHES: usize = 3;
const SEEDS: u64 = 1_500;

/// What is done to the bank at one instant.
#[derive(Clone, Debug)]
enum Step {
    /// The entry after the first `before` of a log. What is paid out must be there.
    Entry {
        member: usize,
        before: u64,
        change: i64,
        opening: i64,
    },
    Read([u64; BRANCHES]),
    Refuse {
        amount: i64,
        opening: i64,
    },
}

#[derive(Clone, Debug)]
struct Bank;

impl Model for Bank {
    /// How much of each log there is, and by how much it changed the balance.
    type State = ([u64; BRANCHES], i64);
    type Op = Step;
    type Metadata = ();

    fn init() -> Self::State {
        ([0; BRANCHES], 0)
    }

    fn step((known, sum): &Self::State, step: &Step) -> (bool, Self::State) {
        let same = (*known, *sum);
        match *step {
            Step::Entry { member, before, change, opening } => {
                let after = sum + change;
                let mut more = *known;
                more[member] += 1;
                let is_solvent = change >= 0 || opening + after >= 0;
                (known[member] == before && is_solvent, (more, after))
            }
            Step::Read(version) => (*known == version, same),
            Step::Refuse { amount, opening } => (opening + sum < amount, same),
        }
    }
}

fn timed(op: Step, invoked: u64, completed: Option<u64>, place: usize) -> Timed<Bank> {
    // Nobody waits for what is never answered; all instants differ.
    let never = i64::MAX / 2 + i64::try_from(place).expect("few");
    let call_time = i64::try_from(invoked).expect("early");
    let return_time = completed.map_or(never, |at| i64::try_from(at).expect("early"));
    Timed { client_id: None, call_time, return_time, op, metadata: None }
}

/// The run as the other checker takes it.
fn translated(run: &Recording) -> Vec<Timed<Bank>> {
    let opening = run.opening;
    let mut steps = Vec::new();
    let asked = |request: RequestId| run.calls.iter().find(|raw| raw.call.request() == request);
    for (member, log) in run.logs.iter().enumerate() {
        for (before, entry) in (0..).zip(log) {
            let call = entry.request.and_then(asked).map(|raw| raw.call);
            let (invoked, completed) = call.map_or((0, None), |call| {
                (call.invoked, call.completed.filter(|_| call.outcome == Outcome::Ok))
            });
            let change = change(entry.entry);
            let step = Step::Entry { member, before, change, opening };
            steps.push(timed(step, invoked, completed, steps.len()));
        }
    }
    for RawCall { call, version, .. } in &run.calls {
        let step = match (call.operation, call.outcome) {
            (Operation::Query, Outcome::Ok) => {
                let version = version.as_deref().expect("a read has a version");
                Step::Read(version.try_into().expect("of all branches"))
            }
            (Operation::Write(write), Outcome::Rejected(_)) => {
                Step::Refuse { amount: write.amount.minor_units(), opening }
            }
            _ => continue,
        };
        steps.push(timed(step, call.invoked, call.completed, steps.len()));
    }
    steps
}

/// Makes something of it wrong, or perhaps not.
fn disturb(run: &mut Recording, dice: &mut Dice) {
    let place = dice.roll(run.calls.len());
    let lengths: Vec<u64> = run.logs.iter().map(|log| kept(log.len())).collect();
    let raw = &mut run.calls[place];
    let member = dice.roll(BRANCHES);
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
                let less = write.amount.minor_units() / 2;
                raw.call.operation = Operation::withdraw(less);
            }
        }
    }
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
fn verdicts_agree_with_an_independent_checker() {
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
        let grants =
            run.logs.iter().flatten().filter(|raw| matches!(raw.entry, Entry::Grant { .. }));
        if !distinct(&run) || grants.count() > 6 {
            continue;
        }
        let judged = run.judge();
        let ours = judged.iter().find(|judged| judged.finding.property == Property::Linearizable);
        let ours = &ours.expect("it is judged").finding;
        let theirs = check_operations::<Bank>(&translated(&run));
        let expected = if theirs { Verdict::Pass } else { Verdict::Fail };
        assert_eq!(ours.verdict, expected, "seed {seed}: {ours:?}\n{:#?}", translated(&run));
        if theirs {
            good += 1;
        } else {
            bad += 1;
        }
    }
    assert!(good > 200 && bad > 100, "{good} good and {bad} bad histories were compared");
}
